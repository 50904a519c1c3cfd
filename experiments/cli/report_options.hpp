#pragma once

#include <optional>
#include <string>

#include "experiments/store/report.hpp"
#include "experiments/store/run_selection.hpp"
#include "experiments/store/store.hpp"

namespace CLI {
class App;
}

namespace razorscope::cli {

/// Which runs of a database a report is about.
struct RunChoice {
  RunSelection selection;
  std::vector<std::string> run_ids;  // as written: lists of integers
  std::string sweep;
  std::string trace;
};

/// Adds --model, --text, --policy, --device, --run, --prefix and --trace.
void add_run_choice(CLI::App& command, RunChoice& choice);

/// All chosen runs. InputError where a criterion leaves none.
ReportData read_runs(Store& store, const RunChoice& choice);

/// The SVG document that --plot names; of curves and fronts the section's, else of evaluations. InputError
/// where there is no such plot, or nothing to draw.
std::string plotted(Store& store, const ReportData& data, const std::string& plot,
                    std::optional<ReportSection> section);

}  // namespace razorscope::cli
