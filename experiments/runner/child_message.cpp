#include "experiments/runner/child_message.hpp"

#include <fmt/format.h>
#include <string_view>

#include "experiments/runner/child_pool.hpp"

namespace razorscope {

std::string child_message(const ChildExit& exit) {
  constexpr int first_signal = 129;
  constexpr int killed = 137;
  if (exit.exit_code == killed) return "was killed (signal 9), as a system does that runs out of memory";
  if (exit.exit_code >= first_signal && exit.exit_code < 160 && exit.exit_code != 130)
    return fmt::format("was ended by signal {}", exit.exit_code - 128);
  const std::string& error = exit.error_tail;
  const size_t end = error.find_last_not_of('\n');
  if (end == std::string::npos) return "ended without a word";
  const size_t begin = error.find_last_of('\n', end) + 1;  // npos + 1 is 0
  const std::string line = error.substr(begin, end + 1 - begin);
  constexpr std::string_view name = "razorscope: ";
  return line.starts_with(name) ? line.substr(name.size()) : line;
}

}  // namespace razorscope
