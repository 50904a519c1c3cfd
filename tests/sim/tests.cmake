# razorscope_tests(sim ...) once there are files
