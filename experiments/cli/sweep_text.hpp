#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "experiments/cli/sweep_costs.hpp"
#include "experiments/runner/sweep_plan.hpp"
#include "experiments/store/sweep_rows.hpp"

namespace razorscope::cli {

/// What `sweep check` says.
std::string plan_text(const SweepFile& file, const SweepPlan& plan, const SweepRunCosts& costs,
                      size_t threads);
nlohmann::json plan_json(const SweepFile& file, const SweepPlan& plan, const SweepRunCosts& costs);

/// What `sweep status` says of one sweep.
struct SweepStatus {
  SweepRow sweep;
  std::vector<CellRow> cells;
  std::vector<RunnerRow> runners;  // that work on cells
};
std::string status_text(const SweepStatus& status);
nlohmann::json status_json(const SweepStatus& status);

/// Failed cells with message and command line, those of one message together, at most so many; "" without
/// one.
std::string failures_text(const std::vector<CellRow>& cells, size_t most);

/// "40 s", "12 min", "3.4 h".
std::string duration(double seconds);

/// A line about a sweep that runs: "37 of 200 runs, 2 failed, 2 running, about 40 s left".
std::string progress_line(const SweepState& state);

}  // namespace razorscope::cli
