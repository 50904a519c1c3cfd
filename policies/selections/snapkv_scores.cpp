#include "policies/selections/snapkv_scores.hpp"

#include <algorithm>

namespace razorscope {

SnapkvScores::SnapkvScores(const ParameterValues& values, const Shape& shape)
    : observe(values.integer("observe")),
      kernel(values.integer("kernel")),
      max_pooling(values.text("pool") == "max"),
      aggregate(group_aggregate_of(values)),
      group(shape.group_size()) {}

std::vector<double> SnapkvScores::of(const LayerView& view, int kv_head) const {
  std::vector<double> raw = group_columns(view.prefix->columns, view.tokens, kv_head, group, aggregate);
  raw.resize(static_cast<size_t>(std::max(0, view.tokens - observe)));
  // Padding is zeros, and an average always divides by the whole width.
  const auto count = static_cast<int>(raw.size());
  std::vector<double> pooled(raw.size(), 0.0);
  for (int n = 0; n < count; ++n) {
    double value = 0.0;
    for (int i = std::max(0, n - kernel / 2); i <= std::min(count - 1, n + kernel / 2); ++i) {
      value = max_pooling ? std::max(value, raw[static_cast<size_t>(i)])
                          : value + raw[static_cast<size_t>(i)] / kernel;
    }
    pooled[static_cast<size_t>(n)] = value;
  }
  return pooled;
}

std::vector<Parameter> snapkv_parameters() {
  return {
      budget_parameter(),
      {.name = "observe",
       .fallback = "32",
       .help = "last queries of the prefix whose attention counts; their tokens stay",
       .lowest = 1},
      {.name = "kernel",
       .fallback = "5",
       .help = "width of the pooling over neighbouring tokens, odd",
       .lowest = 1,
       .highest = 1001},
      {.name = "pool",
       .kind = ParameterKind::choice,
       .fallback = "avg",
       .help = "pooling: average, or maximum (LongBench used max, 7)",
       .choices = {"avg", "max"}},
      group_aggregate_parameter("mean", true),
  };
}

HeadPlan snapkv_plan(const LayerView& view, size_t kv_head, const std::vector<double>& scores, int extra,
                     int observe) {
  std::vector<int32_t> kept = top_indices(scores, extra);
  for (int n = std::max(0, view.tokens - observe); n < view.tokens; ++n) kept.push_back(n);
  return drop_all_but(view, kv_head, kept);
}

}  // namespace razorscope
