# The built program, run as users run it.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_Interpreter_FOUND)
  foreach(name advise pandas plan report serve sql sweep_slurm type_names)
    add_test(NAME scenario.${name}
      COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/scenario/${name}_test.py $<TARGET_FILE:razorscope> ${CMAKE_SOURCE_DIR})
    set_tests_properties(scenario.${name} PROPERTIES LABELS scenario TIMEOUT 300 ENVIRONMENT OMP_WAIT_POLICY=passive)
  endforeach()
  set_tests_properties(scenario.pandas PROPERTIES SKIP_RETURN_CODE 77)
  # scenario_part(NAME LABELS file words...): some of a file's tests, which its words choose.
  function(scenario_part name labels file)
    add_test(NAME scenario.${name}
      COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/scenario/${file}_test.py $<TARGET_FILE:razorscope> ${CMAKE_SOURCE_DIR} ${ARGN})
    set_tests_properties(scenario.${name} PROPERTIES LABELS "${labels}" TIMEOUT 900 ENVIRONMENT OMP_WAIT_POLICY=passive)
  endfunction()
  scenario_part(cli "scenario" cli --others)
  scenario_part(cli_measuring "scenario;slow" cli --measuring)
  scenario_part(sweep "scenario" sweep Plans Runs Disks)
  scenario_part(sweep_kills "scenario;slow" sweep Kills --kills 100)
  # On a Slurm that the test starts and ends; skipped, with the reason, where that cannot be.
  add_test(NAME scenario.slurm
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/scenario/slurm_test.py $<TARGET_FILE:razorscope> ${CMAKE_SOURCE_DIR})
  set_tests_properties(scenario.slurm PROPERTIES LABELS "scenario;slow" TIMEOUT 900 SKIP_RETURN_CODE 77
    ENVIRONMENT OMP_WAIT_POLICY=passive)
  # In a window; skipped, with the reason, where there is no X server to be had.
  if(TARGET razorscope-gui)
    add_test(NAME scenario.gui
      COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/scenario/gui_test.py $<TARGET_FILE:razorscope> ${CMAKE_SOURCE_DIR})
    set_tests_properties(scenario.gui PROPERTIES LABELS "scenario;gui" TIMEOUT 300 SKIP_RETURN_CODE 77)
  endif()
else()
  message(WARNING "Python 3 is missing: the scenario tests are left out")
endif()
