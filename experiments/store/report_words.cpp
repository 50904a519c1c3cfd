#include "experiments/store/report_words.hpp"

#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "models/base/machine.hpp"

namespace razorscope {
namespace {

/// "512, 1024", or the longest where the settings are of another program.
std::string lengths_text(const TaskRow& row) {
  const nlohmann::json settings = nlohmann::json::parse(row.settings_json, nullptr, false);
  const auto lengths = settings.is_object() ? settings.find("lengths") : settings.end();
  if (lengths == settings.end() || !lengths->is_array() || lengths->empty())
    return fmt::to_string(row.prefix);
  std::vector<std::string> texts;
  for (const nlohmann::json& length : *lengths) texts.push_back(length.dump());
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace

std::string share_text(double share) { return fmt::format("{:.4g} %", 100.0 * share); }

std::string comparison_text(const RunRow& row) {
  std::string limit;
  if (row.equal_bytes_target) limit = format_bytes(static_cast<double>(*row.equal_bytes_target));
  if (row.equal_bytes_share)
    limit += fmt::format("{}{} of full+f16", limit.empty() ? "" : ", ", share_text(*row.equal_bytes_share));
  return limit.empty() ? row.comparison : fmt::format("{} (at most {})", row.comparison, limit);
}

std::string mebibytes(double bytes) { return fmt::format("{:.3f}", bytes / (1024.0 * 1024.0)); }

std::string percent_of_full(double physical_bytes, const RunRow& row) {
  if (row.full_f16_bytes.value_or(0) == 0) return "-";
  return fmt::format("{:.1f}", 100.0 * physical_bytes / static_cast<double>(*row.full_f16_bytes));
}

std::string interval_text(const std::optional<Interval>& interval, int digits) {
  if (!interval) return "too few";
  return fmt::format("[{:.{}f}, {:.{}f}]", interval->low, digits, interval->high, digits);
}

std::string figure_text(double value) { return fmt::format("{:.3g}", value); }

std::string figure_interval_text(const std::optional<Interval>& interval) {
  if (!interval) return "too few";
  return fmt::format("[{}, {}]", figure_text(interval->low), figure_text(interval->high));
}

std::string subject_text(const TradeoffRow& row) {
  const std::string source = row.text.empty() ? fmt::format("trace {}", row.trace_path) : row.text;
  return fmt::format("{}, {}, prefix {} tokens", row.model, source, row.prefix);
}

std::string subject_text(const ClosedLoopRow& row) {
  return fmt::format("{}, {}, prefix {} tokens, {} steps", row.model, row.text, row.prefix, row.steps);
}

std::string subject_text(const TaskRow& row) {
  return fmt::format("{}, {}, {}, contexts of {} tokens, {}", row.task, row.model, row.text,
                     lengths_text(row),
                     row.query_aware ? "the question is part of what is compressed"
                                     : "the question comes after compression");
}

std::string n_text(const TradeoffRow& row) {
  return fmt::format("n = {} queries x {} heads ({} layers of {})", row.steps, row.layers * row.query_heads,
                     row.layers, row.query_heads);
}

std::string n_text(const ClosedLoopRow& row) {
  return fmt::format("n = {} scored rows, 95 % bootstrap over {} {}", row.scored_rows, row.units,
                     row.unit == "text" ? "texts" : "blocks of 32 steps");
}

std::string n_text(const TaskRow& row) {
  return fmt::format("n = {} questions, 95 % Wilson intervals; full+f32: {} of {}", row.n, full_correct(row),
                     row.n);
}

int full_correct(const TaskRow& row) { return static_cast<int>(std::lround(row.full_accuracy * row.n)); }

std::string model_cannot_text(const TaskRow& row) {
  return fmt::format("{}: the model cannot do this task with the full cache ({} of {})", subject_text(row),
                     full_correct(row), row.n);
}

}  // namespace razorscope
