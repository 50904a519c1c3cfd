razorscope_tests(kernel attend_test.cpp guard_page_test.cpp log_sum_exp_test.cpp prefill_attention_test
                     .cpp softmax_test.cpp target_test.cpp)
