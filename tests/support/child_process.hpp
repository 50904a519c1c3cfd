#pragma once

#include <exception>
#include <fmt/format.h>
#include <functional>
#include <sys/wait.h>
#include <unistd.h>

namespace razorscope::testing {

/// Runs the task in another process, which succeeds where it ends without an exception.
inline pid_t start_child(const std::function<void()>& task) {
  const pid_t child = fork();
  if (child != 0) return child;
  try {
    task();
    _exit(0);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "child: {}\n", problem.what());
    _exit(1);
  }
}

inline bool succeeded(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace razorscope::testing
