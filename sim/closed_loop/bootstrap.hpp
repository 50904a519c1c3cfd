#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace razorscope {

struct Interval {
  double low = 0.0;
  double high = 0.0;
};

/// Draws of resampling `units` independent units with replacement: [resamples, units] indices. The same seed
/// gives the same draws, so that policies compared on them are paired.
class Resampling {
 public:
  static constexpr int default_resamples = 2000;
  Resampling(int units, uint64_t seed, int resamples = default_resamples);

  /// The 95 % percentile interval of the mean over all samples, where unit i has the sum sums[i] of counts[i]
  /// samples. Nothing where there is only one unit: no spread can be seen then.
  std::optional<Interval> mean_interval(const std::vector<double>& sums,
                                        const std::vector<int>& counts) const;

 private:
  int units_;
  std::vector<std::vector<int>> draws_;
};

/// A mean over samples with its 95 % bootstrap interval (none where there is too little to resample).
struct Estimate {
  double mean = 0.0;
  std::optional<Interval> interval;
};

/// Sums of one figure over independent units: texts, or blocks of steps of one text.
struct UnitSums {
  std::vector<double> sums;
  std::vector<int> counts;

  void add(size_t unit, double value);
  Estimate estimate(const Resampling& resampling) const;
  /// The mean of a - b over the same samples, paired: unit by unit.
  static Estimate difference(const UnitSums& a, const UnitSums& b, const Resampling& resampling);
};

}  // namespace razorscope
