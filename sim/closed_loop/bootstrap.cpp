#include "sim/closed_loop/bootstrap.hpp"

#include <algorithm>
#include <numeric>
#include <random>

namespace razorscope {

Resampling::Resampling(int units, uint64_t seed, int resamples) : units_(units) {
  std::mt19937_64 random(seed);
  for (int r = 0; r < resamples; ++r) {
    std::vector<int>& draw = draws_.emplace_back();
    // The modulo's bias is below 2^-50 for any number of units that fits into memory.
    for (int i = 0; i < units; ++i) draw.push_back(static_cast<int>(random() % static_cast<uint64_t>(units)));
  }
}

std::optional<Interval> Resampling::mean_interval(const std::vector<double>& sums,
                                                  const std::vector<int>& counts) const {
  if (units_ < 2) return std::nullopt;
  std::vector<double> means;
  for (const std::vector<int>& draw : draws_) {
    double sum = 0.0;
    double count = 0.0;
    for (const int unit : draw) {
      sum += sums[static_cast<size_t>(unit)];
      count += counts[static_cast<size_t>(unit)];
    }
    means.push_back(sum / count);
  }
  std::sort(means.begin(), means.end());
  const auto at = [&](double share) {
    return means[static_cast<size_t>(share * static_cast<double>(means.size() - 1))];
  };
  return Interval{at(0.025), at(0.975)};
}

void UnitSums::add(size_t unit, double value) {
  if (unit >= sums.size()) {
    sums.resize(unit + 1, 0.0);
    counts.resize(unit + 1, 0);
  }
  sums[unit] += value;
  ++counts[unit];
}

Estimate UnitSums::estimate(const Resampling& resampling) const {
  const double sum = std::accumulate(sums.begin(), sums.end(), 0.0);
  const double count = std::accumulate(counts.begin(), counts.end(), 0.0);
  return {sum / count, resampling.mean_interval(sums, counts)};
}

Estimate UnitSums::difference(const UnitSums& a, const UnitSums& b, const Resampling& resampling) {
  UnitSums difference = a;
  for (size_t i = 0; i < b.sums.size(); ++i) difference.sums[i] -= b.sums[i];
  return difference.estimate(resampling);
}

}  // namespace razorscope
