razorscope_tests(unit
  tokenizer_test.cpp
)
