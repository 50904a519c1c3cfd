// The bytes that are planned for a policy are the bytes that its cache really takes.
#include "policies/cache/footprint.hpp"

#include <gtest/gtest.h>

#include "sim/replay/replay.hpp"
#include "tests/sim/random_trace.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/made_up_device.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::made_up_shape;

const std::vector<std::string> policies = {
    "full",
    "full+q8_0",
    "full+kivi4:residual=32",
    "full+k=q8_0+v=q4_0",
    "full+q4_0:residual=48",
    "window:recent=40",
    "window:recent=40+q4_0",
    "window:recent=40,when=after-prefill",
    "h2o:budget=64",
    "h2o/flexgen:budget=64+q8_0",
    "tova:budget=50",
    "snapkv:budget=64",
    "pyramidkv:budget=70",
    "razor:recent=40",
    "razor/none:recent=40+protected=f16+others=q8_0",
    "razor/clusters:recent=40,slots=3",
    "duo:recent=32,sinks=8",
    "occam:budget=0.6+q8_0",
    "knorm:budget=64",
    "random:budget=64",
};

/// A probe in which KV heads differ, so that policies protect some of them.
HeadScores probe_of(const testing::TraceOptions& options) {
  HeadScores probe;
  probe.layers = options.layers;
  probe.query_heads = options.query_heads();
  probe.kv_heads = options.kv_heads;
  for (int i = 0; i < options.layers * options.query_heads(); ++i) {
    probe.induction.push_back(i / options.group == 1 ? 0.9 : 0.01 * (i + 1));
    probe.echo.push_back(i / options.group == 2 ? 0.8 : 0.005 * (i + 1));
  }
  return probe;
}

class FootprintOf : public ::testing::TestWithParam<std::string> {};

TEST_P(FootprintOf, EqualsTheLedgerOfAReplay) {
  constexpr int prefix = 150;
  constexpr int steps = 37;
  testing::TraceOptions options;
  options.layers = 3;
  options.kv_heads = 2;
  options.head_size = 32;
  options.tokens = prefix + steps;
  options.probe = probe_of(options);
  const testing::TemporaryFolder folder;
  const testing::PlainTrace plain(options);
  const auto path = folder.path() / "trace.safetensors";
  plain.write(path);
  const Trace trace(path);
  NoProgress progress;
  const Policy policy = Policy::parse(GetParam());
  const ReplayResult measured =
      replay(trace, {.prefix = prefix, .steps = steps, .policies = {policy}}, progress).front();

  PolicyFootprint footprint(policy, trace.shape(), &*trace.probe(), 1);
  const auto sequence = footprint.of_prompt(prefix);
  EXPECT_EQ(sequence->held_bytes(prefix), measured.compressed.physical());
  EXPECT_EQ(sequence->held_bytes_of_all(prefix), measured.compressed.physical());
  EXPECT_DOUBLE_EQ(sequence->kept_tokens_mean(prefix), measured.kept_tokens_mean);

  const ByteLedger& end = measured.at_end;
  const CacheRead read = sequence->read(prefix + steps);
  const auto really =
      static_cast<double>(end.keys + end.values + end.scales + end.residual + end.compensation);
  EXPECT_NEAR(read.bytes + read.coded_bytes, really, 0.04 * really);
}

INSTANTIATE_TEST_SUITE_P(Policies, FootprintOf, ::testing::ValuesIn(policies));

TEST_P(FootprintOf, GrowsOnlyWhereItSays) {
  PolicyFootprint footprint(Policy::parse(GetParam()), made_up_shape(), nullptr, 1);
  const auto sequence = footprint.of_prompt(100);
  int next = sequence->next_growth(100);
  size_t held = sequence->held_bytes(100);
  for (int tokens = 101; tokens < 400; ++tokens) {
    if (tokens < next) {
      ASSERT_EQ(sequence->held_bytes(tokens), held) << tokens;
    } else {
      held = sequence->held_bytes(tokens);
      next = sequence->next_growth(tokens);
      ASSERT_GT(next, tokens);
    }
  }
}

TEST(Footprint, RanksSplitHeads) {
  PolicyFootprint one(Policy::parse("full"), made_up_shape(), nullptr, 1);
  PolicyFootprint two(Policy::parse("full"), made_up_shape(), nullptr, 2);
  PolicyFootprint four(Policy::parse("full"), made_up_shape(), nullptr, 4);
  const size_t whole = one.of_prompt(1000)->held_bytes(1000);
  EXPECT_EQ(two.of_prompt(1000)->held_bytes(1000), whole / 2);
  EXPECT_EQ(four.of_prompt(1000)->held_bytes(1000), whole / 2)
      << "two KV heads are replicated over four ranks";
  EXPECT_EQ(four.of_prompt(1000)->held_bytes_of_all(1000), whole);
  EXPECT_EQ(one.block_bytes(), size_t{2 * 2 * 16 * 16 * 2 * 2});
}

/// One KV head a rank: every layer waits for the rank whose head is whole, while each rank holds its own.
TEST(Footprint, ALayerWaitsForItsSlowestRank) {
  Shape shape = made_up_shape();
  shape.layers = 20;
  PolicyFootprint footprint(Policy::parse("razor:recent=64"), shape, nullptr, 2);
  EXPECT_TRUE(footprint.assumes_heads());
  const auto sequence = footprint.of_prompt(4096);
  const size_t whole =
      PolicyFootprint(Policy::parse("full"), shape, nullptr, 2).of_prompt(4096)->held_bytes(4096);
  EXPECT_LT(sequence->held_bytes(4096), whole / 3);
  const double rows = sequence->read(4096).bytes / (2 * 16 * 2);
  // 6 of 40 heads are whole by induction and one by echo, each in a layer of its own.
  EXPECT_GT(rows, 7 * 4096.0);
  EXPECT_LT(rows, 8 * 4096.0);
}

TEST(Footprint, PromptsAreHeldUncompressedUntilTheyAreDone) {
  PolicyFootprint razor(Policy::parse("razor:recent=64"), made_up_shape(), nullptr, 1);
  PolicyFootprint full(Policy::parse("full"), made_up_shape(), nullptr, 1);
  PolicyFootprint coded(Policy::parse("full+q8_0"), made_up_shape(), nullptr, 1);
  EXPECT_EQ(razor.of_prompt(1024)->prefill_bytes(1024), full.of_prompt(1024)->held_bytes(1024));
  EXPECT_EQ(coded.of_prompt(1024)->prefill_bytes(1024), coded.of_prompt(1024)->held_bytes(1024));
  EXPECT_EQ(full.of_prompt(1024)->compression().bytes, 0.0);
  EXPECT_GT(razor.of_prompt(1024)->compression().bytes, 0.0);
  EXPECT_TRUE(razor.drops());
  EXPECT_FALSE(coded.drops());
}

TEST(Footprint, OraclesAreRefused) {
  expect_input_error(
      [] { PolicyFootprint(Policy::parse("oracle/topk:budget=64"), made_up_shape(), nullptr, 1); },
      {"oracle", "replay only"});
}

}  // namespace
}  // namespace razorscope
