#include "experiments/store/compare/run_figures.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <string_view>
#include <tuple>

#include "experiments/store/head_intervals.hpp"
#include "sim/closed_loop/task.hpp"

namespace razorscope {
namespace {

using Figures = std::vector<FigureDifference>;

std::string text_of(const std::optional<double>& value) { return value ? fmt::to_string(*value) : "-"; }

std::string run_key(const RunRow& row) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", row.model, row.text, row.prefix, row.steps,
                     row.requested_policy,
                     row.equal_bytes_share ? fmt::to_string(*row.equal_bytes_share)
                                           : fmt::format("target {}", row.equal_bytes_target.value_or(0)));
}

std::string deployment_key(const DeploymentRow& row) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", row.model, row.policy, row.device, row.tp,
                     row.weights, row.engine, row.utilisation, row.non_kv_bytes, row.token_budget);
}

std::string setup_key(const ServingRow& row) {
  return fmt::format("{}\n{} {} {} {} {} {} {}\n{}\n{}", deployment_key(row), row.engines,
                     row.prefill_engines, row.decode_engines, row.router, row.max_sequences, row.max_tokens,
                     row.prefix_cache, row.workload_pattern, to_string(row.level));
}

FigureDifference exact(const char* figure, double a, double b) {
  return {.figure = figure, .a = a, .b = b, .kind = IntervalKind::exact};
}

FigureDifference estimate(const char* figure, const Estimate& a, const Estimate& b) {
  FigureDifference out = {.figure = figure, .a = a.mean, .b = b.mean};
  if (!a.interval || !b.interval) return out;
  out.kind = IntervalKind::unpaired;
  out.interval = difference_interval(a.mean, *a.interval, b.mean, *b.interval);
  return out;
}

}  // namespace

std::string name_key(const TradeoffRow& row) { return run_key(row); }
std::string name_key(const ClosedLoopRow& row) { return run_key(row); }
std::string name_key(const TaskRow& row) { return fmt::format("{}\n{}", run_key(row), row.settings_json); }
std::string name_key(const ServingRow& row) {
  return fmt::format("{}\n{}\n{}", setup_key(row), row.workload, text_of(row.rate));
}
std::string name_key(const MaxRateRow& row) {
  return fmt::format("{}\n{}\n{}", setup_key(row.run), row.wanted_share, row.tolerance);
}
std::string name_key(const CapacityRow& row) {
  return fmt::format("{}\n{}\n{}\n{}", deployment_key(row), row.context, row.output, row.batch);
}

Figures differences(const TradeoffRow& a, const TradeoffRow& b) {
  Figures out;
  for (const HeadMean& mean : means_over_heads)
    out.push_back({.figure = mean.figure, .a = a.*mean.of_run, .b = b.*mean.of_run});
  out.push_back(exact("kept_tokens_mean", a.kept_tokens_mean, b.kept_tokens_mean));
  out.push_back(
      exact("physical_bytes", static_cast<double>(a.physical_bytes), static_cast<double>(b.physical_bytes)));
  return out;
}

void add_head_intervals(Figures& figures, const std::vector<HeadErrors>& a,
                        const std::vector<HeadErrors>& b) {
  std::map<std::pair<int, int>, const HeadErrors*> heads;
  for (const HeadErrors& head : a) heads[{head.layer, head.query_head}] = &head;
  for (const HeadErrors& head : b) {
    if (!heads.contains({head.layer, head.query_head})) return;
  }
  if (a.size() != b.size()) return;  // of models with different shapes
  for (const HeadMean& mean : means_over_heads) {
    std::vector<double> values;
    for (const HeadErrors& head : b)
      values.push_back(head.*mean.of_head - heads.at({head.layer, head.query_head})->*mean.of_head);
    for (FigureDifference& figure : figures) {
      if (std::string_view(figure.figure) != mean.figure) continue;
      figure.interval = mean_interval(values);
      if (figure.interval) figure.kind = IntervalKind::heads;
    }
  }
}

Figures differences(const ClosedLoopRow& a, const ClosedLoopRow& b) {
  return {
      estimate("nll_nats", a.nll, b.nll),
      estimate("nll_difference_nats", a.nll_difference, b.nll_difference),
      estimate("kl_to_full_nats", a.kl_to_full, b.kl_to_full),
      {.figure = "top1_agreement", .a = a.top1_agreement, .b = b.top1_agreement},
      exact("bytes_read_per_step", a.bytes_read_per_step, b.bytes_read_per_step),
      exact("physical_bytes", static_cast<double>(a.physical_bytes), static_cast<double>(b.physical_bytes))};
}

Figures differences(const TaskRow& a, const TaskRow& b) {
  const FigureDifference accuracy = {
      .figure = "accuracy",
      .a = a.accuracy,
      .b = b.accuracy,
      .kind = IntervalKind::newcombe,
      .interval = difference_interval(a.accuracy, wilson_interval(a.correct, a.n), b.accuracy,
                                      wilson_interval(b.correct, b.n))};
  return {accuracy, exact("physical_bytes", a.physical_bytes, b.physical_bytes)};
}

Figures differences(const ServingRow& a, const ServingRow& b) {
  const ServingResult& x = a.result;
  const ServingResult& y = b.result;
  return {exact("ttft_p50_ms", 1e3 * x.ttft.p50, 1e3 * y.ttft.p50),
          exact("ttft_p99_ms", 1e3 * x.ttft.p99, 1e3 * y.ttft.p99),
          exact("tpot_p50_ms", 1e3 * x.tpot.p50, 1e3 * y.tpot.p50),
          exact("tpot_p99_ms", 1e3 * x.tpot.p99, 1e3 * y.tpot.p99),
          exact("output_tokens_per_second", x.token_rate, y.token_rate),
          exact("goodput_per_second", x.goodput, y.goodput),
          exact("peak_kv_use", x.peak_kv_use, y.peak_kv_use)};
}

Figures differences(const MaxRateRow& a, const MaxRateRow& b) {
  return {exact("max_rate_per_second", a.max_rate, b.max_rate)};
}

Figures differences(const CapacityRow& a, const CapacityRow& b) {
  return {exact("kv_bytes_per_sequence", a.kv_bytes_per_sequence, b.kv_bytes_per_sequence),
          exact("max_batch", static_cast<double>(a.max_batch), static_cast<double>(b.max_batch)),
          exact("max_context_tokens", static_cast<double>(a.max_context), static_cast<double>(b.max_context)),
          exact("decode_ms", a.decode_ms, b.decode_ms), exact("prefill_ms", a.prefill_ms, b.prefill_ms)};
}

}  // namespace razorscope
