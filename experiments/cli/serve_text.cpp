#include "experiments/cli/serve_text.hpp"

#include <fmt/format.h>

#include "experiments/store/serving_json.hpp"
#include "experiments/store/text_table.hpp"

namespace razorscope::cli {

nlohmann::json timeline_json(const std::vector<TimelinePoint>& timeline) {
  nlohmann::json points = nlohmann::json::array();
  for (const TimelinePoint& point : timeline) {
    points.push_back({{"s", point.time},
                      {"running", point.running},
                      {"waiting", point.waiting},
                      {"kv_use", point.kv_use},
                      {"preemptions", point.preemptions},
                      {"output_tokens", point.output_tokens},
                      {"prompt_tokens", point.prompt_tokens}});
  }
  return points;
}

nlohmann::json result_json(const ServingResult& result) {
  nlohmann::json refused = nlohmann::json::array();
  for (const auto& [reason, count] : result.refused)
    refused.push_back({{"requests", count}, {"reason", reason}});
  nlohmann::json out = serving_figures_json(result);
  out["requests"] = result.requests;
  out["refused"] = refused;
  return out;
}

nlohmann::json limits_json(const std::vector<LimitReport>& limits) {
  nlohmann::json out = nlohmann::json::array();
  for (const LimitReport& limit : limits) {
    out.push_back({{"limit", limit.name},
                   {"allowed_ms", limit.limit * 1e3},
                   {"share", limit.share},
                   {"needed_ms", limit.needed ? nlohmann::json(*limit.needed * 1e3) : nlohmann::json()}});
  }
  return out;
}

void print_result(const ServingResult& result, const ServingSetup& setup, const std::string& policy,
                  const std::string& workload) {
  fmt::print("{} on {}{}, {}, {}\n\n", setup.deployment.shape.name,
             setup.deployment.tp > 1 ? fmt::format("{} x ", setup.deployment.tp) : "",
             setup.deployment.device.name, policy_cell(policy, TextStyle::plain), workload);
  std::vector<Cells> table = {{"ms", "mean", "p50", "p90", "p99", "max"}};
  const auto add = [&](const char* name, const Percentiles& values) {
    Cells cells = {name};
    for (const double value : {values.mean, values.p50, values.p90, values.p99, values.max})
      cells.push_back(fmt::format("{:.{}f}", value * 1e3, value < 0.1 ? 2 : 0));
    table.push_back(cells);
  };
  add("time to first token", result.ttft);
  add("time per output token", result.tpot);
  add("between two tokens", result.itl);
  add("end to end", result.e2e);
  fmt::print("{}\n", format_table(table, TextStyle::plain));
  fmt::print(
      "{} of {} requests in {:.1f} s: {:.3f} requests/s, {:.0f} output tokens/s, {:.0f} prompt tokens/s\n",
      result.completed, result.requests, result.seconds, result.request_rate, result.token_rate,
      result.prompt_token_rate);
  if (!setup.level.empty()) {
    fmt::print("goodput within {}: {:.3f} requests/s, {:.1f} % of all\n", to_string(setup.level),
               result.goodput, 100.0 * result.goodput_share);
  }
  fmt::print("KV: {} blocks of 16 tokens, {:.1f} % in use in the mean, {:.1f} % at most; {} preemptions\n",
             result.kv_blocks, 100.0 * result.mean_kv_use, 100.0 * result.peak_kv_use, result.preemptions);
  fmt::print(
      "{:.1f} requests run and {:.1f} wait in the mean; memory streams {:.0f} % of the time, arithmetic "
      "works {:.0f} %\n",
      result.mean_running, result.mean_waiting, 100.0 * result.memory_utilisation,
      100.0 * result.compute_utilisation);
  if (result.cached_tokens > 0)
    fmt::print("{} prompt tokens came from the prefix cache\n", result.cached_tokens);
  for (const auto& [reason, count] : result.refused)
    fmt::print("refused: {} requests, the first: {}\n", count, reason);
}

}  // namespace razorscope::cli
