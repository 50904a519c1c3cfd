#include <algorithm>
#include <fmt/format.h>
#include <string_view>

#include "experiments/store/policy_label.hpp"
#include "experiments/store/report_formats.hpp"
#include "models/base/machine.hpp"

namespace razorscope {
namespace {

using Cells = std::vector<std::string>;

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

/// What may stand in one line of a table: names come from files.
std::string printable(const std::string& text, bool markdown) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += '?';
    } else if (markdown && c == '|') {
      out += "\\|";
    } else {
      out += c;
    }
  }
  return out;
}

std::string mebibytes(int64_t bytes) {
  return fmt::format("{:.3f}", static_cast<double>(bytes) / (1024.0 * 1024.0));
}

Cells cells(const TradeoffRow& row, bool markdown) {
  const auto figure = [](double value) { return fmt::format("{:.3g}", value); };
  const std::optional<double> relative = relative_bytes(row);
  const std::string label = printable(policy_label(row.policy), markdown);
  return {markdown ? fmt::format("`{}`", label) : label,
          mebibytes(row.physical_bytes),
          relative ? fmt::format("{:.1f}", 100.0 * *relative) : "-",
          fmt::format("{:.1f}", row.kept_tokens_mean),
          fmt::format("{}/{}", row.protected_heads, row.layers * row.kv_heads),
          figure(row.relative_error_mean),
          figure(row.relative_error_p99),
          figure(row.relative_error_max),
          row.output_error_mean ? figure(*row.output_error_mean) : "-",
          figure(row.lost_mass_mean),
          figure(row.kl_mean),
          mebibytes(row.peak_bytes)};
}

std::string heading(const TradeoffRow& row) {
  const std::string source = row.text.empty() ? fmt::format("trace {}", row.trace_path) : row.text;
  std::string comparison = row.comparison;
  if (row.equal_bytes_target)
    comparison += fmt::format(" (at most {})", format_bytes(static_cast<double>(*row.equal_bytes_target)));
  return fmt::format("{}, {}, prefix {} tokens, {}; n = {} queries x {} heads ({} layers of {})", row.model,
                     source, row.prefix, comparison, row.steps, row.layers * row.query_heads, row.layers,
                     row.query_heads);
}

/// Characters, not bytes, of UTF-8.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

std::vector<size_t> widths_of(const std::vector<Cells>& table) {
  std::vector<size_t> widths(header().size());
  for (const Cells& row : table) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  return widths;
}

/// The first column to the left, figures to the right.
std::string aligned(const Cells& row, const std::vector<size_t>& widths, std::string_view between) {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    const std::string padding(widths[i] - width_of(row[i]), ' ');
    if (i > 0) line += between;
    line += i == 0 ? row[i] + padding : padding + row[i];
  }
  return line;
}

std::string format_table(const std::vector<Cells>& table, bool markdown) {
  const std::vector<size_t> widths = widths_of(table);
  std::string out;
  for (size_t i = 0; i < table.size(); ++i) {
    const std::string line = aligned(table[i], widths, markdown ? " | " : "  ");
    out += markdown ? fmt::format("| {} |\n", line) : line + '\n';
    if (i > 0) continue;
    Cells rules;
    for (const size_t width : widths) rules.push_back(std::string(width, '-'));
    if (markdown) {
      for (size_t column = 1; column < rules.size(); ++column) rules[column].back() = ':';
      out += fmt::format("| {} |\n", aligned(rules, widths, " | "));
    } else {
      out += aligned(rules, widths, "  ") + '\n';
    }
  }
  return out;
}

}  // namespace

std::string format_text(const std::vector<ReportGroup>& groups, bool markdown) {
  if (groups.empty()) return "No runs are stored.\n";
  std::string out;
  for (const ReportGroup& group : groups) {
    std::vector<Cells> table = {header()};
    for (const TradeoffRow& row : group) table.push_back(cells(row, markdown));
    out += fmt::format("{}{}\n\n", markdown ? "### " : "", printable(heading(group.front()), markdown));
    out += format_table(table, markdown) + '\n';
    const std::vector<std::string> notes = report_notes(group);
    for (const std::string& note : notes) out += fmt::format("- {}\n", printable(note, markdown));
    if (!notes.empty()) out += '\n';
  }
  for (const std::string_view line : legend) out += fmt::format("{}{}\n", markdown ? "- " : "", line);
  return out;
}

}  // namespace razorscope
