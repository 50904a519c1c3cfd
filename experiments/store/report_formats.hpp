#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "experiments/store/report.hpp"

namespace razorscope {

// One function per format; internal to this folder. A new format is one of these and a line in report.cpp.

std::string format_text(const std::vector<ReportGroup>& groups, bool markdown);
std::string format_csv(const std::vector<ReportGroup>& groups);
nlohmann::json format_json(const std::vector<ReportGroup>& groups);

/// Physical bytes as a share of those of full+f16, where they are known.
std::optional<double> relative_bytes(const TradeoffRow& row);

}  // namespace razorscope
