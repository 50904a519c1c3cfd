#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "experiments/store/report.hpp"

namespace razorscope {

// What each kind of run looks like in each format; internal to this folder. Text begins with curves.

std::string format_text(const std::vector<ReportGroup>& groups, bool markdown);
std::string format_text(const std::vector<ClosedLoopRow>& rows, bool markdown);
std::string format_text(const std::vector<TaskRow>& rows, bool markdown);
/// Tasks that the model cannot do are named instead of ranked.
std::string format_text(const std::vector<LadderRow>& rows, const std::vector<TaskRow>& tasks, bool markdown);
std::string format_text(const std::vector<ServingRow>& rows, bool markdown);
std::string format_text(const std::vector<MaxRateRow>& rows, bool markdown);
std::string format_text(const std::vector<CapacityRow>& rows, bool markdown);

std::string format_csv(const std::vector<ReportGroup>& groups);
std::string format_csv(const std::vector<ClosedLoopRow>& rows);
std::string format_csv(const std::vector<TaskRow>& rows);
std::string format_csv(const std::vector<ServingRow>& rows);
std::string format_csv(const std::vector<CapacityRow>& rows);

nlohmann::json format_json(const std::vector<ReportGroup>& groups);
nlohmann::json format_json(const std::vector<ClosedLoopRow>& rows);
nlohmann::json format_json(const std::vector<TaskRow>& rows);
nlohmann::json format_json(const std::vector<LadderRow>& rows);
nlohmann::json format_json(const std::vector<ServingRow>& rows);
nlohmann::json format_json(const std::vector<MaxRateRow>& rows);
nlohmann::json format_json(const std::vector<CapacityRow>& rows);

std::vector<std::vector<ClosedLoopRow>> closed_loop_groups(const std::vector<ClosedLoopRow>& rows);
std::vector<std::vector<TaskRow>> task_groups(const std::vector<TaskRow>& rows);

/// Physical bytes as a share of those of full+f16, where they are known.
std::optional<double> relative_bytes(double physical_bytes, const RunRow& row);

}  // namespace razorscope
