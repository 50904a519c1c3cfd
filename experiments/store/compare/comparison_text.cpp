#include "experiments/store/compare/comparison_text.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <string_view>

#include "experiments/store/figures/bounds.hpp"
#include "experiments/store/report_groups.hpp"
#include "experiments/store/report_words.hpp"

namespace razorscope {
namespace {

constexpr size_t most_subjects = 20;  // tables
constexpr size_t most_runs = 12;      // of a table, with a few figures each
constexpr size_t most_names = 20;     // of runs that only one side has

constexpr std::string_view legends[] = {
    "changed: the difference B - A is beyond its 95 % interval, or there is none and the figures are not the "
    "same "
    "(to a millionth, which may be rounding).",
    "unpaired: from both runs' own intervals, each side the root of the sum of squares, as if the runs were "
    "independent: wide where they share their texts. Newcombe: the same of two Wilson intervals. paired "
    "heads: "
    "Student's t of the mean of the differences, query head by query head. exact: simulated or counted, with "
    "nothing "
    "that varies.",
    "*: paired by names alone; the configuration (model file, trace, texts, device or compute type) is not "
    "the same."};

std::string number(double value) {
  const bool whole = std::abs(value) < 1e15 && value == std::floor(value);
  return whole ? fmt::format("{:.0f}", value) : fmt::format("{:.6g}", value);
}

std::string signed_number(double value) { return value == 0.0 ? "0" : fmt::format("{:+.3g}", value); }

std::string interval_of(const FigureDifference& figure) {
  if (!figure.interval) return "-";
  return fmt::format("[{}, {}]", signed_number(figure.interval->low), signed_number(figure.interval->high));
}

void add_rows(const ComparedRun& run, TextStyle style, std::vector<Cells>& table) {
  for (const FigureDifference& figure : run.figures) {
    table.push_back({policy_cell(run.policy, style) + (run.by_name ? " *" : ""), figure.figure,
                     number(figure.a), number(figure.b), signed_number(figure.difference()),
                     interval_of(figure), to_string(figure.kind), figure.changed() ? "changed" : "-"});
  }
}

using Runs = std::vector<ComparedRun>;

std::string pairs_text(const Comparison& comparison, TextStyle style) {
  Runs pairs;
  std::copy_if(comparison.runs.begin(), comparison.runs.end(), std::back_inserter(pairs),
               [](const ComparedRun& run) { return run.paired(); });
  std::vector<Runs> groups = grouped_in_order(pairs, [](const ComparedRun& run) {
    return std::pair(std::string_view(run.section), std::string_view(run.subject));
  });
  const auto changes = [](const Runs& runs) {
    return std::count_if(runs.begin(), runs.end(), [](const ComparedRun& run) { return run.changed(); });
  };
  const size_t groups_left_out = keep_heaviest(groups, most_subjects, changes);
  std::string out;
  for (Runs& group : groups) {
    const auto changed = changes(group);
    const size_t all = group.size();
    keep_heaviest(group, most_runs, [](const ComparedRun& run) { return run.changed() ? 1 : 0; });
    std::vector<Cells> table = {{"policy", "figure", "A", "B", "B - A", "95 %", "interval", "change"}};
    for (const ComparedRun& run : group) add_rows(run, style, table);
    out += format_heading(fmt::format("{}: {}; {} of {} pairs changed", group.front().section,
                                      group.front().subject, changed, all),
                          style) +
           format_table(table, style) + '\n';
    if (all > group.size())
      out += format_note(fmt::format("{} more pairs here, changed ones first; csv and json have all",
                                     all - group.size()),
                         style) +
             '\n';
  }
  if (groups_left_out > 0)
    out += format_note(fmt::format("{} more groups, those with fewer changes; csv and json have all",
                                   groups_left_out),
                       style) +
           '\n';
  return out;
}

std::string only_text(const Comparison& comparison, bool in_a, TextStyle style) {
  std::vector<Cells> table = {{"policy", "kind", "run", "on"}};
  size_t all = 0;
  for (const ComparedRun& run : comparison.runs) {
    if (run.paired() || (run.a_run != 0) != in_a) continue;
    if (++all <= most_names)
      table.push_back({policy_cell(run.policy, style), run.section,
                       fmt::to_string(in_a ? run.a_run : run.b_run), printable(run.subject, style)});
  }
  if (all == 0) return "";
  std::string out = format_heading(fmt::format("Only in {}: {} runs", in_a ? "A" : "B", all), style) +
                    format_table(table, style) + '\n';
  if (all > most_names)
    out += format_note(fmt::format("{} more; csv and json have all", all - most_names), style) + '\n';
  return out;
}

std::string programs_text(const Comparison& comparison, TextStyle style) {
  std::vector<Cells> table = {
      {"version", "commit", "kernels", "products", "threads", "processor", "runs in A", "runs in B"}};
  for (const ProgramUse& use : comparison.programs) {
    const Provenance& by = use.program;
    table.push_back({printable(by.program_version, style), printable(by.commit, style),
                     printable(by.target, style), printable(by.compute, style), fmt::to_string(by.threads),
                     printable(by.cpu, style), fmt::to_string(use.a_runs), fmt::to_string(use.b_runs)});
  }
  return format_heading(comparison.programs_differ()
                            ? "Programs: versions, commits, kernels or compute types are not the same in both"
                            : "Programs: the same in both",
                        style) +
         format_table(table, style) + '\n';
}

}  // namespace

std::string comparison_summary(const Comparison& comparison) {
  const size_t by_name = static_cast<size_t>(std::count_if(
      comparison.runs.begin(), comparison.runs.end(), [](const ComparedRun& run) { return run.by_name; }));
  return fmt::format("{} pairs of runs{}: {} changed; {} runs only in A, {} only in B", comparison.pairs(),
                     by_name > 0 ? fmt::format(", {} of them paired by names alone", by_name) : "",
                     comparison.changes(), comparison.only_a(), comparison.only_b());
}

std::string comparison_tables(const Comparison& comparison, TextStyle style) {
  std::string out = format_note(fmt::format("A: {}", comparison.a), style) +
                    format_note(fmt::format("B: {}", comparison.b), style) +
                    format_note(comparison_summary(comparison), style) + '\n';
  out += pairs_text(comparison, style) + only_text(comparison, true, style) +
         only_text(comparison, false, style) + programs_text(comparison, style);
  for (const std::string_view legend : legends) out += format_legend(legend, style);
  return out;
}

}  // namespace razorscope
