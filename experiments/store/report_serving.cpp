#include <fmt/format.h>
#include <string_view>
#include <tuple>

#include "experiments/store/csv.hpp"
#include "experiments/store/json_values.hpp"
#include "experiments/store/report_formats.hpp"
#include "experiments/store/report_groups.hpp"
#include "experiments/store/serving_json.hpp"
#include "experiments/store/text_table.hpp"

// Workloads served, and searches for the highest rate, in each format.

namespace razorscope {
namespace {

constexpr std::string_view legend =
    "rate: requests/s that arrive; req/s and tok/s: completed requests and output tokens a second; goodput: "
    "requests/s within the service level, and their share of all. TTFT, TPOT: time to the first token and "
    "per later one, medians and 99th percentiles in ms. KV: the fullest engine's pool at most.";
constexpr std::string_view rates_legend =
    "max rate: the highest at which the wanted share of requests met the service level, to the tolerance; "
    "the other figures are those of that rate.";

std::string setup_text(const ServingRow& row) {
  std::string devices = row.tp > 1 ? fmt::format("{} x {}", row.tp, row.device) : row.device;
  if (row.prefill_engines > 0) {
    devices += fmt::format(", {} prefill and {} decode engines", row.prefill_engines, row.decode_engines);
  } else if (row.engines > 1) {
    devices += fmt::format(", {} replicas", row.engines);
  }
  return devices;
}

std::string rate_text(double rate) { return fmt::format("{:.4g}", rate); }
std::string percent_text(double share) { return fmt::format("{:.1f}", 100.0 * share); }
std::string milliseconds(double seconds) {
  return fmt::format("{:.{}f}", seconds * 1e3, seconds < 0.1 ? 2 : 0);
}

Cells cells(const ServingRow& row, TextStyle style) {
  const ServingResult& result = row.result;
  const bool level = !row.level.empty();
  return {policy_cell(row.policy, style),
          row.rate ? rate_text(*row.rate) : "at once",
          fmt::format("{:.3f}", result.request_rate),
          fmt::format("{:.0f}", result.token_rate),
          level ? fmt::format("{:.3f}", result.goodput) : "-",
          level ? percent_text(result.goodput_share) : "-",
          milliseconds(result.ttft.p50),
          milliseconds(result.ttft.p99),
          milliseconds(result.tpot.p50),
          milliseconds(result.tpot.p99),
          percent_text(result.peak_kv_use),
          fmt::to_string(result.preemptions),
          std::string(to_string(result.calibration))};
}

Cells cells(const MaxRateRow& row, TextStyle style) {
  const ServingResult& result = row.run.result;
  return {policy_cell(row.run.policy, style),
          row.outcome == "always" ? "> " + rate_text(row.max_rate) : rate_text(row.max_rate),
          fmt::format("{:.3f}", result.goodput),
          percent_text(result.goodput_share),
          milliseconds(result.ttft.p50),
          milliseconds(result.ttft.p99),
          milliseconds(result.tpot.p50),
          milliseconds(result.tpot.p99),
          fmt::format("{:.0f}", result.token_rate),
          fmt::to_string(row.probes),
          row.outcome};
}

using Named = std::pair<const char*, const Percentiles*>;
std::vector<Named> latencies(const ServingResult& result) {
  return {{"ttft", &result.ttft}, {"tpot", &result.tpot}, {"itl", &result.itl}, {"e2e", &result.e2e}};
}

std::optional<double> in_milliseconds(const std::optional<double>& seconds) {
  return seconds ? std::optional(*seconds * 1e3) : std::nullopt;
}

nlohmann::json run_json(const ServingRow& row) {
  nlohmann::json out = serving_figures_json(row.result);
  out.update({{"policy", row.policy},
              {"label", policy_label(row.policy)},
              {"run", row.run_id},
              {"rate", or_null(row.rate)},
              {"refused", row.result.refused}});
  return out;
}

nlohmann::json group_json(const ServingRow& first) {
  return {{"device", first.device},
          {"device_status", first.device_status},
          {"model", first.model},
          {"tp", first.tp},
          {"weights", first.weights},
          {"engine", first.engine},
          {"utilisation", first.utilisation},
          {"engines", first.engines},
          {"prefill_engines", first.prefill_engines},
          {"decode_engines", first.decode_engines},
          {"router", first.router},
          {"workload", first.workload_pattern},
          {"workload_hash", first.workload_hash},
          {"requests", first.result.requests},
          {"slo", to_string(first.level)}};
}

CsvColumns csv_columns(const ServingRow& row) {
  const ServingResult& result = row.result;
  CsvColumns columns = {{"run", csv_number(row.run_id)},
                        {"device", csv_field(row.device)},
                        {"device_status", csv_field(row.device_status)},
                        {"model", csv_field(row.model)},
                        {"tp", csv_number(row.tp)},
                        {"weights", csv_field(row.weights)},
                        {"engine", csv_field(row.engine)},
                        {"utilisation", csv_number(row.utilisation)},
                        {"non_kv_bytes", csv_number(row.non_kv_bytes)},
                        {"token_budget", csv_number(row.token_budget)},
                        {"engines", csv_number(row.engines)},
                        {"prefill_engines", csv_number(row.prefill_engines)},
                        {"decode_engines", csv_number(row.decode_engines)},
                        {"router", csv_field(row.router)},
                        {"max_sequences", csv_number(row.max_sequences)},
                        {"max_tokens", csv_number(row.max_tokens)},
                        {"prefix_cache", row.prefix_cache ? "1" : "0"},
                        {"workload", csv_field(row.workload)},
                        {"workload_hash", csv_field(row.workload_hash)},
                        {"rate_per_second", csv_number(row.rate)},
                        {"slo_ttft_ms", csv_number(in_milliseconds(row.level.ttft))},
                        {"slo_tpot_ms", csv_number(in_milliseconds(row.level.tpot))},
                        {"slo_e2e_ms", csv_number(in_milliseconds(row.level.e2e))},
                        {"policy", csv_field(row.policy)},
                        {"label", csv_field(policy_label(row.policy))},
                        {"requests", csv_number(result.requests)},
                        {"completed", csv_number(result.completed)},
                        {"seconds", csv_number(result.seconds)},
                        {"completed_per_second", csv_number(result.request_rate)},
                        {"output_tokens_per_second", csv_number(result.token_rate)},
                        {"prompt_tokens_per_second", csv_number(result.prompt_token_rate)},
                        {"goodput_per_second", csv_number(result.goodput)},
                        {"goodput_share", csv_number(result.goodput_share)}};
  static constexpr const char* names[4][5] = {
      {"ttft_mean_ms", "ttft_p50_ms", "ttft_p90_ms", "ttft_p99_ms", "ttft_max_ms"},
      {"tpot_mean_ms", "tpot_p50_ms", "tpot_p90_ms", "tpot_p99_ms", "tpot_max_ms"},
      {"itl_mean_ms", "itl_p50_ms", "itl_p90_ms", "itl_p99_ms", "itl_max_ms"},
      {"e2e_mean_ms", "e2e_p50_ms", "e2e_p90_ms", "e2e_p99_ms", "e2e_max_ms"}};
  const auto* name = &names[0][0];
  for (const auto& [ignored, values] : latencies(result)) {
    for (const double seconds : {values->mean, values->p50, values->p90, values->p99, values->max})
      columns.emplace_back(*name++, csv_number(seconds * 1e3));
  }
  const CsvColumns rest = {{"preemptions", csv_number(result.preemptions)},
                           {"cached_tokens", csv_number(result.cached_tokens)},
                           {"kv_blocks", csv_number(result.kv_blocks)},
                           {"peak_kv_use", csv_number(result.peak_kv_use)},
                           {"mean_kv_use", csv_number(result.mean_kv_use)},
                           {"mean_running", csv_number(result.mean_running)},
                           {"mean_waiting", csv_number(result.mean_waiting)},
                           {"memory_utilisation", csv_number(result.memory_utilisation)},
                           {"compute_utilisation", csv_number(result.compute_utilisation)},
                           {"steps", csv_number(result.steps)},
                           {"calibration", std::string(to_string(result.calibration))},
                           {"assumes_heads", result.assumes_heads ? "1" : "0"}};
  columns.insert(columns.end(), rest.begin(), rest.end());
  return columns;
}

}  // namespace

std::string subject_key(const ServingRow& row) {
  const auto seconds = [](const std::optional<double>& limit) {
    return limit ? fmt::to_string(*limit) : "-";
  };
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}",
                     row.device, row.device_hash, row.model, row.tp, row.weights, row.engine, row.utilisation,
                     row.non_kv_bytes, row.token_budget, row.engines, row.prefill_engines, row.decode_engines,
                     row.router, row.max_sequences, row.max_tokens, row.prefix_cache, row.workload_pattern,
                     row.workload_hash, seconds(row.level.ttft), seconds(row.level.tpot),
                     seconds(row.level.e2e));
}

std::string subject_text(const ServingRow& row) {
  return fmt::format("{} ({} weights) on {}, {}; {} requests; {}", row.model, row.weights, setup_text(row),
                     row.workload_pattern, row.result.requests,
                     row.level.empty() ? "no service level" : to_string(row.level));
}

std::vector<std::vector<ServingRow>> serving_groups(const std::vector<ServingRow>& rows) {
  return grouped_in_order(rows, [](const ServingRow& row) { return subject_key(row); });
}

std::string format_text(const std::vector<ServingRow>& rows, TextStyle style) {
  std::string out;
  for (const std::vector<ServingRow>& group : serving_groups(rows)) {
    std::vector<Cells> table = {{"policy", "rate", "req/s", "tok/s", "goodput", "% within", "TTFT p50", "p99",
                                 "TPOT p50", "p99", "KV %", "preempted", "constants"}};
    for (const ServingRow& row : group) table.push_back(cells(row, style));
    out += format_heading(subject_text(group.front()), style) + format_table(table, style) + '\n';
  }
  return out + format_legend(legend, style);
}

std::string format_text(const std::vector<MaxRateRow>& rows, TextStyle style) {
  std::string out;
  const auto key = [](const MaxRateRow& row) {
    return std::tuple(subject_key(row.run), row.wanted_share, row.tolerance);
  };
  for (const std::vector<MaxRateRow>& group : grouped_in_order(rows, key)) {
    const MaxRateRow& first = group.front();
    std::vector<Cells> table = {{"policy", "max rate", "goodput", "% within", "TTFT p50", "p99", "TPOT p50",
                                 "p99", "tok/s", "probes", "outcome"}};
    for (const MaxRateRow& row : group) table.push_back(cells(row, style));
    out += format_heading(fmt::format("{} for at least {:.4g} % of requests", subject_text(first.run),
                                      100.0 * first.wanted_share),
                          style);
    out += format_table(table, style) + '\n';
  }
  return out + format_legend(rates_legend, style);
}

std::string format_csv(const std::vector<ServingRow>& rows) {
  return csv_table(serving_groups(rows), csv_columns);
}

std::string format_csv(const std::vector<MaxRateRow>& rows) {
  const auto columns = [](const MaxRateRow& row) {
    CsvColumns all = {{"search", csv_number(row.search_id)},
                      {"outcome", csv_field(row.outcome)},
                      {"max_rate_per_second", csv_number(row.max_rate)},
                      {"wanted_share", csv_number(row.wanted_share)},
                      {"tolerance", csv_number(row.tolerance)},
                      {"probes", csv_number(row.probes)}};
    const CsvColumns of_run = csv_columns(row.run);
    all.insert(all.end(), of_run.begin(), of_run.end());
    return all;
  };
  return csv_table(std::vector<std::vector<MaxRateRow>>{rows}, columns);
}

nlohmann::json format_json(const std::vector<ServingRow>& rows) {
  nlohmann::json out = nlohmann::json::array();
  for (const std::vector<ServingRow>& group : serving_groups(rows)) {
    nlohmann::json entry = group_json(group.front());
    nlohmann::json& policies = entry["policies"] = nlohmann::json::array();
    for (const ServingRow& row : group) policies.push_back(run_json(row));
    out.push_back(std::move(entry));
  }
  return out;
}

nlohmann::json format_json(const std::vector<MaxRateRow>& rows) {
  nlohmann::json out = nlohmann::json::array();
  for (const MaxRateRow& row : rows) {
    nlohmann::json entry = group_json(row.run);
    entry.update(run_json(row.run));
    entry.update({{"search", row.search_id},
                  {"outcome", row.outcome},
                  {"max_rate", row.max_rate},
                  {"slo_share", row.wanted_share},
                  {"tolerance", row.tolerance},
                  {"probe_count", row.probes}});
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace razorscope
