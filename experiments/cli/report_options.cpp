#include "experiments/cli/report_options.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "experiments/cli/options.hpp"
#include "experiments/store/figures/bar_figures.hpp"
#include "experiments/store/figures/head_atlas.hpp"
#include "experiments/store/figures/latency_figure.hpp"
#include "experiments/store/figures/pareto_figure.hpp"
#include "experiments/store/figures/tradeoff_figure.hpp"
#include "models/base/error.hpp"
#include "models/trace/trace.hpp"

namespace razorscope::cli {
namespace {

/// `draw` of the rows that a plot over bytes is made from.
template <typename Draw>
auto of_rows(const ReportData& data, ReportSection section, const Draw& draw) {
  switch (section) {
    case ReportSection::replay:
      return draw(data.replay);
    case ReportSection::eval:
      return draw(data.closed_loop);
    case ReportSection::tasks:
      return draw(data.tasks);
    default:
      throw InputError("--figure",
                       "draws curves over the share of bytes; allowed --section: replay, eval, tasks");
  }
}

std::string document(const Figures& figures, const char* problem) {
  if (figures.figures.empty()) throw InputError("--figure", problem);
  return svg_document(figures);
}

}  // namespace

void add_run_choice(CLI::App& command, RunChoice& choice) {
  RunSelection& selection = choice.selection;
  command.add_option("--model", selection.models,
                     "only runs of this model; names may hold * and ?, here and below");
  command.add_option("--text", selection.texts, "only runs on this text");
  command.add_option("--policy", selection.policies,
                     "only runs of this policy, by its full name, as it was asked for, or as in 'razor*'");
  command.add_option("--device", selection.devices, "only runs on this device");
  command.add_option("--prefix", selection.prefix, "only runs with a prefix of so many tokens");
  command.add_option(
      "--run", choice.run_ids,
      "only runs with these ids: 3,17; runs on devices count on their own, --section tells them apart");
  command.add_option("--sweep", choice.sweep, "only what came of this sweep");
  command.add_option("--trace", choice.trace, "only replays of this trace");
}

ReportData read_runs(Store& store, const RunChoice& choice) {
  ReportData data;
  if (choice.trace.empty()) {
    data = all_runs(store);
  } else {  // only replays are made on traces
    data.replay = store.tradeoff();
    const std::string hash = Trace(choice.trace).content_hash();
    std::erase_if(data.replay, [&](const TradeoffRow& row) { return row.trace_hash != hash; });
  }
  if (!choice.sweep.empty()) keep_runs_of_sweep(data, store.sweep_runs(choice.sweep));
  RunSelection selection = choice.selection;
  for (const std::string& ids : choice.run_ids) {
    const std::vector<int> numbers = parse_integer_list("--run", ids);
    selection.runs.insert(selection.runs.end(), numbers.begin(), numbers.end());
  }
  if (!data.empty()) select_runs(data, selection);
  return data;
}

std::string plotted(Store& store, const ReportData& data, const std::string& plot,
                    std::optional<ReportSection> section) {
  const ReportSection of = section.value_or(ReportSection::eval);
  if (plot == "tradeoff")
    return curves_svg(of_rows(data, of, [](const auto& rows) { return curve_groups(rows); }));
  if (plot == "pareto") {
    return document(
        pareto_figures(of_rows(data, of, [](const auto& rows) { return pareto_groups(rows); })),
        "there are no such runs to draw a front of; --section replay, eval or tasks names others");
  }
  if (plot == "heads")
    return document(head_figures(read_head_atlases(store, data.replay)),
                    "there are no replays with errors of heads");
  if (plot == "tasks") return document(task_figures(data.tasks), "there are no tasks that the model can do");
  if (plot == "latency")
    return document(latency_figures(data.serving),
                    "there are no serving runs of one workload at several rates");
  if (plot == "memory") return document(memory_figures(data.plans), "there are no plans");
  throw InputError("--plot",
                   unknown_name("plot", plot, {"tradeoff", "pareto", "heads", "tasks", "latency", "memory"}));
}

}  // namespace razorscope::cli
