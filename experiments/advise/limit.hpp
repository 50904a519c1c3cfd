#pragma once

#include <string>
#include <string_view>

#include "experiments/advise/metric.hpp"

namespace razorscope {

/// What a policy must hold: a metric that is at most `value` where smaller is better, else at least.
struct Limit {
  const Metric* metric = nullptr;  // of metrics()
  double value = 0.0;              // in the metric's quantity

  bool holds(double figure) const { return metric->smaller_is_better ? figure <= value : figure >= value; }
  bool operator==(const Limit&) const = default;
};

/// "kl<=0.02", "kv_bytes<=4GB", "top1>=95%", "ttft_p99<=2s"; in words "KL at most 0.02", "p99 TTFT under 2
/// s". Times need a unit unless the name ends in _ms. InputError(where) that says what is wrong and allowed.
Limit parse_limit(std::string_view where, std::string_view text);

/// So that parse_limit gives it back exactly.
std::string to_string(const Limit& limit);
/// "kl at most 0.02".
std::string limit_text(const Limit& limit);

}  // namespace razorscope
