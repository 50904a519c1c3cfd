#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiments/store/report.hpp"
#include "experiments/store/sweep_rows.hpp"

namespace razorscope {

class Store;

/// Which of a store's runs a report is about. Each criterion that is set has to be met, by one of its values
/// where it has several. Names may hold the wildcards of glob(7). What a kind of run does not have (a plan
/// has no text, a replay no device) meets no criterion on it.
struct RunSelection {
  std::vector<std::string> models = {};
  std::vector<std::string> texts = {};     // of a run of several texts, any of them
  std::vector<std::string> policies = {};  // canonical, as asked for, or as a user writes it
  std::vector<std::string> devices = {};
  std::vector<int64_t> runs =
      {};  // ids of replays, evaluations and tasks, and of runs on devices: two series
  std::optional<int> prefix = {};  // tokens

  bool empty() const;
};

/// All that a store holds to be reported.
ReportData all_runs(Store& store);

/// Erases the runs that did not come of a sweep.
void keep_runs_of_sweep(ReportData& data, const SweepRuns& sweep);

/// Erases all other runs. InputError in the name of the command line's option where a criterion leaves none,
/// with the nearest and all other names that there are.
void select_runs(ReportData& data, const RunSelection& selection);

}  // namespace razorscope
