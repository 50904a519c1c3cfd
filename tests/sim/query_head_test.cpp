// group_agg=query-head: one cache for each query head, as published.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/equal_bytes.hpp"
#include "sim/replay/replay.hpp"
#include "tests/sim/random_trace.hpp"
#include "tests/sim/trace_bytes.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::full_f16_bytes;
using testing::PlainTrace;
using testing::solve_equal_bytes;
using testing::TemporaryFolder;
using testing::TraceOptions;

constexpr int prefix = 90;
constexpr int steps = 12;

ReplayResult run(const Trace& trace, const std::string& policy) {
  NoProgress progress;
  return replay(trace,
                {.prefix = prefix, .steps = steps, .policies = {Policy::parse(policy)}, .want_kept = true},
                progress)
      .front();
}

/// Everything but the name and what belongs to the model.
void expect_same(const ReplayResult& a, const ReplayResult& b) {
  ASSERT_EQ(a.heads.size(), b.heads.size());
  for (size_t i = 0; i < a.heads.size(); ++i) {
    EXPECT_EQ(a.heads[i].relative_error, b.heads[i].relative_error) << i;
    EXPECT_EQ(a.heads[i].lost_mass, b.heads[i].lost_mass) << i;
    EXPECT_EQ(a.heads[i].kl, b.heads[i].kl) << i;
  }
  EXPECT_EQ(a.kept, b.kept);
  EXPECT_EQ(a.regret_mean, b.regret_mean);
  EXPECT_EQ(a.read_tokens_mean, b.read_tokens_mean);
  EXPECT_EQ(a.compressed.physical(), b.compressed.physical());
  EXPECT_EQ(a.compressed.logical(), b.compressed.logical());
  EXPECT_EQ(a.compressed.nominal, b.compressed.nominal);
  EXPECT_EQ(a.at_end.physical(), b.at_end.physical());
}

class QueryHeadTest : public ::testing::TestWithParam<std::string> {
 protected:
  /// As policy text, with a group_agg and a codec.
  static std::string policy(const std::string& group_agg) {
    return fmt::format("{},group_agg={}+q8_0:residual=8", GetParam(), group_agg);
  }
  static TraceOptions options(int kv_heads, int group) {
    return {.layers = 2,
            .kv_heads = kv_heads,
            .group = group,
            .head_size = 8,
            .tokens = prefix + steps,
            .spread = 2.0F,
            .seed = 21};
  }

  TemporaryFolder folder_;
};

TEST_P(QueryHeadTest, WithoutGroupsItIsTheSame) {
  const Trace trace = PlainTrace(options(3, 1)).write(folder_ / "t.safetensors");
  expect_same(run(trace, policy("query-head")), run(trace, policy("mean")));
}

/// A model of G query heads a KV head is under query-head the model whose every query head has its own copy.
TEST_P(QueryHeadTest, EqualsATraceWithTheRowsRepeated) {
  const PlainTrace grouped(options(2, 3));
  PlainTrace repeated(options(6, 1));
  const size_t d = 8;
  for (size_t layer = 0; layer < 2; ++layer) {
    repeated.layers[layer].q = grouped.layers[layer].q;
    for (const auto rows : {&testing::PlainLayer::k, &testing::PlainLayer::v}) {
      const std::vector<float>& from = grouped.layers[layer].*rows;
      std::vector<float>& to = repeated.layers[layer].*rows;
      for (size_t i = 0; i < to.size(); ++i) {
        const size_t token = i / (6 * d);
        const size_t head = i / d % 6;
        to[i] = from[(token * 2 + head / 3) * d + i % d];
      }
    }
  }
  const Trace a = grouped.write(folder_ / "grouped.safetensors");
  const Trace b = repeated.write(folder_ / "repeated.safetensors");
  const ReplayResult apart = run(a, policy("query-head"));
  expect_same(apart, run(b, policy("mean")));
  EXPECT_EQ(apart.heads[4].kv_head, 1) << "heads are the model's";
}

TEST_P(QueryHeadTest, BytesAreGroupSizeTimesAsManyAtTheSameBudget) {
  const Trace trace = PlainTrace(options(2, 3)).write(folder_ / "t.safetensors");
  const ReplayResult apart = run(trace, policy("query-head"));
  const ReplayResult shared = run(trace, policy("mean"));
  if (GetParam().starts_with("adakv")) {  // heads' shares are rounded down, each by itself
    EXPECT_NEAR(apart.kept_tokens_mean, shared.kept_tokens_mean, 1.0);
    return;
  }
  EXPECT_EQ(apart.kept_tokens_mean, shared.kept_tokens_mean);
  EXPECT_EQ(apart.compressed.physical(), 3 * shared.compressed.physical());
  EXPECT_EQ(apart.compressed.logical(), 3 * shared.compressed.logical());
  EXPECT_EQ(apart.compressed.nominal, 3 * shared.compressed.nominal);
}

TEST_P(QueryHeadTest, EqualBytesBuyFewerTokens) {
  if (GetParam().starts_with("adakv")) GTEST_SKIP() << "its spare block a head is more than these heads take";
  const Trace trace = PlainTrace(options(2, 3)).write(folder_ / "t.safetensors");
  const size_t bytes = full_f16_bytes(trace, prefix) * 9 / 10;
  const auto kept = [&](const std::string& text) {
    const Policy solved = solve_equal_bytes(trace, prefix, {Policy::parse(text)}, bytes).front();
    const ReplayResult result = run(trace, solved.name());
    EXPECT_LE(result.compressed.physical(), bytes);
    return result.kept_tokens_mean;
  };
  EXPECT_LT(kept(policy("query-head")), 0.5 * kept(policy("mean")));
}

INSTANTIATE_TEST_SUITE_P(Selections, QueryHeadTest,
                         ::testing::Values("snapkv:budget=33,observe=8", "pyramidkv:budget=33,observe=8",
                                           "adakv:budget=33,observe=8", "expected:budget=33,future=64",
                                           "h2o/paper:budget=32", "h2o/flexgen:budget=32",
                                           "h2o/mask:budget=32", "h2o/oracle:budget=32"));

TEST(QueryHeadErrorTest, OnlyWhereASelectionWasPublishedSo) {
  expect_input_error([] { Policy::parse("occam:group_agg=query-head"); },
                     {"group_agg", "query-head", "mean, max, sum"});
  EXPECT_NO_THROW(Policy::parse("snapkv:group_agg=query-head"));
}

}  // namespace
}  // namespace razorscope
