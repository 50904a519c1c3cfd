#include <fmt/format.h>
#include <string_view>

#include "experiments/store/report_curves.hpp"
#include "experiments/store/report_formats.hpp"
#include "experiments/store/report_words.hpp"
#include "experiments/store/text_table.hpp"

namespace razorscope {
namespace {

const Cells& header() {
  static const Cells names = {"policy", "MiB", "% of f16",  "kept/head", "protected", "error mean",
                              "p99",    "max", "after W_O", "lost mass", "KL (nats)", "peak MiB"};
  return names;
}

constexpr std::string_view legend[] = {
    "MiB: physical bytes of the cache right after the prefix was compressed, and their share of full+f16's; "
    "kept/head: tokens that a "
    "KV head then holds, on average; protected: KV heads kept whole.",
    "error: ||o' - o|| / ||o|| of a head's output against exact f32 attention, averaged over the queries; "
    "then mean, 99th percentile "
    "and maximum over the heads. after W_O: of a layer's output, mean over queries and layers.",
    "lost mass: share of the exact softmax on tokens that are no longer held (folded ones count) or not "
    "read; KL: of the "
    "policy's attention "
    "weights to the exact ones. Both are means over queries, then heads.",
    "peak: the most held at any moment while layer after layer was compressed, exact f32 keys and values "
    "included.",
};

Cells cells(const TradeoffRow& row, TextStyle style) {
  return {policy_cell(row.policy, style),
          mebibytes(static_cast<double>(row.physical_bytes)),
          percent_of_full(static_cast<double>(row.physical_bytes), row),
          fmt::format("{:.1f}", row.kept_tokens_mean),
          fmt::format("{}/{}", row.protected_heads, row.layers * row.kv_heads),
          figure_text(row.relative_error_mean),
          figure_text(row.relative_error_p99),
          figure_text(row.relative_error_max),
          row.output_error_mean ? figure_text(*row.output_error_mean) : "-",
          figure_text(row.lost_mass_mean),
          figure_text(row.kl_mean),
          mebibytes(static_cast<double>(row.peak_bytes))};
}

std::string heading(const TradeoffRow& row) {
  return fmt::format("{}, {}; {}", subject_text(row), comparison_text(row), n_text(row));
}

}  // namespace

std::string format_text(const std::vector<ReportGroup>& groups, TextStyle style) {
  if (groups.empty()) return "No runs are stored.\n";
  std::vector<TradeoffRow> rows;
  for (const ReportGroup& group : groups) rows.insert(rows.end(), group.begin(), group.end());
  std::string out = format_curves(curve_groups(rows), style);
  for (const ReportGroup& group : groups) {
    std::vector<Cells> table = {header()};
    for (const TradeoffRow& row : group) table.push_back(cells(row, style));
    out += format_heading(heading(group.front()), style);
    out += format_table(table, style) + '\n';
    const std::vector<std::string> notes = report_notes(group);
    for (const std::string& note : notes) out += format_note(note, style);
    if (!notes.empty()) out += '\n';
  }
  for (const std::string_view line : legend) out += format_legend(line, style);
  return out;
}

}  // namespace razorscope
