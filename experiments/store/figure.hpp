#pragma once

#include <string>
#include <vector>

#include "experiments/store/report_curves.hpp"

namespace razorscope {

/// An SVG document with a panel for each group, one below the other: the share of full+f16's bytes to the
/// right (logarithmic), the figure upwards, a line per policy with its intervals, a legend with their labels
/// and a caption that says what was measured on how much. InputError where there is nothing to draw.
std::string curves_svg(const std::vector<CurveGroup>& groups);

}  // namespace razorscope
