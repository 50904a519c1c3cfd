# The built program, run as users run it.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_Interpreter_FOUND)
  foreach(name advise cli pandas plan report serve sql sweep sweep_slurm type_names)
    add_test(NAME scenario.${name}
      COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/scenario/${name}_test.py $<TARGET_FILE:razorscope> ${CMAKE_SOURCE_DIR})
    set_tests_properties(scenario.${name} PROPERTIES LABELS scenario TIMEOUT 300 ENVIRONMENT OMP_WAIT_POLICY=passive)
  endforeach()
  set_tests_properties(scenario.pandas PROPERTIES SKIP_RETURN_CODE 77)
  # The same with a hundred kills.
  add_test(NAME scenario.sweep_kills
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/scenario/sweep_test.py $<TARGET_FILE:razorscope> ${CMAKE_SOURCE_DIR}
      --kills 100 Kills)
  set_tests_properties(scenario.sweep_kills PROPERTIES LABELS "scenario;slow" TIMEOUT 900 ENVIRONMENT OMP_WAIT_POLICY=passive)
  # On a Slurm that the test starts and ends; skipped, with the reason, where that cannot be.
  add_test(NAME scenario.slurm
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/scenario/slurm_test.py $<TARGET_FILE:razorscope> ${CMAKE_SOURCE_DIR})
  set_tests_properties(scenario.slurm PROPERTIES LABELS "scenario;slow" TIMEOUT 900 SKIP_RETURN_CODE 77
    ENVIRONMENT OMP_WAIT_POLICY=passive)
else()
  message(WARNING "Python 3 is missing: the scenario tests are left out")
endif()
