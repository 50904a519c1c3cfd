# Widgets without a screen.
find_package(Qt6 QUIET COMPONENTS Test)
razorscope_tests(gui
  main.cpp
  devices_view_test.cpp
  head_maps_test.cpp
  heads_view_test.cpp
  serving_view_test.cpp
)
target_link_libraries(razorscope_gui_tests PRIVATE razorscope_gui Qt6::Test)
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_Interpreter_FOUND)
  add_test(NAME gui.numbers
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/numbers_test.py $<TARGET_FILE:razorscope> $<TARGET_FILE:razorscope-gui> ${CMAKE_SOURCE_DIR})
  set_tests_properties(gui.numbers PROPERTIES LABELS gui TIMEOUT 300 ENVIRONMENT OMP_WAIT_POLICY=passive)
endif()
