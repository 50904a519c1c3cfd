# The built program, run as users run it.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_Interpreter_FOUND)
  add_test(NAME scenario.cli
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/scenario/cli_test.py $<TARGET_FILE:razorscope> ${CMAKE_SOURCE_DIR})
  set_tests_properties(scenario.cli PROPERTIES LABELS scenario TIMEOUT 300 ENVIRONMENT OMP_WAIT_POLICY=passive)
  add_test(NAME scenario.serving
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/scenario/serving_test.py $<TARGET_FILE:razorscope>)
  set_tests_properties(scenario.serving PROPERTIES LABELS scenario TIMEOUT 300)
else()
  message(WARNING "Python 3 is missing: the scenario tests are left out")
endif()
