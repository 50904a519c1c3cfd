#pragma once

#include <string>
#include <vector>

#include "experiments/store/deployment_rows.hpp"

namespace razorscope {

/// The same for workloads served that differ in nothing but policy and rate, which may be compared.
std::string subject_key(const ServingRow& row);
/// The same in words: model, devices, workload, service level.
std::string subject_text(const ServingRow& row);

/// Rows of one subject stand together, subjects in the order in which they first appear.
std::vector<std::vector<ServingRow>> serving_groups(const std::vector<ServingRow>& rows);

}  // namespace razorscope
