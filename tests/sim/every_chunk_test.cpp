// when=every-chunk: prefixes that are evicted chunk by chunk, against a twin in double precision.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>

#include "models/language/transformer.hpp"
#include "sim/replay/replay.hpp"
#include "tests/sim/random_trace.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::PlainTrace;
using testing::TemporaryFolder;

constexpr int prefix = 2 * prefill_chunk + 76;
constexpr int steps = 5;
constexpr int query_heads = 4;
using Kept = std::vector<int32_t>;

/// Scores by position of what a KV head holds, and how they come about, as plainly as it can be written.
using Scores = std::map<int32_t, double>;

std::map<int32_t, double> weights_of(const PlainTrace& trace, int head, int position, const Scores& held) {
  std::map<int32_t, double> weights;
  double total = 0.0;
  for (const auto& [n, score] : held) {
    if (n > position) break;
    double logit = -trace.slope(head) * (position - n);
    for (int i = 0; i < trace.options().head_size; ++i)
      logit += trace.scale() * trace.q(0, position, head, i) * trace.k(0, n, head / 2, i);
    total += weights[n] = std::exp(logit);
  }
  for (auto& [n, weight] : weights) weight /= total;
  return weights;
}

void keep_best(Scores& held, const Scores& by, size_t count) {
  std::vector<std::pair<double, int32_t>> ranked;
  for (const auto& [n, score] : by) ranked.emplace_back(-score, n);
  std::sort(ranked.begin(), ranked.end());
  for (size_t i = count; i < ranked.size(); ++i) held.erase(ranked[i].second);
}

Kept kept_by_h2o(const PlainTrace& trace, int kv_head, int heavy, int recent) {
  Scores held;
  for (int begin = 0; begin < prefix; begin += prefill_chunk) {
    const int end = std::min(begin + prefill_chunk, prefix);
    for (int n = begin; n < end; ++n) held[n] = 0.0;
    for (int position = begin; position < end; ++position) {
      for (const int head : {2 * kv_head, 2 * kv_head + 1}) {
        for (const auto& [n, weight] : weights_of(trace, head, position, held)) held[n] += weight;
      }
    }
    if (static_cast<int>(held.size()) <= heavy + recent) continue;
    Scores candidates = held;
    candidates.erase(candidates.lower_bound(end - recent), candidates.end());
    keep_best(held, candidates, static_cast<size_t>(heavy));
  }
  Kept kept;
  for (const auto& [n, score] : held) kept.push_back(n);
  return kept;
}

Kept kept_by_tova(const PlainTrace& trace, int budget) {
  Scores held;  // the same in every head
  for (int begin = 0; begin < prefix; begin += prefill_chunk) {
    const int end = std::min(begin + prefill_chunk, prefix);
    for (int n = begin; n < end; ++n) held[n] = 0.0;
    Scores latest;
    for (int head = 0; head < query_heads; ++head) {
      for (const auto& [n, weight] : weights_of(trace, head, end - 1, held)) latest[n] += weight;
    }
    keep_best(held, latest, static_cast<size_t>(budget));
  }
  Kept kept;
  for (const auto& [n, score] : held) kept.push_back(n);
  return kept;
}

class EveryChunkTest : public ::testing::TestWithParam<bool> {
 protected:
  EveryChunkTest()
      : plain_({.kv_heads = 2,
                .group = 2,
                .head_size = 4,
                .tokens = prefix + steps,
                .alibi = GetParam(),
                .spread = 2.0F,
                .seed = 13}),
        trace_(plain_.write(folder_ / "t.safetensors")) {}

  ReplayResult run(const std::string& policy, int tokens = prefix) const {
    NoProgress progress;
    return replay(trace_,
                  {.prefix = tokens, .steps = steps, .policies = {Policy::parse(policy)}, .want_kept = true},
                  progress)
        .front();
  }
  std::string heads() const {
    return "heads=\"" + folder_.write("heads.json", R"({"retrieval_kv_heads": [[0, 1]]})").string() + "\"";
  }

  TemporaryFolder folder_;
  PlainTrace plain_;
  Trace trace_;
};

TEST_P(EveryChunkTest, H2oKeepsWhatTheTwinKeeps) {
  for (const auto& [heavy, recent] : {std::pair(40, 30), std::pair(5, 600)}) {
    const ReplayResult chunked =
        run(fmt::format("h2o/paper:heavy={},recent={},when=every-chunk", heavy, recent));
    for (int h = 0; h < 2; ++h)
      EXPECT_EQ(chunked.kept[0][static_cast<size_t>(h)], kept_by_h2o(plain_, h, heavy, recent));
    EXPECT_EQ(chunked.read_tokens_mean, heavy + recent + (1 + steps) / 2.0) << "later tokens are kept";
    EXPECT_EQ(chunked.compressed.scores, 0U);
  }
}

TEST_P(EveryChunkTest, TovaKeepsWhatTheTwinKeeps) {
  const ReplayResult chunked = run("tova:budget=50,when=every-chunk");
  const Kept expected = kept_by_tova(plain_, 50);
  EXPECT_EQ(chunked.kept[0][0], expected);
  EXPECT_EQ(chunked.kept[0][1], expected);
  EXPECT_NE(run("tova:budget=50,when=after-prefill").kept, chunked.kept);
}

/// What leaves a window at a chunk's end would leave it at the prefix's end too: only less is ever held.
TEST_P(EveryChunkTest, WindowsEndAsAfterPrefillAndNeedLessMemory) {
  std::vector<std::string> policies = {"window:sinks=3,recent=40,when=",
                                       "razor/none:recent=40," + heads() + ",when="};
  if (GetParam()) policies.emplace_back("razor/scope:epsilon=0.1,when=");
  if (!GetParam()) {
    policies.emplace_back("window/slot-positions:recent=40,when=");
    policies.push_back("razor/weighted:recent=40," + heads() + ",when=");
    policies.push_back("razor/chunks:recent=40," + heads() + ",when=");
  }
  for (const std::string& policy : policies) {
    SCOPED_TRACE(policy);
    const ReplayResult chunked = run(policy + "every-chunk+q8_0");
    const ReplayResult once = run(policy + "after-prefill+q8_0");
    EXPECT_EQ(chunked.kept, once.kept);
    EXPECT_EQ(chunked.relative_error_mean, once.relative_error_mean);
    EXPECT_EQ(chunked.kl_mean, once.kl_mean);
    EXPECT_EQ(chunked.at_end.physical(), once.at_end.physical());
    EXPECT_LT(chunked.peak_bytes, once.peak_bytes);
    const size_t chunk = size_t{2} * prefill_chunk * 2 * 4 * sizeof(float);
    EXPECT_EQ(chunked.peak_bytes, chunk + chunked.compressed.physical());
  }
}

/// One chunk is the whole prefix.
TEST_P(EveryChunkTest, APrefixOfOneChunkIsDecidedAsAfterPrefill) {
  for (const char* policy : {"h2o/paper:heavy=9,recent=9,when=", "h2o/flexgen:budget=20,when=",
                             "tova:budget=20,when=", "window:recent=9,when="}) {
    const ReplayResult chunked = run(std::string(policy) + "every-chunk+f32", 300);
    const ReplayResult once = run(std::string(policy) + "after-prefill+f32", 300);
    EXPECT_EQ(chunked.kept, once.kept) << policy;
    EXPECT_EQ(chunked.relative_error_mean, once.relative_error_mean) << policy;
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, EveryChunkTest, ::testing::Bool(), [](const auto& scheme) {
  return scheme.param ? std::string("Alibi") : std::string("Rope");
});

TEST(EveryChunkErrorTest, SelectionsThatCannotSayWhy) {
  for (const char* policy :
       {"full", "snapkv", "occam", "duo", "h2o/mask", "h2o/oracle", "oracle/topk", "lagkv"}) {
    SCOPED_TRACE(policy);
    expect_input_error(
        [&] { Policy::parse(std::string(policy) + ":when=every-chunk"); },
        {"when=every-chunk", policy, "a chunk's end does not show", "window, razor, h2o/paper"});
  }
}

}  // namespace
}  // namespace razorscope
