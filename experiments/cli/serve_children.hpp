#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "experiments/cli/serve_options.hpp"
#include "experiments/runner/child_pool.hpp"

namespace razorscope::cli {

/// Runs of `serve`, each a process of its own (SimGrid allows one simulation a process) that stores itself:
/// what has ended when the rest is interrupted stays.
class ServeChildren {
 public:
  /// As many at once as --threads says, else as there are cores. The options must outlive it.
  explicit ServeChildren(const ServeOptions& options);

  struct Done {
    size_t policy = 0;         // as start() was told
    double rate = 0.0;         // likewise
    nlohmann::json document;   // what it printed; "run" is its id in the store
    std::string refusal = {};  // wait_for_any: why it was bad input; the document names the policy alone
  };

  void start(size_t policy_index, const std::string& policy, double rate);
  /// The next to end, within a moment; nothing where none did. A child's error becomes one of ours:
  /// InputError, Interrupted or std::runtime_error with its message.
  std::optional<Done> wait();
  /// The same, but a child that calls its policy bad input is no error.
  std::optional<Done> wait_for_any();
  bool all_done() const { return pool_.unfinished() == 0; }

 private:
  const ServeOptions& options_;
  ChildPool pool_;
  std::map<size_t, Done> started_;  // by the pool's id
};

}  // namespace razorscope::cli
