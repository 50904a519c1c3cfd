razorscope_tests(sim
  equal_bytes_test.cpp
  one_thread.cpp
  probe_test.cpp
  replay_test.cpp
  scope_test.cpp
)
