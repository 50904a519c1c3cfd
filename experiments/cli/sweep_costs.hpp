#pragma once

#include "experiments/cli/run_cost.hpp"
#include "experiments/runner/sweep_runner.hpp"

namespace razorscope::cli {

/// What each process of a sweep would take. Every command checks its options as it would before a run.
struct SweepRunCosts {
  std::vector<RunCost> batches;
  std::vector<RunCost> traces;  // nothing of one that is there
  /// What commands refuse: "line 12: replay: --prefix: ...", each message once.
  std::vector<std::string> refusals;
  size_t refused = 0;  // batches

  RunCost total() const;  // memory: of the largest process
};

SweepRunCosts sweep_run_costs(const SweepPlan& plan, Progress& progress);

/// The same as the runner wants it.
SweepCosts runner_costs(const SweepPlan& plan, const SweepRunCosts& costs);

}  // namespace razorscope::cli
