# Built with the tests, run by hand: a benchmark in a timed test would fail on a busy machine.
find_package(benchmark REQUIRED)
add_executable(razorscope_kernel_bench bench/kernels_bench.cpp)
target_link_libraries(razorscope_kernel_bench PRIVATE razorscope_test_support benchmark::benchmark)
if(TARGET razorscope_gui)
  add_executable(razorscope_explorer_bench bench/explorer_bench.cpp)
  target_link_libraries(razorscope_explorer_bench PRIVATE razorscope_gui razorscope_test_support)
endif()
