// A sequence's memory under a policy: blocks, causality, forks.
#include "policies/cache/policy_memory.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "tests/support/omp_threads.hpp"
#include "tests/support/small_model.hpp"

namespace razorscope {
namespace {

using testing::held_positions;
using testing::LogitRows;
using testing::OmpThreads;
using testing::random_ids;
using testing::read_block;
using testing::read_one_by_one;
using testing::SmallModel;

constexpr int prefix = 60;
constexpr int steps = 12;

/// The largest difference of two rows' logits, as a share of the largest logit.
double relative_difference(const LogitRows& got, const LogitRows& expected) {
  double worst = 0.0;
  for (size_t r = 0; r < expected.size(); ++r) {
    double difference = 0.0;
    double size = 0.0;
    for (size_t i = 0; i < expected[r].size(); ++i) {
      difference = std::max(difference, std::abs(double{got[r][i]} - double{expected[r][i]}));
      size = std::max(size, std::abs(double{expected[r][i]}));
    }
    worst = std::max(worst, difference / size);
  }
  return worst;
}

class PolicyMemoryTest : public ::testing::TestWithParam<bool> {
 protected:
  static bool alibi() { return GetParam(); }
  std::span<const int32_t> context_ids() const { return std::span(ids_).first(prefix); }
  std::span<const int32_t> step_ids() const { return std::span(ids_).subspan(prefix); }

  /// Policies whose held rows are what they are once the prefix is compressed.
  std::vector<std::string> decided_after_the_prefix() const {
    const std::string& heads = model_.heads();
    std::vector<std::string> policies = {"full+f16",
                                         "full+q8_0",
                                         "full+q4_0",
                                         "full+q4_1",
                                         "full+k=q8_0:rotate=yes+v=fp8-e4m3",
                                         "full+int8-token",
                                         "full+q4_0/prefix:residual=8",
                                         "window:recent=20,when=after-prefill",
                                         "snapkv:budget=24,observe=8",
                                         "snapkv:budget=24,observe=8,group_agg=query-head",
                                         "adakv:budget=24,observe=8",
                                         "expected:budget=24,future=16",
                                         "razor/none:recent=16,when=after-prefill," + heads + "+q8_0",
                                         "occam:budget=45," + heads,
                                         "occam:budget=45," + heads + "+protected=q8_0+others=q4_0"};
    if (alibi()) {
      policies.push_back("razor/weighted:recent=16,when=after-prefill," + heads);
      policies.emplace_back("razor/scope:bound=norm-bound,epsilon=0.5,when=after-prefill");
    } else {
      for (const char* variant : {"weighted", "unweighted", "clusters", "chunks"})
        policies.push_back(fmt::format("razor/{}:recent=16,when=after-prefill,{}", variant, heads));
      policies.push_back("occam:budget=45,compensation=weighted," + heads);
    }
    return policies;
  }
  /// Policies that evict, fold or quantise while they decode, or may (KIVI's keys), or whose slots depend on
  /// the query.
  std::vector<std::string> deciding_later() const {
    const std::string& heads = model_.heads();
    std::vector<std::string> policies = {"window:recent=20",
                                         "h2o:budget=24",
                                         "h2o/flexgen:budget=24",
                                         "h2o/mask:budget=24",
                                         "h2o:budget=24,group_agg=query-head",
                                         "tova:budget=24",
                                         "razor/weighted:recent=16," + heads,
                                         "occam:budget=45,when=every-step," + heads,
                                         "full+q8_0:residual=8",
                                         "full+q4_0:residual=8,rotate=yes",
                                         "full+kivi4:residual=32",
                                         "full+kivi4/prefix:residual=32",
                                         "full+kivi2/chunk/prefix:residual=32",
                                         "h2o:budget=24+k=q8_0+v=q4_0:residual=8",
                                         "window:recent=40+kivi4/chunk:residual=32"};
    if (!alibi()) {
      policies.emplace_back("window/slot-positions:recent=20");
      for (const char* variant : {"unweighted", "clusters", "chunks"})
        policies.push_back(fmt::format("razor/{}:recent=16,{}", variant, heads));
      for (const char* variant : {"variance", "covariance"}) {
        policies.push_back(fmt::format("razor/{}:recent=16,{}", variant, heads));
        policies.push_back(fmt::format("razor/{}:recent=16,when=after-prefill,{}", variant, heads));
      }
    }
    return policies;
  }
  std::vector<std::string> all_policies() const {
    std::vector<std::string> all = decided_after_the_prefix();
    const std::vector<std::string> later = deciding_later();
    all.insert(all.end(), later.begin(), later.end());
    return all;
  }

  SmallModel model_{GetParam()};
  std::vector<int32_t> ids_ = random_ids(prefix + steps, 3);
};

TEST_P(PolicyMemoryTest, KnowsWhetherItDecidesLater) {
  for (const bool later : {false, true}) {
    const CompressedContext context =
        model_.compress(context_ids(), later ? deciding_later() : decided_after_the_prefix());
    for (size_t i = 0; i < context.policies(); ++i)
      EXPECT_EQ(context.memory(i).decides_later(), later) << context.run(i).policy().name();
  }
}

TEST_P(PolicyMemoryTest, ReadsABlockAsItsTokensOneByOne) {
  const CompressedContext context = model_.compress(context_ids(), all_policies());
  for (size_t i = 0; i < context.policies(); ++i) {
    SCOPED_TRACE(context.run(i).policy().name());
    const auto blocks = context.fork(i);
    const auto tokens = context.fork(i);
    const LogitRows expected = read_one_by_one(model_.transformer(), *tokens, step_ids(), prefix);
    // A block's attention rounds otherwise, and a key near the border of two codes may then fall to the
    // other: one step of 127 in one channel.
    const std::string codec = context.run(i).policy().codec_name();
    const double allowed = codec == "f32" || codec == "f16" ? 1e-4 : 2e-3;
    EXPECT_LE(relative_difference(read_block(model_.transformer(), *blocks, step_ids(), prefix), expected),
              allowed);
    EXPECT_EQ(held_positions(*blocks, model_.shape()), held_positions(*tokens, model_.shape()));
    EXPECT_EQ(blocks->ledger().physical(), tokens->ledger().physical());
    EXPECT_EQ(blocks->bytes_read(), tokens->bytes_read());
  }
}

TEST_P(PolicyMemoryTest, ReadsTwoBlocksAsOne) {
  const CompressedContext context = model_.compress(context_ids(), all_policies());
  for (size_t i = 0; i < context.policies(); ++i) {
    SCOPED_TRACE(context.run(i).policy().name());
    const auto whole = context.fork(i);
    const auto parts = context.fork(i);
    const LogitRows expected = read_block(model_.transformer(), *whole, step_ids(), prefix);
    LogitRows rows = read_block(model_.transformer(), *parts, step_ids().first(5), prefix);
    for (auto& row : read_block(model_.transformer(), *parts, step_ids().subspan(5), prefix + 5))
      rows.push_back(row);
    EXPECT_LE(relative_difference(rows, expected), 1e-4);
    EXPECT_EQ(held_positions(*whole, model_.shape()), held_positions(*parts, model_.shape()));
  }
}

TEST_P(PolicyMemoryTest, NothingDependsOnWhatComesLater) {
  constexpr size_t change = 7;
  std::vector<int32_t> changed(step_ids().begin(), step_ids().end());
  for (size_t i = change; i < changed.size(); ++i) changed[i] = (changed[i] + 91) % 256;
  const CompressedContext context = model_.compress(context_ids(), all_policies());
  for (size_t i = 0; i < context.policies(); ++i) {
    SCOPED_TRACE(context.run(i).policy().name());
    const LogitRows one = read_block(model_.transformer(), *context.fork(i), step_ids(), prefix);
    const LogitRows other = read_block(model_.transformer(), *context.fork(i), changed, prefix);
    for (size_t r = 0; r < one.size(); ++r) EXPECT_EQ(one[r] == other[r], r < change) << "row " << r;
  }
}

TEST_P(PolicyMemoryTest, HoldsTheSameForOneAndTwoThreads) {
  const std::vector<std::string> policies = {"h2o:budget=24",
                                             "tova:budget=24+q8_0",
                                             "snapkv:budget=24,observe=8,group_agg=query-head",
                                             "expected:budget=24,future=16",
                                             "razor/weighted:recent=16," + model_.heads(),
                                             "occam:budget=45,when=every-step," + model_.heads()};
  CompressedContext one = model_.compress(context_ids(), policies);
  const OmpThreads both(2);
  CompressedContext two = model_.compress(context_ids(), policies);
  for (size_t i = 0; i < one.policies(); ++i) {
    SCOPED_TRACE(one.run(i).policy().name());
    EXPECT_EQ(held_positions(one.memory(i), model_.shape()), held_positions(two.memory(i), model_.shape()));
    LogitRows rows;
    {
      const OmpThreads single(1);
      rows = read_block(model_.transformer(), one.memory(i), step_ids(), prefix);
    }
    EXPECT_LE(relative_difference(read_block(model_.transformer(), two.memory(i), step_ids(), prefix), rows),
              1e-5);
    EXPECT_EQ(held_positions(one.memory(i), model_.shape()), held_positions(two.memory(i), model_.shape()));
  }
}

TEST_P(PolicyMemoryTest, AForkGoesItsOwnWay) {
  CompressedContext context = model_.compress(context_ids(), all_policies());
  const std::vector<int32_t> others = random_ids(40, 77);
  for (size_t i = 0; i < context.policies(); ++i) {
    SCOPED_TRACE(context.run(i).policy().name());
    const auto held = held_positions(context.memory(i), model_.shape());
    const size_t bytes = context.memory(i).ledger().physical();
    const LogitRows expected = read_block(model_.transformer(), *context.fork(i), step_ids(), prefix);
    const auto fork = context.fork(i);
    read_block(model_.transformer(), *fork, others, prefix);
    EXPECT_EQ(held_positions(context.memory(i), model_.shape()), held);
    EXPECT_EQ(context.memory(i).ledger().physical(), bytes);
    EXPECT_EQ(read_block(model_.transformer(), context.memory(i), step_ids(), prefix), expected);
    // Nor does the fork see what the original reads.
    const auto late = context.fork(i);
    EXPECT_NE(held_positions(*fork, model_.shape()), held_positions(*late, model_.shape()));
  }
}

/// Layer 0 under a policy, and a copy that reads tokens: its memory comes from the original's counter and
/// goes back.
TEST_P(PolicyMemoryTest, AForksMemoryIsCountedAndGivenBack) {
  CompressedContext exact = model_.compress(context_ids(), {"full"});
  const ExactLayer rows = exact.exact().layer(0);
  const Shape& shape = model_.shape();
  const auto d = static_cast<size_t>(shape.head_size);
  std::vector<std::string> policies;
  for (const CodecEntry& codec : codec_registry()) {
    for (const char* selection : {"full", "window:recent=20"})
      policies.push_back(fmt::format("{}+{}", selection, codec.name));
  }
  for (const char* variant : {"weighted", "unweighted", "variance", "clusters", "chunks", "covariance"}) {
    if (!alibi() || variant == std::string("weighted"))
      policies.push_back(fmt::format("razor/{}:recent=16,{}", variant, model_.heads()));
  }
  for (const std::string& text : policies) {
    SCOPED_TRACE(text);
    const PolicyRun run(Policy::parse(text), {.shape = shape, .prefix = prefix});
    AllocationCounter counter;
    {
      LayerCache original(run, 0, counter);
      PrefixView view;
      view.keys = {rows.keys, d, rows.head_stride};
      view.values = {rows.values, d, rows.head_stride};
      original.compress(view, prefix);
      const size_t live = counter.live();
      EXPECT_EQ(live, original.ledger().physical());
      {
        LayerCache fork = original;
        EXPECT_EQ(counter.live(), 2 * live);
        const std::vector<float> token(static_cast<size_t>(shape.kv_width()), 0.5F);
        for (int i = 0; i < 50; ++i) {
          fork.append(prefix + i, token.data(), token.data());
          fork.end_step(prefix + i);
        }
        EXPECT_EQ(counter.live(), live + fork.ledger().physical());
        EXPECT_EQ(original.ledger().physical(), live);
      }
      EXPECT_EQ(counter.live(), live);
    }
    EXPECT_EQ(counter.live(), 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, PolicyMemoryTest, ::testing::Bool(), [](const auto& scheme) {
  return scheme.param ? std::string("Alibi") : std::string("Rope");
});

}  // namespace
}  // namespace razorscope
