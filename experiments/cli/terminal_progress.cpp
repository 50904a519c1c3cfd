#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

#include "experiments/cli/options.hpp"
#include "models/base/error.hpp"

namespace razorscope::cli {
namespace {

volatile std::sig_atomic_t interrupt_came = 0;

void on_interrupt(int /*signal*/) { interrupt_came = 1; }

}  // namespace

bool interrupted() { return interrupt_came != 0; }

void throw_if_interrupted() {
  if (interrupted()) throw Interrupted();
}

namespace {

class TerminalProgress final : public Progress {
 public:
  ~TerminalProgress() override { clear_line(); }

  void begin(std::string_view phase, double total, std::string_view unit) override {
    clear_line();
    phase_ = phase;
    unit_ = unit;
    total_ = total;
    begin_ = Clock::now();
    shown_ = begin_;
  }

  void advance(double done) override {
    throw_if_interrupted();
    constexpr double silent_seconds = 2.0;
    const Clock::time_point now = Clock::now();
    const double elapsed = seconds(now - begin_);
    if (elapsed < silent_seconds || seconds(now - shown_) < (is_terminal_ ? 0.2 : 10.0)) return;
    shown_ = now;
    const double rate = done / elapsed;
    const double left = rate > 0.0 ? (total_ - done) / rate : 0.0;
    fmt::print(stderr, "{}{}: {:.0f} of {:.0f} {}, {:.4g} {}/s, about {:.0f} s left{}",
               is_terminal_ ? "\r\033[K" : "", phase_, done, total_, unit_, rate, unit_, left,
               is_terminal_ ? "" : "\n");
    std::fflush(stderr);
    line_open_ = is_terminal_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

  void clear_line() {
    if (line_open_) fmt::print(stderr, "\r\033[K");
    line_open_ = false;
  }

  bool is_terminal_ = ::isatty(STDERR_FILENO) != 0;
  bool line_open_ = false;
  std::string phase_;
  std::string unit_;
  double total_ = 0.0;
  Clock::time_point begin_;
  Clock::time_point shown_;
};

}  // namespace

std::unique_ptr<Progress> terminal_progress() { return std::make_unique<TerminalProgress>(); }

void install_interrupt_handler() {
  // On a stack of its own: oneDNN's generated products use the stack pointer as a pointer into their buffers,
  // where the kernel would put the handler's frame, over the heap.
  static std::array<std::byte, size_t{64} << 10> handler_stack;
  stack_t stack = {};
  stack.ss_sp = handler_stack.data();
  stack.ss_size = handler_stack.size();
  ::sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_ONSTACK | SA_RESETHAND;  // a second signal ends the program at once
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace razorscope::cli
