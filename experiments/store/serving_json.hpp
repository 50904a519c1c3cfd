#pragma once

#include <nlohmann/json_fwd.hpp>

#include "sim/serving/serving.hpp"

namespace razorscope {

/// The figures of a serving run by the names that scripts rely on; latencies in milliseconds. Without what
/// was refused and the timeline.
nlohmann::json serving_figures_json(const ServingResult& result);

}  // namespace razorscope
