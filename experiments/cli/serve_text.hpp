#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sim/serving/serving.hpp"

namespace razorscope::cli {

/// Figures of a serving run, times in milliseconds; no timeline.
nlohmann::json result_json(const ServingResult& result);
nlohmann::json timeline_json(const std::vector<TimelinePoint>& timeline);
/// [{"limit", "allowed_ms", "share", "needed_ms"}]
nlohmann::json limits_json(const std::vector<LimitReport>& limits);

/// One run for people, on stdout.
void print_result(const ServingResult& result, const ServingSetup& setup, const std::string& policy,
                  const std::string& workload);

}  // namespace razorscope::cli
