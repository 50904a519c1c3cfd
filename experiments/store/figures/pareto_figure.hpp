#pragma once

#include <string>
#include <vector>

#include "experiments/store/figures/pareto.hpp"
#include "experiments/store/figures/svg.hpp"
#include "experiments/store/text_table.hpp"

namespace razorscope {

/// A figure for each group: bytes to the right, the figure upwards, a marker for each run by its policy's
/// family, and the front as steps, its members numbered from the smallest. Of a group with many runs the
/// front is drawn, and others evenly over the bytes.
Figures pareto_figures(std::vector<ParetoGroup> groups);

/// The members of a front, numbered as in the figure.
std::string front_table(const ParetoGroup& group, TextStyle style);

}  // namespace razorscope
