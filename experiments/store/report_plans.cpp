#include <fmt/format.h>
#include <string_view>
#include <tuple>

#include "experiments/store/csv.hpp"
#include "experiments/store/json_values.hpp"
#include "experiments/store/report_formats.hpp"
#include "experiments/store/report_groups.hpp"
#include "experiments/store/text_table.hpp"

// Plans in each format.

namespace razorscope {
namespace {

constexpr std::string_view legend =
    "KV GB: of a sequence at the end of its output, all devices. largest batch: sequences whose caches fit "
    "then; largest context: prompt tokens of the batch, by memory alone. decode: one step halfway through "
    "the output; prefill: one prompt.";

/// What rows have in common that stand in one table: all but device and policy.
auto group_key(const CapacityRow& row) {
  return std::tie(row.model, row.weights, row.tp, row.context, row.output, row.batch, row.engine,
                  row.utilisation, row.non_kv_bytes, row.token_budget);
}

std::string milliseconds(double value) { return fmt::format("{:.{}f}", value, value < 100.0 ? 2 : 0); }

std::optional<double> tokens_per_second(const CapacityRow& row) {
  if (!row.max_batch_decode_ms) return std::nullopt;
  return static_cast<double>(row.max_batch) * 1e3 / *row.max_batch_decode_ms;
}

Cells cells(const CapacityRow& row, TextStyle style) {
  const std::optional<double> rate = tokens_per_second(row);
  return {printable(row.device, style),
          policy_cell(row.policy, style),
          fmt::format("{:.3f}", row.kv_bytes_per_sequence / 1e9),
          fmt::to_string(row.max_batch),
          fmt::to_string(row.max_context),
          milliseconds(row.decode_ms),
          milliseconds(row.prefill_ms),
          rate ? fmt::format("{:.0f}", *rate) : "-",
          row.fits ? "yes" : "no",
          row.calibration};
}

CsvColumns csv_columns(const CapacityRow& row) {
  return {{"run", csv_number(row.run_id)},
          {"device", csv_field(row.device)},
          {"device_status", csv_field(row.device_status)},
          {"model", csv_field(row.model)},
          {"tp", csv_number(row.tp)},
          {"weights", csv_field(row.weights)},
          {"engine", csv_field(row.engine)},
          {"utilisation", csv_number(row.utilisation)},
          {"non_kv_bytes", csv_number(row.non_kv_bytes)},
          {"token_budget", csv_number(row.token_budget)},
          {"policy", csv_field(row.policy)},
          {"label", csv_field(policy_label(row.policy))},
          {"context_tokens", csv_number(row.context)},
          {"output_tokens", csv_number(row.output)},
          {"batch", csv_number(row.batch)},
          {"fits", row.fits ? "1" : "0"},
          {"memory_bytes", csv_number(row.memory_bytes)},
          {"weights_bytes", csv_number(row.weights_bytes)},
          {"pool_bytes", csv_number(row.pool_bytes)},
          {"kv_blocks", csv_number(row.kv_blocks)},
          {"kv_bytes_per_sequence", csv_number(row.kv_bytes_per_sequence)},
          {"kv_bytes_per_sequence_rank", csv_number(row.kv_bytes_per_sequence_rank)},
          {"kept_tokens_mean", csv_number(row.kept_tokens_mean)},
          {"max_batch", csv_number(row.max_batch)},
          {"max_batch_admitting", csv_number(row.max_batch_admitting)},
          {"max_context_tokens", csv_number(row.max_context)},
          {"decode_ms", csv_number(row.decode_ms)},
          {"decode_weights_ms", csv_number(row.decode_weights_ms)},
          {"decode_attention_ms", csv_number(row.decode_attention_ms)},
          {"decode_all_reduce_ms", csv_number(row.decode_all_reduce_ms)},
          {"decode_between_products_ms", csv_number(row.decode_between_products_ms)},
          {"decode_policy_ms", csv_number(row.decode_policy_ms)},
          {"tpot_ms", csv_number(row.tpot_ms)},
          {"max_batch_decode_ms", csv_number(row.max_batch_decode_ms)},
          {"prefill_ms", csv_number(row.prefill_ms)},
          {"compression_ms", csv_number(row.compression_ms)},
          {"calibration", csv_field(row.calibration)},
          {"assumes_heads", row.assumes_heads ? "1" : "0"},
          {"beyond_model", row.beyond_model ? "1" : "0"}};
}

nlohmann::json row_json(const CapacityRow& row) {
  return {{"run", row.run_id},
          {"device", row.device},
          {"device_status", row.device_status},
          {"policy", row.policy},
          {"label", policy_label(row.policy)},
          {"fits", row.fits},
          {"memory_bytes", row.memory_bytes},
          {"weights_bytes", row.weights_bytes},
          {"kv_pool_bytes", row.pool_bytes},
          {"kv_blocks", row.kv_blocks},
          {"kv_bytes_per_sequence", row.kv_bytes_per_sequence},
          {"kv_bytes_per_sequence_rank", row.kv_bytes_per_sequence_rank},
          {"kept_tokens_mean", row.kept_tokens_mean},
          {"max_batch", row.max_batch},
          {"max_batch_admitting", row.max_batch_admitting},
          {"max_context", row.max_context},
          {"decode_ms", row.decode_ms},
          {"decode_split",
           {{"weights_ms", row.decode_weights_ms},
            {"attention_ms", row.decode_attention_ms},
            {"all_reduce_ms", row.decode_all_reduce_ms},
            {"between_products_ms", row.decode_between_products_ms},
            {"policy_ms", row.decode_policy_ms}}},
          {"tpot_ms", or_null(row.tpot_ms)},
          {"decode_ms_at_max_batch", or_null(row.max_batch_decode_ms)},
          {"tokens_per_second_at_max_batch", or_null(tokens_per_second(row))},
          {"prefill_ms", row.prefill_ms},
          {"compression_ms", row.compression_ms},
          {"calibration", row.calibration},
          {"assumes_heads", row.assumes_heads},
          {"beyond_model_context", row.beyond_model}};
}

}  // namespace

std::string subject_text(const CapacityRow& row) {
  return fmt::format("{}, {} weights, tp {}, {} prompt + {} output tokens, batch {}, {}", row.model,
                     row.weights, row.tp, row.context, row.output, row.batch, row.engine);
}

std::vector<std::vector<CapacityRow>> capacity_groups(const std::vector<CapacityRow>& rows) {
  return grouped_in_order(rows, group_key);
}

std::string format_text(const std::vector<CapacityRow>& rows, TextStyle style) {
  std::string out;
  for (const std::vector<CapacityRow>& group : capacity_groups(rows)) {
    std::vector<Cells> table = {{"device", "policy", "KV GB", "largest batch", "largest context", "decode ms",
                                 "prefill ms", "tok/s full", "fits", "constants"}};
    for (const CapacityRow& row : group) table.push_back(cells(row, style));
    out += format_heading(subject_text(group.front()), style);
    out += format_table(table, style) + '\n';
  }
  return out + format_legend(legend, style);
}

std::string format_csv(const std::vector<CapacityRow>& rows) {
  return csv_table(capacity_groups(rows), csv_columns);
}

nlohmann::json format_json(const std::vector<CapacityRow>& rows) {
  nlohmann::json out = nlohmann::json::array();
  for (const std::vector<CapacityRow>& group : capacity_groups(rows)) {
    const CapacityRow& first = group.front();
    nlohmann::json entry = {
        {"model", first.model},     {"weights", first.weights},         {"tp", first.tp},
        {"context", first.context}, {"output", first.output},           {"batch", first.batch},
        {"engine", first.engine},   {"utilisation", first.utilisation}, {"rows", nlohmann::json::array()}};
    for (const CapacityRow& row : group) entry["rows"].push_back(row_json(row));
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace razorscope
