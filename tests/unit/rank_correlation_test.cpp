#include "experiments/store/rank_correlation.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <vector>

namespace razorscope {
namespace {

using Values = std::vector<double>;

TEST(RankCorrelationTest, SharesRanksAmongEqualValues) {
  EXPECT_EQ(average_ranks(Values{30, 10, 20}), (Values{3, 1, 2}));
  EXPECT_EQ(average_ranks(Values{5, 1, 5, 5, 9}), (Values{3, 1, 3, 3, 5}));
  EXPECT_EQ(average_ranks(Values{2, 2}), (Values{1.5, 1.5}));
  EXPECT_EQ(average_ranks(Values{}), Values{});
}

TEST(RankCorrelationTest, AgreesWithHandComputedValues) {
  // Without ties: 1 - 6 sum d^2 / (n (n^2 - 1)); d = 0 1 -1 1 -1: 1 - 6·4/120.
  EXPECT_DOUBLE_EQ(rank_correlation(Values{1, 2, 3, 4, 5}, Values{10, 30, 20, 50, 40}).value(), 0.8);
  // Ranks 1 2.5 2.5 4 and 1 2 3 4: sums of squares 4.5 and 5, of products 4.5.
  EXPECT_DOUBLE_EQ(rank_correlation(Values{0, 7, 7, 9}, Values{1, 2, 3, 4}).value(), 4.5 / std::sqrt(22.5));
  // Only the order counts.
  EXPECT_DOUBLE_EQ(rank_correlation(Values{1e-9, 1, 1e9}, Values{-3, -2, 100}).value(), 1.0);
  EXPECT_DOUBLE_EQ(rank_correlation(Values{1, 2, 3}, Values{3, 2, 1}).value(), -1.0);
}

TEST(RankCorrelationTest, SaysNothingWhereThereIsNoOrder) {
  EXPECT_FALSE(rank_correlation(Values{1, 2, 3}, Values{4, 4, 4}).has_value());
  EXPECT_FALSE(rank_correlation(Values{1}, Values{2}).has_value());
  EXPECT_FALSE(rank_correlation(Values{}, Values{}).has_value());
}

}  // namespace
}  // namespace razorscope
