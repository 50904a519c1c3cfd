#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "experiments/store/report.hpp"
#include "experiments/store/serving_groups.hpp"
#include "experiments/store/text_table.hpp"

namespace razorscope {

// What each kind of run looks like in each format; internal to this folder. Text begins with curves.

std::string format_text(const std::vector<ReportGroup>& groups, TextStyle style);
std::string format_text(const std::vector<ClosedLoopRow>& rows, TextStyle style);
std::string format_text(const std::vector<TaskRow>& rows, TextStyle style);
/// Tasks that the model cannot do are named instead of ranked.
std::string format_text(const std::vector<LadderRow>& rows, const std::vector<TaskRow>& tasks,
                        TextStyle style);
std::string format_text(const std::vector<ServingRow>& rows, TextStyle style);
std::string format_text(const std::vector<MaxRateRow>& rows, TextStyle style);
std::string format_text(const std::vector<CapacityRow>& rows, TextStyle style);

std::string format_csv(const std::vector<ReportGroup>& groups);
std::string format_csv(const std::vector<ClosedLoopRow>& rows);
std::string format_csv(const std::vector<TaskRow>& rows);
std::string format_csv(const std::vector<LadderRow>& rows);
std::string format_csv(const std::vector<ServingRow>& rows);
std::string format_csv(const std::vector<MaxRateRow>& rows);
std::string format_csv(const std::vector<CapacityRow>& rows);

/// All sections that have rows, in the order in which they are read.
struct SectionText {
  ReportSection section;
  const char* id;
  const char* title;
  std::string body;
};
std::vector<SectionText> section_texts(const ReportData& data, TextStyle style);
std::string sections_text(const ReportData& data, TextStyle style);
std::string csv_text(const ReportData& data, ReportSection section);

nlohmann::json format_json(const std::vector<ReportGroup>& groups);
nlohmann::json format_json(const std::vector<ClosedLoopRow>& rows);
nlohmann::json format_json(const std::vector<TaskRow>& rows);
nlohmann::json format_json(const std::vector<LadderRow>& rows);
nlohmann::json format_json(const std::vector<ServingRow>& rows);
nlohmann::json format_json(const std::vector<MaxRateRow>& rows);
nlohmann::json format_json(const std::vector<CapacityRow>& rows);

std::vector<std::vector<ClosedLoopRow>> closed_loop_groups(const std::vector<ClosedLoopRow>& rows);
std::vector<std::vector<TaskRow>> task_groups(const std::vector<TaskRow>& rows);
/// All but device and policy is the same.
std::vector<std::vector<CapacityRow>> capacity_groups(const std::vector<CapacityRow>& rows);
std::string subject_text(const CapacityRow& row);

/// Physical bytes as a share of those of full+f16, where they are known.
std::optional<double> relative_bytes(double physical_bytes, const RunRow& row);

}  // namespace razorscope
