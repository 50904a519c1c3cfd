# Run at build time: writes a header with the commit that is being built.
#   cmake -DSOURCE_DIR=<repository root> -DHEADER=<file to write> -P commit.cmake
# The file is touched only where its text changes, so that nothing is compiled again without need.

set(commit "unknown")
find_program(GIT git)
if(GIT)
  # A prefix means that the sources lie inside another repository, whose commit says nothing about them.
  execute_process(COMMAND ${GIT} -C ${SOURCE_DIR} rev-parse --show-prefix
    OUTPUT_VARIABLE prefix RESULT_VARIABLE outside ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  execute_process(COMMAND ${GIT} -C ${SOURCE_DIR} rev-parse --verify --quiet --short=12 HEAD
    OUTPUT_VARIABLE head RESULT_VARIABLE missing ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(outside EQUAL 0 AND prefix STREQUAL "" AND missing EQUAL 0)
    set(commit "${head}")
    # Without optional locks: a build must not get in the way of a git command that runs beside it.
    execute_process(COMMAND ${GIT} --no-optional-locks -C ${SOURCE_DIR} status --porcelain --untracked-files=no
      OUTPUT_VARIABLE changes ERROR_QUIET)
    if(NOT changes STREQUAL "")
      string(APPEND commit "-dirty")
    endif()
  endif()
endif()

set(text "#pragma once\n\nnamespace razorscope {\ninline constexpr const char* razorscope_commit = \"${commit}\";\n}\n")
set(old "")
if(EXISTS ${HEADER})
  file(READ ${HEADER} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${HEADER} "${text}")
endif()
