#pragma once

#include <exception>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "models/base/error.hpp"

namespace razorscope::testing {

/// `action` must throw an InputError whose message contains every fragment.
template <typename Action>
void expect_input_error(const Action& action, const std::vector<std::string>& fragments) {
  try {
    action();
    ADD_FAILURE() << "no error; expected one with: " << ::testing::PrintToString(fragments);
  } catch (const InputError& error) {
    const std::string message = error.what();
    for (const std::string& fragment : fragments) {
      EXPECT_NE(message.find(fragment), std::string::npos)
          << "'" << fragment << "' is missing in: " << message;
    }
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not an InputError: " << error.what();
  }
}

}  // namespace razorscope::testing
