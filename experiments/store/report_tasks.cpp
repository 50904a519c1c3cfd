#include <fmt/format.h>
#include <string_view>

#include "experiments/store/csv.hpp"
#include "experiments/store/json_values.hpp"
#include "experiments/store/report_curves.hpp"
#include "experiments/store/report_formats.hpp"
#include "experiments/store/report_words.hpp"
#include "experiments/store/text_table.hpp"

// Retrieval tasks in each format.

namespace razorscope {
namespace {

constexpr std::string_view legend =
    "accuracy: share of questions answered rightly, with its 95 % Wilson interval. MiB: physical bytes of "
    "the "
    "cache right after the context was compressed, and their share of full+f16's, means over contexts.";

Cells cells(const TaskRow& row, TextStyle style) {
  return {policy_cell(row.policy, style),           mebibytes(row.physical_bytes),
          percent_of_full(row.physical_bytes, row), fmt::format("{:.3f}", row.accuracy),
          interval_text(row.interval, 3),           fmt::format("{}/{}", row.correct, row.n)};
}

CsvColumns csv_columns(const TaskRow& row) {
  return {{"task", csv_field(row.task)},
          {"model", csv_field(row.model)},
          {"model_sha256", csv_field(row.model_sha256)},
          {"text", csv_field(row.text)},
          {"longest_context_tokens", csv_number(row.prefix)},
          {"query_aware", row.query_aware ? "1" : "0"},
          {"settings_json", csv_field(row.settings_json)},
          {"comparison", csv_field(row.comparison)},
          {"equal_bytes_target", csv_number(row.equal_bytes_target)},
          {"equal_bytes_share", csv_number(row.equal_bytes_share)},
          {"requested_policy", csv_field(row.requested_policy)},
          {"policy", csv_field(row.policy)},
          {"label", csv_field(policy_label(row.policy))},
          {"n", csv_number(row.n)},
          {"correct", csv_number(row.correct)},
          {"accuracy", csv_number(row.accuracy)},
          {"low", csv_number(row.interval.low)},
          {"high", csv_number(row.interval.high)},
          {"full_accuracy", csv_number(row.full_accuracy)},
          {"model_can", row.model_can ? "1" : "0"},
          {"physical_bytes", csv_number(row.physical_bytes)},
          {"full_f16_bytes", csv_number(row.full_f16_bytes)},
          {"relative_bytes", csv_number(relative_bytes(row.physical_bytes, row))},
          {"logical_bytes", csv_number(row.logical_bytes)},
          {"nominal_bytes", csv_number(row.nominal_bytes)}};
}

nlohmann::json policy_json(const TaskRow& row) {
  nlohmann::json out = run_json(row, row.physical_bytes);
  out.update({{"accuracy", row.accuracy},
              {"n", row.n},
              {"correct", row.correct},
              {"low", row.interval.low},
              {"high", row.interval.high},
              {"bytes_nominal", row.nominal_bytes},
              {"bytes_logical", row.logical_bytes},
              {"bytes_physical", row.physical_bytes}});
  return out;
}

}  // namespace

std::string format_text(const std::vector<TaskRow>& rows, TextStyle style) {
  std::string out = format_curves(curve_groups(rows), style);
  for (const std::vector<TaskRow>& group : task_groups(rows)) {
    const TaskRow& first = group.front();
    if (!first.model_can) {
      out += format_heading(fmt::format("{}, {}", model_cannot_text(first), comparison_text(first)), style);
      continue;
    }
    std::vector<Cells> table = {{"policy", "MiB", "% of f16", "accuracy", "95 %", "right"}};
    for (const TaskRow& row : group) table.push_back(cells(row, style));
    out += format_heading(
        fmt::format("{}, {}; {}", subject_text(first), comparison_text(first), n_text(first)), style);
    out += format_table(table, style) + '\n';
  }
  return out + format_legend(legend, style);
}

std::string format_csv(const std::vector<TaskRow>& rows) { return csv_table(task_groups(rows), csv_columns); }

nlohmann::json format_json(const std::vector<TaskRow>& rows) {
  nlohmann::json out = nlohmann::json::array();
  for (const std::vector<TaskRow>& group : task_groups(rows)) {
    const TaskRow& first = group.front();
    nlohmann::json entry = group_json(first);
    nlohmann::json policies = nlohmann::json::array();
    for (const TaskRow& row : group) policies.push_back(policy_json(row));
    entry.update({{"task", first.task},
                  {"query_aware", first.query_aware},
                  {"settings", nlohmann::json::parse(first.settings_json, nullptr, false)},
                  {"full_accuracy", first.full_accuracy},
                  {"model_can", first.model_can},
                  {"policies", policies}});
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace razorscope
