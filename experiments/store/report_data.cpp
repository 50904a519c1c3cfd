#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/store/csv.hpp"
#include "experiments/store/head_intervals.hpp"
#include "experiments/store/json_values.hpp"
#include "experiments/store/policy_label.hpp"
#include "experiments/store/report_formats.hpp"

namespace razorscope {

using nlohmann::json;

namespace {

json policy_json(const TradeoffRow& row) {
  json out = run_json(row, static_cast<double>(row.physical_bytes));
  out.update({{"relative_error_mean", row.relative_error_mean},
              {"relative_error_p99", row.relative_error_p99},
              {"relative_error_max", row.relative_error_max},
              {"output_error_mean", or_null(row.output_error_mean)},
              {"lost_mass_mean", row.lost_mass_mean},
              {"lost_mass_max", row.lost_mass_max},
              {"largest_dropped_weight", row.largest_dropped_weight},
              {"kl_mean", row.kl_mean},
              {"regret_mean", or_null(row.regret_mean)},
              {"read_tokens_mean", or_null(row.read_tokens_mean)},
              {"bytes_nominal", row.nominal_bytes},
              {"bytes_logical", row.logical_bytes},
              {"bytes_physical", row.physical_bytes},
              {"bytes_peak", row.peak_bytes},
              {"kept_tokens_mean", row.kept_tokens_mean},
              {"protected_heads", row.protected_heads},
              {"dropped_nothing", row.dropped_nothing}});
  for (const HeadMean& mean : means_over_heads) put_interval(out, mean.key, row.intervals.*mean.interval);
  return out;
}

CsvColumns csv_columns(const TradeoffRow& row) {
  const auto number = [](auto value) { return fmt::to_string(value); };
  const auto low = [](const std::optional<Interval>& i) { return i ? csv_number(i->low) : ""; };
  const auto high = [](const std::optional<Interval>& i) { return i ? csv_number(i->high) : ""; };
  const HeadIntervals& of_heads = row.intervals;
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
          {"relative_bytes", csv_number(relative_bytes(static_cast<double>(row.physical_bytes), row))},
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
          {"kl_mean_nats", number(row.kl_mean)},
          {"equal_bytes_share", csv_number(row.equal_bytes_share)},
          {"requested_policy", csv_field(row.requested_policy)},
          {"full_f16_bytes", csv_number(row.full_f16_bytes)},
          {"regret_mean", csv_number(row.regret_mean)},
          {"read_tokens_mean", csv_number(row.read_tokens_mean)},
          {"relative_error_low", low(of_heads.relative_error)},
          {"relative_error_high", high(of_heads.relative_error)},
          {"lost_mass_low", low(of_heads.lost_mass)},
          {"lost_mass_high", high(of_heads.lost_mass)},
          {"kl_low_nats", low(of_heads.kl)},
          {"kl_high_nats", high(of_heads.kl)}};
}

}  // namespace

json format_json(const std::vector<ReportGroup>& groups) {
  json out = json::array();
  for (const ReportGroup& group : groups) {
    const TradeoffRow& first = group.front();
    json policies = json::array();
    for (const TradeoffRow& row : group) policies.push_back(policy_json(row));
    json entry = group_json(first);
    entry.update({{"trace", first.trace_path},
                  {"trace_hash", first.trace_hash},
                  {"layers", first.layers},
                  {"heads", first.layers * first.query_heads},
                  {"kv_heads", first.layers * first.kv_heads},
                  {"policies", policies},
                  {"notes", report_notes(group)}});
    out.push_back(std::move(entry));
  }
  return out;
}

std::string format_csv(const std::vector<ReportGroup>& groups) { return csv_table(groups, csv_columns); }

}  // namespace razorscope
