// Bootstrap intervals of means.
#include "sim/closed_loop/bootstrap.hpp"

#include <gtest/gtest.h>
#include <numeric>
#include <random>

namespace razorscope {
namespace {

/// Sums of one sample a unit, from a normal distribution.
std::vector<double> normal_values(int units, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(3.0, 1.0);
  std::vector<double> values(static_cast<size_t>(units));
  for (double& value : values) value = normal(random);
  return values;
}

std::vector<int> ones(size_t count) { return std::vector<int>(count, 1); }

Interval interval_of(const std::vector<double>& values, uint64_t seed = 1) {
  return Resampling(static_cast<int>(values.size()), seed).mean_interval(values, ones(values.size())).value();
}

TEST(BootstrapTest, TheSameSeedGivesTheSameInterval) {
  const std::vector<double> values = normal_values(20, 1);
  const Interval one = interval_of(values, 7);
  const Interval same = interval_of(values, 7);
  const Interval other = interval_of(values, 8);
  EXPECT_EQ(one.low, same.low);
  EXPECT_EQ(one.high, same.high);
  EXPECT_NE(one.low, other.low);
}

TEST(BootstrapTest, FiguresOfOneResamplingArePaired) {
  const Resampling resampling(20, 3);
  const std::vector<double> values = normal_values(20, 1);
  std::vector<double> shifted = values;
  for (double& value : shifted) value += 5.0;
  const Interval interval = resampling.mean_interval(values, ones(20)).value();
  const Interval above = resampling.mean_interval(shifted, ones(20)).value();
  EXPECT_NEAR(above.low - interval.low, 5.0, 1e-12);
  EXPECT_NEAR(above.high - interval.high, 5.0, 1e-12);
}

TEST(BootstrapTest, AConstantHasAPoint) {
  const Interval interval = Resampling(4, 1).mean_interval({6.0, 2.0, 4.0, 10.0}, {3, 1, 2, 5}).value();
  EXPECT_EQ(interval.low, 2.0);
  EXPECT_EQ(interval.high, 2.0);
}

TEST(BootstrapTest, ContainsTheMeanAndIsAboutAsWideAsTheNormalInterval) {
  const std::vector<double> values = normal_values(400, 2);
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / 400.0;
  const Interval interval = interval_of(values);
  EXPECT_LT(interval.low, mean);
  EXPECT_GT(interval.high, mean);
  EXPECT_NEAR(interval.high - interval.low, 2.0 * 1.96 / 20.0, 0.03);
}

TEST(BootstrapTest, OneUnitShowsNoSpread) {
  EXPECT_FALSE(Resampling(1, 1).mean_interval({2.0}, {1}));
  EXPECT_TRUE(Resampling(2, 1).mean_interval({2.0, 3.0}, {1, 1}));
}

TEST(BootstrapTest, UnitsCountAsManyTimesAsTheyHaveSamples) {
  // Half of the units have 9 samples of 1, the others one sample of 0: the mean over samples is 0.9.
  std::vector<double> sums;
  std::vector<int> counts;
  for (int i = 0; i < 100; ++i) {
    sums.push_back(i % 2 == 0 ? 9.0 : 0.0);
    counts.push_back(i % 2 == 0 ? 9 : 1);
  }
  const Interval interval = Resampling(100, 1).mean_interval(sums, counts).value();
  EXPECT_GT(interval.low, 0.8);
  EXPECT_LT(interval.low, 0.9);
  EXPECT_GT(interval.high, 0.9);
  EXPECT_LT(interval.high, 0.95);
}

TEST(BootstrapTest, IsWiderForFewerUnits) {
  double before = 0.0;
  for (const int units : {1024, 256, 64, 16, 4}) {
    std::vector<double> alternating(static_cast<size_t>(units));
    for (size_t i = 0; i < alternating.size(); i += 2) alternating[i] = 1.0;
    const Interval interval = interval_of(alternating);
    EXPECT_GT(interval.high - interval.low, before) << units;
    before = interval.high - interval.low;
  }
}

}  // namespace
}  // namespace razorscope
