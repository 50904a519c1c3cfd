#include "experiments/runner/rate_search.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace razorscope {
namespace {

/// Searches where requests meet the level up to `limit` requests/s; gives the number of probes.
int search(RateSearch& search, double limit, double throughput) {
  int probes = 0;
  for (std::vector<double> rates = search.next_rates(); !rates.empty(); rates = search.next_rates()) {
    for (const double rate : rates) search.add(rate, rate <= limit ? 1.0 : 0.0, std::min(rate, throughput));
    probes += static_cast<int>(rates.size());
    if (probes > 100) break;
  }
  return probes;
}

TEST(RateSearchTest, FindsTheLimitWhereverItLies) {
  for (const double limit : {0.01, 0.7, 3.0, 5.0, 9.9, 11.0, 250.0}) {
    RateSearch of(0.9);
    EXPECT_LT(search(of, limit, 10.0), 30) << limit;
    EXPECT_EQ(of.outcome(), RateOutcome::found);
    EXPECT_LE(of.rate(), limit);
    EXPECT_GE(of.rate(), limit / 1.021) << limit;
    EXPECT_EQ(of.probed_rate(), of.rate());
    EXPECT_EQ(of.exceeds_throughput(), of.rate() > 10.0) << limit;
  }
}

TEST(RateSearchTest, EndsAtOnceWhereEverythingPasses) {
  RateSearch of(0.9);
  EXPECT_EQ(search(of, 1e9, 10.0), 1);
  EXPECT_EQ(of.outcome(), RateOutcome::always);
  EXPECT_EQ(of.rate(), RateSearch::saturating_rate);
}

TEST(RateSearchTest, EndsEarlyWhereNothingPasses) {
  RateSearch of(0.9);
  EXPECT_EQ(search(of, 0.0, 10.0), 4);
  EXPECT_EQ(of.outcome(), RateOutcome::never);
  EXPECT_EQ(of.rate(), 0.0);
  EXPECT_DOUBLE_EQ(of.probed_rate(), 1e-3);
}

}  // namespace
}  // namespace razorscope
