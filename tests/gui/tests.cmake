# The desktop explorer's parts, in real widgets without a screen.
add_executable(razorscope_gui_tests
  gui/main.cpp
  gui/token_audit_model_test.cpp
  gui/token_map_test.cpp
  gui/token_states_test.cpp
  gui/token_text_test.cpp
)
target_compile_definitions(razorscope_gui_tests PRIVATE RAZORSCOPE_PROGRAM="$<TARGET_FILE:razorscope>")
target_link_libraries(razorscope_gui_tests PRIVATE razorscope_test_support razorscope_gui Qt6::Test)
add_dependencies(razorscope_gui_tests razorscope)
gtest_discover_tests(razorscope_gui_tests TEST_PREFIX gui. DISCOVERY_MODE PRE_TEST
  PROPERTIES LABELS gui TIMEOUT 300 ENVIRONMENT OMP_WAIT_POLICY=passive)
