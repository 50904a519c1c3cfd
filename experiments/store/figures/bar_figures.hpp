#pragma once

#include <vector>

#include "experiments/store/deployment_rows.hpp"
#include "experiments/store/figures/svg.hpp"
#include "experiments/store/rows.hpp"

namespace razorscope {

/// For each set of plans that differ in device and policy alone: a bar per plan with what a device holds of
/// weights, of other things and of the batch's KV, beside the memory that it has.
Figures memory_figures(const std::vector<CapacityRow>& rows);

/// For each task that the model can do: accuracies with their Wilson intervals, one below the other, beside
/// that of the full cache.
Figures task_figures(const std::vector<TaskRow>& rows);

}  // namespace razorscope
