# razorscope_tests(kernel ...) once there are files
