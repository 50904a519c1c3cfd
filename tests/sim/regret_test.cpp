// oracle/topk and regret: against plain sorting, and what the definitions promise.
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

#include "sim/replay/least_lost.hpp"
#include "sim/replay/replay.hpp"
#include "tests/sim/random_trace.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::PlainTrace;
using testing::TemporaryFolder;

TEST(LeastLostTest, EqualsSortingByHand) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform;
  LeastLost least;
  for (const int tokens : {1, 2, 31, 700}) {
    for (const int group : {1, 3}) {
      const auto stride = static_cast<size_t>(tokens) + 5;
      std::vector<float> weights(static_cast<size_t>(group) * stride);
      for (float& x : weights) x = std::pow(uniform(random), 20.0F);  // many orders of magnitude
      for (int g = 0; g < group; ++g) weights[static_cast<size_t>(g) * stride] = 1.0F;
      std::vector<double> means(static_cast<size_t>(tokens), 0.0);
      for (size_t n = 0; n < means.size(); ++n) {
        for (int g = 0; g < group; ++g)
          means[n] += static_cast<double>(weights[static_cast<size_t>(g) * stride + n]) / group;
      }
      std::sort(means.begin(), means.end(), std::greater<>());
      std::vector<float> lost(static_cast<size_t>(tokens) + 1, -1.0F);
      least.compute(weights.data(), stride, group, tokens, lost.data());
      for (int m = 0; m <= tokens; ++m) {
        const double expected = std::accumulate(means.begin() + m, means.end(), 0.0);
        EXPECT_NEAR(lost[static_cast<size_t>(m)], expected, 1e-6 * (1e-3 + expected)) << tokens << " " << m;
      }
    }
  }
}

class RegretTest : public ::testing::TestWithParam<bool> {
 protected:
  RegretTest()
      : trace_(PlainTrace({.layers = 2,
                           .kv_heads = 2,
                           .group = 2,
                           .head_size = 16,
                           .tokens = 100,
                           .alibi = GetParam(),
                           .spread = 2.0F,
                           .seed = 5})
                   .write(folder_ / "t.safetensors")) {}

  ReplayResult run(const std::string& policy) const {
    NoProgress progress;
    return replay(trace_, {.prefix = 60, .steps = 40, .policies = {Policy::parse(policy)}}, progress).front();
  }

  TemporaryFolder folder_;
  Trace trace_;
};

TEST_P(RegretTest, TopkHasNoneWithAnyCodec) {
  for (const char* codec : {"f32", "q4_0", "kivi2"}) {
    for (const char* budget : {"1", "7", "0.5", "64"}) {
      const ReplayResult topk = run(fmt::format("oracle/topk:budget={}+{}", budget, codec));
      EXPECT_NEAR(topk.regret_mean, 0.0, 1e-6) << budget << codec;
    }
  }
}

TEST_P(RegretTest, TopkStoresEverythingAndReadsItsBudget) {
  const ReplayResult full = run("full+f16");
  const ReplayResult topk = run("oracle/topk:budget=7");
  EXPECT_EQ(topk.kept_tokens_mean, 60.0);
  EXPECT_EQ(topk.compressed.physical(), full.compressed.physical());
  EXPECT_EQ(topk.at_end.physical(), full.at_end.physical());
  EXPECT_EQ(topk.read_tokens_mean, 7.0);
  EXPECT_FALSE(topk.dropped_nothing);
  EXPECT_GT(topk.lost_mass_mean, 0.0);
  EXPECT_DOUBLE_EQ(full.read_tokens_mean, 60 + 41 / 2.0);
  EXPECT_EQ(full.regret_mean, 0.0);
}

TEST_P(RegretTest, TopkThatReadsAllEqualsFullBitForBit) {
  const ReplayResult full = run("full+q8_0");
  const ReplayResult topk = run("oracle/topk:budget=100+q8_0");
  EXPECT_EQ(topk.relative_error_mean, full.relative_error_mean);
  EXPECT_EQ(topk.kl_mean, full.kl_mean);
  EXPECT_TRUE(topk.dropped_nothing);
}

TEST_P(RegretTest, KlOfReadingLessIsMinusLogOfWhatIsRead) {
  for (const char* policy : {"oracle/topk:budget=9+f32", "h2o/mask:heavy=3,recent=4+f32"}) {
    NoProgress progress;
    const ReplayRequest request = {.prefix = 60, .steps = 1, .policies = {Policy::parse(policy)}};
    for (const HeadErrors& head : replay(trace_, request, progress).front().heads) {
      EXPECT_GT(head.lost_mass, 0.0);
      EXPECT_NEAR(head.kl, -std::log1p(-head.lost_mass), 5e-6 * (1.0 + head.kl)) << policy;
    }
  }
}

/// Lost mass counted by the definition, from the trace's numbers: what a window of 2 + 5 loses, less what the
/// best 8 tokens of each query and KV head would.
TEST_P(RegretTest, IsLostMassAboveTheLeastForAsManyTokens) {
  const ReplayResult window = run("window:sinks=2,recent=5+f32");
  const ReplayResult best = run("oracle/topk:budget=8+f32");  // the query's own token is there too
  EXPECT_NEAR(window.regret_mean, window.lost_mass_mean - best.lost_mass_mean, 1e-6);
  EXPECT_GT(window.regret_mean, 0.0);
  EXPECT_DOUBLE_EQ(window.read_tokens_mean, 8.0);
}

INSTANTIATE_TEST_SUITE_P(Schemes, RegretTest, ::testing::Bool(), [](const auto& scheme) {
  return scheme.param ? std::string("Alibi") : std::string("Rope");
});

}  // namespace
}  // namespace razorscope
