#pragma once

#include <string>
#include <vector>

#include "experiments/store/figures/svg.hpp"
#include "experiments/store/report_curves.hpp"

namespace razorscope {

/// A figure for each group: the share of full+f16's bytes to the right (logarithmic), the group's measure
/// upwards, a line per policy with its intervals, a legend with their labels. Of a group with many policies
/// those are drawn whose rank, by the mean over shares, is best.
Figures tradeoff_figures(std::vector<CurveGroup> groups);

/// The same as an SVG document. InputError where there is nothing to draw.
std::string curves_svg(const std::vector<CurveGroup>& groups);

}  // namespace razorscope
