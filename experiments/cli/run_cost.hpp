#pragma once

#include <exception>

#include "experiments/cli/options.hpp"
#include "experiments/cli/policy_options.hpp"
#include "models/language/model_file.hpp"
#include "models/language/shape.hpp"

namespace CLI {
class App;
}

namespace razorscope::cli {

/// What a command would take, told before it begins: at most so much memory, about so many seconds on this
/// machine's cores, so many bytes in files.
struct RunCost {
  double memory_bytes = 0.0;
  double seconds = 0.0;
  double disk_bytes = 0.0;
};

/// Ends a command that was asked for its cost alone, after it has checked all that can be checked at once.
class CostTold : public std::exception {
 public:
  explicit CostTold(const RunCost& cost) : cost_(cost) {}
  const RunCost& cost() const { return cost_; }
  const char* what() const noexcept override { return "only the cost was asked for"; }

 private:
  RunCost cost_;
};

/// Adds --estimate.
void add_estimate_option(CLI::App& command, CommonOptions& options);
/// Throws CostTold where --estimate was given.
void tell_cost(const CommonOptions& options, const RunCost& cost);

/// How many runs the options ask for: policies times budgets.
int planned_runs(const PolicyOptions& options);

/// A replay of so many policies on a trace of the shape.
RunCost replay_cost(const Shape& shape, int prefix, int steps, int policies);
/// A model that reads `prompt_rows` tokens and then `step_rows` under all policies together, caches of
/// `longest` tokens side by side for each of `policies` and one exact one.
RunCost closed_loop_cost(const ModelFile& model, Compute compute, double prompt_rows, double step_rows,
                         int longest, int policies);

}  // namespace razorscope::cli
