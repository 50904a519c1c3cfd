#pragma once

#include <vector>

#include "experiments/store/deployment_rows.hpp"
#include "experiments/store/figures/svg.hpp"

namespace razorscope {

/// A figure for each set of serving runs that differ in policy and rate alone, where there are two rates or
/// more: the rate to the right, TTFT and TPOT upwards (50th, 90th and 99th percentile, logarithmic), a colour
/// per policy, the limits of the service level across.
Figures latency_figures(const std::vector<ServingRow>& rows);

}  // namespace razorscope
