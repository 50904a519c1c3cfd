#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace razorscope {

/// How a child process ended.
struct ChildExit {
  size_t id = 0;           // what add() gave
  int exit_code = 0;       // 128 + the signal's number where one ended it, as shells have it
  std::string output;      // all of its stdout
  std::string error_tail;  // the last of its stderr, at most ChildPool::error_bytes
};

/// Runs one program several times, with different arguments, at most so many at once, as independent
/// processes: for what a process can do only once, and for what should use all cores.
///
/// Contract. add() queues; processes start and are listened to within wait(), which is therefore called until
/// nothing is unfinished. No child outlives the pool, nor the thread that called wait(), however that ends:
/// the destructor kills and reaps them, the kernel does where this process is killed. One thread at a time.
class ChildPool {
 public:
  static constexpr size_t output_bytes = size_t{64} << 20;  // a child that prints more is an error
  static constexpr size_t error_bytes = size_t{8} << 10;

  ChildPool(std::filesystem::path program, size_t at_once);
  ~ChildPool();
  ChildPool(const ChildPool&) = delete;
  ChildPool& operator=(const ChildPool&) = delete;

  /// Queues a run of the program and gives its id: 0, 1, ... The child reads nothing: its stdin is empty.
  size_t add(std::vector<std::string> arguments);

  /// The next child to end, whichever it is; nothing where none does in that time, or none is left.
  /// std::runtime_error where a child cannot be started or prints too much.
  std::optional<ChildExit> wait(std::chrono::milliseconds patience);

  /// Children that wait() has not given yet, queued ones included.
  size_t unfinished() const;

 private:
  struct Children;
  std::unique_ptr<Children> children_;
};

/// The file that this process runs.
std::filesystem::path this_program();

}  // namespace razorscope
