#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace razorscope {

/// Where figures lie between the ends of a colour scale.
struct ColourScale {
  double low = 0.0;
  double high = 0.0;
  bool logarithmic = false;

  /// From 0 to 1.
  double share(double value) const {
    if (!(value > low)) return 0.0;
    if (!(high > low)) return 1.0;
    const double position = logarithmic ? (std::log(value) - std::log(low)) / (std::log(high) - std::log(low))
                                        : (value - low) / (high - low);
    return std::min(1.0, position);
  }
};

/// Of errors: logarithmic, over four decades at most, which are enough to see. Zeros, and what is no number,
/// do not count; both ends are 0 where nothing is left.
inline ColourScale error_scale(const std::vector<double>& errors) {
  double low = std::numeric_limits<double>::infinity();
  double high = 0.0;
  for (const double error : errors) {
    if (!(error > 0.0) || !std::isfinite(error)) continue;
    low = std::min(low, error);
    high = std::max(high, error);
  }
  if (high == 0.0) return {};
  return {std::max(low, high * 1e-4), high, true};
}

}  // namespace razorscope
