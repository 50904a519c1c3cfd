#include "experiments/cli/serve_children.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <stdexcept>
#include <thread>

#include "experiments/runner/child_message.hpp"
#include "models/base/error.hpp"

namespace razorscope::cli {
namespace {

size_t processes_at_once(const ServeOptions& options) {
  if (options.common.threads > 0) return static_cast<size_t>(options.common.threads);
  return std::max(1U, std::thread::hardware_concurrency());
}

constexpr int bad_input = 2;

[[noreturn]] void fail(const std::string& run, const ChildExit& exit) {
  constexpr int interrupted = 130;
  if (exit.exit_code == interrupted) throw Interrupted();
  throw std::runtime_error(fmt::format("{}: {} (exit code {})", run, child_message(exit), exit.exit_code));
}

}  // namespace

ServeChildren::ServeChildren(const ServeOptions& options)
    : options_(options), pool_(this_program(), processes_at_once(options)) {}

void ServeChildren::start(size_t policy_index, const std::string& policy, double rate) {
  const size_t id = pool_.add(serve_arguments(options_, policy, rate));
  started_[id] = {policy_index, rate, {{"policy", policy}}};
}

std::optional<ServeChildren::Done> ServeChildren::wait() {
  std::optional<Done> done = wait_for_any();
  if (done && !done->refusal.empty())
    throw InputError(done->document["policy"].get<std::string>(), done->refusal);
  return done;
}

std::optional<ServeChildren::Done> ServeChildren::wait_for_any() {
  const std::optional<ChildExit> exit = pool_.wait(std::chrono::milliseconds(100));
  if (!exit) return std::nullopt;
  Done done = std::move(started_.at(exit->id));
  started_.erase(exit->id);
  const std::string run = done.document["policy"].get<std::string>();
  if (exit->exit_code == bad_input) {
    done.refusal = child_message(*exit);
    return done;
  }
  if (exit->exit_code != 0) fail(run, *exit);
  done.document = nlohmann::json::parse(exit->output, nullptr, false);
  if (!done.document.is_object() || !done.document.contains("run"))
    throw std::runtime_error(fmt::format("{}: its process printed no result", run));
  return done;
}

}  // namespace razorscope::cli
