#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/store/compare/comparison.hpp"
#include "experiments/store/compare/comparison_text.hpp"
#include "experiments/store/csv.hpp"
#include "experiments/store/html/html_page.hpp"
#include "experiments/store/policy_label.hpp"

namespace razorscope {
namespace {

/// A figure of a run, or a run without figures.
struct Line {
  ComparedRun run;
  FigureDifference figure;
};

CsvColumns csv_columns(const Line& line) {
  const ComparedRun& run = line.run;
  const FigureDifference& figure = line.figure;
  const auto of_pair = [&](double value) { return run.paired() ? csv_number(value) : ""; };
  return {{"section", run.section},
          {"found_in", run.paired()     ? "both"
                       : run.a_run != 0 ? "A"
                                        : "B"},
          {"paired_by", !run.paired() ? ""
                        : run.by_name ? "names"
                                      : "configuration"},
          {"a_run", run.a_run != 0 ? csv_number(run.a_run) : ""},
          {"b_run", run.b_run != 0 ? csv_number(run.b_run) : ""},
          {"subject", csv_field(run.subject)},
          {"policy", csv_field(run.policy)},
          {"figure", figure.figure},
          {"a", of_pair(figure.a)},
          {"b", of_pair(figure.b)},
          {"difference", of_pair(figure.difference())},
          {"low", figure.interval ? csv_number(figure.interval->low) : ""},
          {"high", figure.interval ? csv_number(figure.interval->high) : ""},
          {"interval", run.paired() ? to_string(figure.kind) : ""},
          {"changed", run.paired() ? (figure.changed() ? "1" : "0") : ""}};
}

std::string csv_of(const Comparison& comparison) {
  std::vector<Line> lines;
  for (const ComparedRun& run : comparison.runs) {
    ComparedRun described = run;
    described.figures.clear();
    if (!run.paired()) lines.push_back({described, {}});
    for (const FigureDifference& figure : run.figures) lines.push_back({described, figure});
  }
  return csv_table(std::vector<std::vector<Line>>{std::move(lines)}, csv_columns);
}

nlohmann::json json_of(const FigureDifference& figure) {
  nlohmann::json out = {{"figure", figure.figure},
                        {"a", figure.a},
                        {"b", figure.b},
                        {"difference", figure.difference()},
                        {"low", nullptr},
                        {"high", nullptr},
                        {"interval", to_string(figure.kind)},
                        {"changed", figure.changed()}};
  if (figure.interval) {
    out["low"] = figure.interval->low;
    out["high"] = figure.interval->high;
  }
  return out;
}

nlohmann::json json_of(const ComparedRun& run) {
  nlohmann::json out = {{"section", run.section},
                        {"subject", run.subject},
                        {"policy", run.policy},
                        {"label", policy_label(run.policy)}};
  if (run.a_run != 0) out["a_run"] = run.a_run;
  if (run.b_run != 0) out["b_run"] = run.b_run;
  if (!run.paired()) return out;
  out["paired_by"] = run.by_name ? "names" : "configuration";
  out["changed"] = run.changed();
  out["figures"] = nlohmann::json::array();
  for (const FigureDifference& figure : run.figures) out["figures"].push_back(json_of(figure));
  return out;
}

nlohmann::json json_of(const Comparison& comparison) {
  nlohmann::json out = {{"a", comparison.a},
                        {"b", comparison.b},
                        {"differs", comparison.differs()},
                        {"changed", comparison.changes()},
                        {"programs_differ", comparison.programs_differ()},
                        {"pairs", nlohmann::json::array()},
                        {"only_a", nlohmann::json::array()},
                        {"only_b", nlohmann::json::array()},
                        {"programs", nlohmann::json::array()}};
  for (const ComparedRun& run : comparison.runs)
    out[run.paired() ? "pairs" : run.a_run != 0 ? "only_a" : "only_b"].push_back(json_of(run));
  for (const ProgramUse& use : comparison.programs) {
    out["programs"].push_back({{"version", use.program.program_version},
                               {"commit", use.program.commit},
                               {"target", use.program.target},
                               {"compute", use.program.compute},
                               {"threads", use.program.threads},
                               {"cpu", use.program.cpu},
                               {"os", use.program.os},
                               {"a_runs", use.a_runs},
                               {"b_runs", use.b_runs}});
  }
  return out;
}

}  // namespace

std::string format_comparison(const Comparison& comparison, ReportFormat format) {
  switch (format) {
    case ReportFormat::csv:
      return csv_of(comparison);
    case ReportFormat::json:
      return json_of(comparison).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
    case ReportFormat::markdown:
      return format_title("Comparison", TextStyle::markdown) +
             comparison_tables(comparison, TextStyle::markdown);
    case ReportFormat::html:
      return html_page("Razorscope: two results databases compared", comparison_summary(comparison),
                       {{"comparison", "Comparison", comparison_tables(comparison, TextStyle::html)}});
    case ReportFormat::table:
      break;
  }
  return comparison_tables(comparison, TextStyle::plain);
}

}  // namespace razorscope
