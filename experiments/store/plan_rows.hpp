#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "sim/serving/deployment_options.hpp"
#include "sim/serving/plan.hpp"

namespace razorscope {

/// Policies that are planned for where the user names none.
inline constexpr const char* usual_plan_policies = "full;full+q8_0;razor;razor+q8_0";

/// What is told of a plan beside its table, whoever asked for it: `plan --json`, the explorer.
nlohmann::json plan_row_json(const PlanRow& row, const DeploymentOptions& options,
                             const PlanRequest& request);

/// Lines that must stand below a plan.
std::vector<std::string> plan_notes(const Deployment& deployment, const PlanRow& row);

/// Adds those that are not there yet.
void add_notes(std::vector<std::string>& notes, const std::vector<std::string>& more);

}  // namespace razorscope
