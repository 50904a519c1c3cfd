#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "experiments/store/deployment_rows.hpp"
#include "experiments/store/rows.hpp"

namespace razorscope {

/// How a report is written.
///   table     aligned, for terminals
///   markdown  with a heading per group
///   csv       one flat table, every figure at full precision (RFC 4180, lines end in a newline)
///   json      {"groups": [{..., "policies": [...]}], "closed_loop": the same, "tasks": the same,
///             "ladder": [{..., "correlations": [...], "rows": [...]}], "serving": [{..., "policies":
///             [...]}], "max_rates": [...], "plans": [{..., "rows": [...]}]}, with the keys that `replay`,
///             `eval`, `task`, `serve` and `plan` use
///   html      one page with figures and all tables; see html_report
enum class ReportFormat { table, markdown, csv, json, html };

/// By the name that the command line uses (table, md, csv, json, html); InputError with the allowed ones.
ReportFormat report_format(const std::string& name);

/// What a report is about. The ladder compares replays with evaluations and tasks. `serving` has the searches
/// for the highest rate, too, unless it is one table; `rates` has them alone.
enum class ReportSection { replay, eval, tasks, ladder, rates, serving, plans };

/// By the name that the command line uses (as above); InputError with the allowed ones.
ReportSection report_section(const std::string& name);

/// All that a store holds to be reported.
struct ReportData {
  std::vector<TradeoffRow> replay;
  std::vector<ClosedLoopRow> closed_loop;
  std::vector<TaskRow> tasks;
  std::vector<LadderRow> ladder;
  std::vector<ServingRow> serving = {};
  std::vector<MaxRateRow> max_rates = {};
  std::vector<CapacityRow> plans = {};

  /// Whether there is nothing to report, of all sections or one.
  bool empty(std::optional<ReportSection> section = std::nullopt) const;
  /// The rows of one section alone.
  ReportData only(ReportSection section) const;
};

/// All sections that have rows, or the one asked for; csv, being one table, has the replays unless another is
/// asked for. A section begins with its curves: a table with a column per share of bytes, where runs differ
/// in nothing else. No figure stands without what it was measured on, how often, and its interval.
std::string format_whole_report(const ReportData& data, ReportFormat format,
                                std::optional<ReportSection> section = std::nullopt);

/// The trade-off table of rows from a store or from tradeoff_rows. Rows that may be compared (same model,
/// trace, text, prefix, steps, comparison and byte target) stand together, groups in the order in which they
/// first appear; in each, `full` comes first, then by physical bytes, most first, and rows of equal bytes
/// keep their order.
std::string format_report(const std::vector<TradeoffRow>& rows, ReportFormat format);

/// What the format `json` prints.
nlohmann::json whole_report_json(const ReportData& data);
nlohmann::json report_json(const std::vector<TradeoffRow>& rows);

/// Rows that may be compared, sorted as above; never empty.
using ReportGroup = std::vector<TradeoffRow>;
std::vector<ReportGroup> report_groups(const std::vector<TradeoffRow>& rows);

/// What stands under a group's table: which policies dropped nothing, and what RazorAttention's ALiBi scopes
/// promised beside what was measured.
std::vector<std::string> report_notes(const ReportGroup& group);

}  // namespace razorscope
