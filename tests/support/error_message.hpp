#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/base/error.hpp"

namespace razorscope::testing {

/// "input: …" of an InputError, "runtime: …" of another run-time error, or "no error".
inline std::string message_of(const std::function<void()>& task) {
  try {
    task();
  } catch (const InputError& problem) {
    return std::string("input: ") + problem.what();
  } catch (const std::runtime_error& problem) {
    return std::string("runtime: ") + problem.what();
  }
  return "no error";
}

inline void expect_message(const std::string& kind, const std::vector<std::string>& fragments,
                           const std::function<void()>& task) {
  const std::string message = message_of(task);
  EXPECT_TRUE(message.starts_with(kind + ": ")) << message;
  for (const std::string& fragment : fragments)
    EXPECT_NE(message.find(fragment), std::string::npos) << "'" << fragment << "' in: " << message;
}

}  // namespace razorscope::testing
