#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "experiments/store/records.hpp"

namespace razorscope {

/// How the trade-off table is written.
///   table     aligned, for terminals
///   markdown  with a heading per group
///   csv       one flat table, every figure at full precision (RFC 4180, lines end in a newline)
///   json      {"groups": [{..., "policies": [...]}]}, with the keys that `replay` uses
enum class ReportFormat { table, markdown, csv, json };

/// By the name that the command line uses (table, md, csv, json); InputError with the allowed ones.
ReportFormat report_format(const std::string& name);

/// The trade-off table of rows from a store or from tradeoff_rows. Rows that may be compared (same model,
/// trace, text, prefix, steps, comparison and byte target) stand together, groups in the order in which they
/// first appear; in each, `full` comes first, then by physical bytes, most first, and rows of equal bytes
/// keep their order.
std::string format_report(const std::vector<TradeoffRow>& rows, ReportFormat format);

/// What the format `json` prints.
nlohmann::json report_json(const std::vector<TradeoffRow>& rows);

/// Rows that may be compared, sorted as above; never empty.
using ReportGroup = std::vector<TradeoffRow>;
std::vector<ReportGroup> report_groups(const std::vector<TradeoffRow>& rows);

/// What stands under a group's table: which policies dropped nothing, and what RazorAttention's ALiBi scopes
/// promised beside what was measured.
std::vector<std::string> report_notes(const ReportGroup& group);

}  // namespace razorscope
