#include "experiments/runner/child_pool.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/process/args.hpp>
#include <boost/process/async_pipe.hpp>
#include <boost/process/child.hpp>
#include <boost/process/extend.hpp>
#include <boost/process/io.hpp>
#include <csignal>
#include <deque>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace razorscope {
namespace {

namespace bp = boost::process;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// A pipe that other children do not inherit: one that held its writing end would keep it from ending.
bp::async_pipe private_pipe(boost::asio::io_context& io) {
  bp::async_pipe pipe(io);
  ::fcntl(pipe.native_source(), F_SETFD, FD_CLOEXEC);
  ::fcntl(pipe.native_sink(), F_SETFD, FD_CLOEXEC);
  return pipe;
}

/// What a child writes to a pipe, as far as the pool wants it.
class Stream {
 public:
  explicit Stream(boost::asio::io_context& io) : pipe_(private_pipe(io)) {}

  bp::async_pipe& pipe() { return pipe_; }
  bool ended() const { return ended_; }
  std::string& text() { return text_; }

  /// Reads until the end; keep() sees the text whenever it has grown.
  template <typename Keep>
  void listen(const Keep& keep) {
    pipe_.async_read_some(boost::asio::buffer(buffer_),
                          [this, keep](const boost::system::error_code& problem, size_t size) {
                            text_.append(buffer_.data(), size);
                            keep(text_);
                            if (problem) {
                              ended_ = true;
                              return;
                            }
                            listen(keep);
                          });
  }

 private:
  bp::async_pipe pipe_;
  std::array<char, size_t{32} << 10> buffer_{};
  std::string text_;
  bool ended_ = false;
};

struct Child {
  Child(boost::asio::io_context& io, size_t number) : id(number), out(io), error(io) {}
  ~Child() {
    std::error_code ignored;
    if (process.valid() && process.running(ignored)) process.terminate(ignored);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  bool ended() {
    if (!out.ended() || !error.ended()) return false;
    std::error_code problem;
    return !process.running(problem);
  }

  size_t id;
  Stream out;
  Stream error;
  bp::child process;
};

/// Runs in the child before the program does.
void die_with_parent(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it died before it could be said
}

int shell_exit_code(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

}  // namespace

struct ChildPool::Children {
  struct Queued {
    size_t id;
    std::vector<std::string> arguments;
  };

  void start_queued();
  void start(Queued next);
  std::optional<ChildExit> take_ended();

  std::string program;
  size_t at_once = 1;
  size_t added = 0;
  std::deque<Queued> queue;
  boost::asio::io_context io;                   // before the children, whose pipes refer to it
  std::vector<std::unique_ptr<Child>> running;  // handlers refer to them
};

void ChildPool::Children::start_queued() {
  while (!queue.empty() && running.size() < at_once) {
    Queued next = std::move(queue.front());
    queue.pop_front();
    start(std::move(next));
  }
}

void ChildPool::Children::start(Queued next) {
  auto child = std::make_unique<Child>(io, next.id);
  std::error_code problem;
  child->process =
      bp::child(program, bp::args(next.arguments), bp::std_in<bp::null, bp::std_out> child->out.pipe(),
                bp::std_err > child->error.pipe(), problem,
                bp::extend::on_exec_setup([parent = ::getpid()](auto&) { die_with_parent(parent); }));
  if (problem) throw std::runtime_error(fmt::format("{}: cannot be run: {}", program, problem.message()));
  child->out.listen([](const std::string& text) {
    if (text.size() > output_bytes)
      throw std::runtime_error(fmt::format("a child process printed more than {} bytes", output_bytes));
  });
  child->error.listen([](std::string& text) {
    if (text.size() > error_bytes) text.erase(0, text.size() - error_bytes);
  });
  running.push_back(std::move(child));
}

std::optional<ChildExit> ChildPool::Children::take_ended() {
  const auto ended = std::find_if(running.begin(), running.end(),
                                  [](const std::unique_ptr<Child>& child) { return child->ended(); });
  if (ended == running.end()) return std::nullopt;
  Child& child = **ended;
  ChildExit exit = {child.id, shell_exit_code(child.process.native_exit_code()), std::move(child.out.text()),
                    std::move(child.error.text())};
  running.erase(ended);
  return exit;
}

ChildPool::ChildPool(std::filesystem::path program, size_t at_once)
    : children_(std::make_unique<Children>()) {
  children_->program = program.string();
  children_->at_once = std::max<size_t>(1, at_once);
}

ChildPool::~ChildPool() = default;

size_t ChildPool::add(std::vector<std::string> arguments) {
  children_->queue.push_back({children_->added, std::move(arguments)});
  return children_->added++;
}

size_t ChildPool::unfinished() const { return children_->queue.size() + children_->running.size(); }

std::optional<ChildExit> ChildPool::wait(milliseconds patience) {
  const Clock::time_point deadline = Clock::now() + patience;
  while (unfinished() > 0) {
    children_->start_queued();
    if (std::optional<ChildExit> exit = children_->take_ended()) return exit;
    const Clock::time_point now = Clock::now();
    if (now >= deadline) break;
    // A child closes its pipes a moment before it can be reaped, which no pipe tells: look again soon.
    constexpr milliseconds soon{2};
    children_->io.restart();
    if (children_->io.run_one_for(std::min<Clock::duration>(deadline - now, milliseconds(50))) == 0)
      std::this_thread::sleep_for(soon);
  }
  return std::nullopt;
}

std::filesystem::path this_program() { return std::filesystem::read_symlink("/proc/self/exe"); }

}  // namespace razorscope
