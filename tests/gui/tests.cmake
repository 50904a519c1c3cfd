# Real widgets, drawn into memory; each case in a process of its own.
razorscope_tests(gui
  chart_test.cpp
  devices_view_test.cpp
  explorer_test.cpp
  head_maps_test.cpp
  heads_view_test.cpp
  item_models_test.cpp
  main.cpp
  same_numbers_test.cpp
  serving_view_test.cpp
  sweep_view_test.cpp
  token_audit_model_test.cpp
  token_map_test.cpp
  token_states_test.cpp
  token_text_test.cpp
  tokens_view_test.cpp
  trial_test.cpp
  views_test.cpp
  window_test.cpp
)
target_link_libraries(razorscope_gui_tests PRIVATE razorscope_gui Qt6::Test)
target_precompile_headers(razorscope_gui_tests PRIVATE ${CMAKE_SOURCE_DIR}/gui/widgets/plot_library.hpp <QTest>)
# The command line, whose numbers are the same, and which runs sweeps.
target_compile_definitions(razorscope_gui_tests PRIVATE RAZORSCOPE_PROGRAM="$<TARGET_FILE:razorscope>")
add_dependencies(razorscope_gui_tests razorscope)
# Beside it, so that the explorer finds it there.
set_target_properties(razorscope_gui_tests PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_Interpreter_FOUND)
  foreach(name headless numbers)
    add_test(NAME gui.${name}
      COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/${name}_test.py $<TARGET_FILE:razorscope> $<TARGET_FILE:razorscope-gui> ${CMAKE_SOURCE_DIR})
    set_tests_properties(gui.${name} PROPERTIES LABELS gui TIMEOUT 300 ENVIRONMENT OMP_WAIT_POLICY=passive)
  endforeach()
endif()
