#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace razorscope {

/// What a figure is measured in. In memory: plain numbers, shares of 1, bytes, milliseconds.
///   number  any unit of its own (nats, tokens)
///   share   between 0 and 1; written 0.9 or 90%
///   ratio   the same without an upper end
enum class Quantity { number, share, ratio, bytes, milliseconds, count };

/// What tells a figure: the store's evaluations, tasks and replays; a plan; a simulation of serving.
enum class MetricSource { evaluation, task, replay, plan, serving };
std::string_view to_string(MetricSource source);

/// A figure that advice may be limited by or aim at. Everything that knows about it is here.
struct Metric {
  std::string name;
  Quantity quantity = Quantity::number;
  bool smaller_is_better = true;
  MetricSource source = MetricSource::plan;
  std::string help;                       // one line, with its unit
  std::vector<std::string> aliases = {};  // what people call it, in words
};

const std::vector<Metric>& metrics();
/// By name, in any order of its words ("p99 TTFT"), or by an alias. InputError(where) with the nearest name.
const Metric& find_metric(std::string_view where, std::string_view name);

/// Whether the store's measurements tell it, so that it may be missing.
inline bool is_quality(const Metric& metric) {
  return metric.source == MetricSource::evaluation || metric.source == MetricSource::task ||
         metric.source == MetricSource::replay;
}

/// For people: "2.15 GB", "34.1 ms", "93.8 %", "0.0312".
std::string value_text(const Metric& metric, double value);

/// All of them for a help page, one a line.
std::string metric_help();

}  // namespace razorscope
