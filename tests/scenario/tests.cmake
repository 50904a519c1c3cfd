# The built program, run as users run it.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_Interpreter_FOUND)
  foreach(name cli plan report serve)
    add_test(NAME scenario.${name}
      COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/scenario/${name}_test.py $<TARGET_FILE:razorscope> ${CMAKE_SOURCE_DIR})
    set_tests_properties(scenario.${name} PROPERTIES LABELS scenario TIMEOUT 300 ENVIRONMENT OMP_WAIT_POLICY=passive)
  endforeach()
else()
  message(WARNING "Python 3 is missing: the scenario tests are left out")
endif()
