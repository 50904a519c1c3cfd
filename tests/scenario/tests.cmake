# The built program, run as users run it.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_Interpreter_FOUND)
  foreach(name advise cli plan serve sweep)
    add_test(NAME scenario.${name}
      COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/scenario/${name}_test.py $<TARGET_FILE:razorscope> ${CMAKE_SOURCE_DIR})
    set_tests_properties(scenario.${name} PROPERTIES LABELS scenario TIMEOUT 300 ENVIRONMENT OMP_WAIT_POLICY=passive)
  endforeach()
  # The same with a hundred kills.
  add_test(NAME scenario.sweep_kills
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/scenario/sweep_test.py $<TARGET_FILE:razorscope> ${CMAKE_SOURCE_DIR}
      --kills 100 Kills)
  set_tests_properties(scenario.sweep_kills PROPERTIES LABELS "scenario;slow" TIMEOUT 900 ENVIRONMENT OMP_WAIT_POLICY=passive)
else()
  message(WARNING "Python 3 is missing: the scenario tests are left out")
endif()
