#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <utility>

#include "experiments/store/policy_label.hpp"
#include "experiments/store/report_formats.hpp"

namespace razorscope {
namespace {

using nlohmann::json;

template <typename T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

json policy_json(const TradeoffRow& row) {
  return {{"policy", row.policy},
          {"label", policy_label(row.policy)},
          {"run", row.run_id == 0 ? json() : json(row.run_id)},
          {"relative_error_mean", row.relative_error_mean},
          {"relative_error_p99", row.relative_error_p99},
          {"relative_error_max", row.relative_error_max},
          {"output_error_mean", or_null(row.output_error_mean)},
          {"lost_mass_mean", row.lost_mass_mean},
          {"lost_mass_max", row.lost_mass_max},
          {"largest_dropped_weight", row.largest_dropped_weight},
          {"kl_mean", row.kl_mean},
          {"bytes_nominal", row.nominal_bytes},
          {"bytes_logical", row.logical_bytes},
          {"bytes_physical", row.physical_bytes},
          {"bytes_physical_relative", or_null(relative_bytes(row))},
          {"bytes_peak", row.peak_bytes},
          {"kept_tokens_mean", row.kept_tokens_mean},
          {"protected_heads", row.protected_heads},
          {"dropped_nothing", row.dropped_nothing}};
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

template <typename T>
std::string csv_number(const std::optional<T>& value) {
  return value ? fmt::to_string(*value) : "";
}

/// Column names and values side by side, so that they cannot drift apart.
std::vector<std::pair<const char*, std::string>> csv_columns(const TradeoffRow& row) {
  const auto number = [](auto value) { return fmt::to_string(value); };
  return {{"model", csv_field(row.model)},
          {"model_sha256", csv_field(row.model_sha256)},
          {"text", csv_field(row.text)},
          {"trace_hash", csv_field(row.trace_hash)},
          {"prefix_tokens", number(row.prefix)},
          {"queries", number(row.steps)},
          {"heads", number(row.layers * row.query_heads)},
          {"comparison", csv_field(row.comparison)},
          {"equal_bytes_target", csv_number(row.equal_bytes_target)},
          {"policy", csv_field(row.policy)},
          {"label", csv_field(policy_label(row.policy))},
          {"physical_bytes", number(row.physical_bytes)},
          {"relative_bytes", csv_number(relative_bytes(row))},
          {"logical_bytes", number(row.logical_bytes)},
          {"nominal_bytes", number(row.nominal_bytes)},
          {"peak_bytes", number(row.peak_bytes)},
          {"kept_tokens_mean", number(row.kept_tokens_mean)},
          {"protected_heads", number(row.protected_heads)},
          {"kv_heads", number(row.layers * row.kv_heads)},
          {"dropped_nothing", row.dropped_nothing ? "1" : "0"},
          {"relative_error_mean", number(row.relative_error_mean)},
          {"relative_error_p99", number(row.relative_error_p99)},
          {"relative_error_max", number(row.relative_error_max)},
          {"output_error_mean", csv_number(row.output_error_mean)},
          {"lost_mass_mean", number(row.lost_mass_mean)},
          {"lost_mass_max", number(row.lost_mass_max)},
          {"largest_dropped_weight", number(row.largest_dropped_weight)},
          {"kl_mean_nats", number(row.kl_mean)}};
}

}  // namespace

json format_json(const std::vector<ReportGroup>& groups) {
  json out = json::array();
  for (const ReportGroup& group : groups) {
    const TradeoffRow& first = group.front();
    json policies = json::array();
    for (const TradeoffRow& row : group) policies.push_back(policy_json(row));
    out.push_back({{"model", first.model},
                   {"model_sha256", first.model_sha256},
                   {"text", first.text},
                   {"trace", first.trace_path},
                   {"trace_hash", first.trace_hash},
                   {"prefix", first.prefix},
                   {"steps", first.steps},
                   {"heads", first.layers * first.query_heads},
                   {"kv_heads", first.layers * first.kv_heads},
                   {"comparison", first.comparison},
                   {"equal_bytes_target", or_null(first.equal_bytes_target)},
                   {"bytes_full_f16", or_null(first.full_f16_bytes)},
                   {"policies", policies},
                   {"notes", report_notes(group)}});
  }
  return {{"groups", out}};
}

std::string format_csv(const std::vector<ReportGroup>& groups) {
  const auto line = [](const TradeoffRow& row, bool names) {
    std::string text;
    const char* separator = "";
    for (const auto& [name, value] : csv_columns(row)) {
      text += separator + (names ? std::string(name) : value);
      separator = ",";
    }
    return text + '\n';
  };
  std::string out = line(TradeoffRow(), true);
  for (const ReportGroup& group : groups) {
    for (const TradeoffRow& row : group) out += line(row, false);
  }
  return out;
}

}  // namespace razorscope
