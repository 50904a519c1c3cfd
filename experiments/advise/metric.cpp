#include "experiments/advise/metric.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

/// Lower-case words of letters and digits, in alphabetical order.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) {
      words.back() += static_cast<char>(std::tolower(byte));
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  std::sort(words.begin(), words.end());
  return words;
}

bool is_called(const Metric& metric, const std::vector<std::string>& words) {
  if (words_of(metric.name) == words) return true;
  return std::any_of(metric.aliases.begin(), metric.aliases.end(),
                     [&](const std::string& alias) { return words_of(alias) == words; });
}

std::vector<Metric> all_metrics() {
  using enum Quantity;
  using enum MetricSource;
  std::vector<Metric> all = {
      {"kl", number, true, evaluation, "KL(full || policy) of the next token, nats"},
      {"nll_increase", number, true, evaluation, "nats a token lost against full", {"nll"}},
      {"top1",
       share,
       false,
       evaluation,
       "share of steps whose likeliest token is that of full",
       {"top 1", "top-1 agreement", "top1 agreement", "top1_agreement"}},
      {"needle", share, false, task, "accuracy of `task needle`", {"needle accuracy"}},
      {"multi_query", share, false, task, "accuracy of `task multi-query`", {"multi-query accuracy"}},
      {"relative_error", ratio, true, replay, "error of attention outputs, mean over heads, of `replay`"},
      {"lost_mass", share, true, replay, "attention weight on dropped tokens, mean over heads, of `replay`"},
      {"kv_bytes", bytes, true, plan, "one sequence's cache at the end of the output", {"cache bytes"}},
      {"bytes_share", ratio, true, plan, "the same as a share of full+f16's"},
      {"max_batch", count, false, plan, "sequences that fit in memory together", {"largest batch", "batch"}},
      {"max_context", count, false, plan, "prompt tokens that fit in memory", {"largest context"}},
      {"decode_ms", milliseconds, true, plan, "one decode step of the batch", {"decode", "decode time"}},
      {"prefill_ms", milliseconds, true, plan, "one prompt's prefill", {"prefill", "prefill time"}},
      {"tokens_per_second", number, false, plan, "output tokens/s of a device group that is full"},
  };
  for (const auto& [key, what] : {std::pair{"ttft", "time to the first token"},
                                  {"tpot", "time a token after the first"},
                                  {"e2e", "a request's whole time"}}) {
    for (const char* of : {"mean", "p50", "p90", "p99"})
      all.push_back(
          {fmt::format("{}_{}", key, of), milliseconds, true, serving, fmt::format("{}, {}", what, of)});
  }
  all.push_back({"goodput", share, false, serving, "share of all requests served within --slo"});
  all.push_back({"token_rate", number, false, serving, "output tokens/s under the load"});
  all.push_back({"request_rate", number, false, serving, "completed requests/s under the load"});
  return all;
}

}  // namespace

std::string_view to_string(MetricSource source) {
  switch (source) {
    case MetricSource::evaluation:
      return "evaluation";
    case MetricSource::task:
      return "task";
    case MetricSource::replay:
      return "replay";
    case MetricSource::plan:
      return "plan";
    case MetricSource::serving:
      break;
  }
  return "serving";
}

const std::vector<Metric>& metrics() {
  static const std::vector<Metric> all = all_metrics();
  return all;
}

const Metric& find_metric(std::string_view where, std::string_view name) {
  const std::vector<std::string> words = words_of(name);
  std::vector<std::string> names;
  for (const Metric& metric : metrics()) {
    if (is_called(metric, words)) return metric;
    names.push_back(metric.name);
  }
  throw InputError(where, unknown_name("limit", name, names));
}

std::string value_text(const Metric& metric, double value) {
  switch (metric.quantity) {
    case Quantity::share:
    case Quantity::ratio:
      return fmt::format("{:.{}f} %", value * 100.0, value < 0.1 ? 2 : 1);
    case Quantity::bytes:
      if (value >= 1e9) return fmt::format("{:.3g} GB", value / 1e9);
      return value >= 1e6 ? fmt::format("{:.3g} MB", value / 1e6) : fmt::format("{:.0f} B", value);
    case Quantity::milliseconds:
      if (value >= 10'000.0) return fmt::format("{:.3g} s", value / 1e3);
      return fmt::format("{:.{}f} ms", value, value >= 100.0 ? 0 : 2);
    case Quantity::count:
      return fmt::format("{:.0f}", value);
    case Quantity::number:
      break;
  }
  return value >= 1000.0 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

std::string metric_help() {
  std::string out;
  for (const Metric& metric : metrics()) {
    out += fmt::format("  {:<17} {} {:<10} {}\n", metric.name,
                       metric.smaller_is_better ? "<=" : ">=", to_string(metric.source), metric.help);
  }
  return out;
}

}  // namespace razorscope
