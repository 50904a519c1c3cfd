// Open-loop replay: errors and bytes against a twin in double precision, and what is promised about them.
#include "sim/replay/replay.hpp"

#include <cmath>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <set>

#include "models/base/error.hpp"
#include "tests/sim/replay_twin.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/omp_threads.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::PlainTrace;
using testing::ReplayTwin;
using testing::TemporaryFolder;
using testing::TraceOptions;
using testing::TwinPolicy;
using testing::TwinResult;
using testing::TwinSlot;

std::vector<ReplayResult> run(const Trace& trace, int prefix, int steps, const std::string& policies) {
  NoProgress progress;
  return replay(
      trace, {.prefix = prefix, .steps = steps, .policies = Policy::parse_list(policies), .want_kept = true},
      progress);
}

/// Every measured field of two results.
void expect_same_bits(const ReplayResult& a, const ReplayResult& b) {
  ASSERT_EQ(a.heads.size(), b.heads.size());
  for (size_t i = 0; i < a.heads.size(); ++i) {
    EXPECT_EQ(a.heads[i].relative_error, b.heads[i].relative_error) << i;
    EXPECT_EQ(a.heads[i].relative_error_max, b.heads[i].relative_error_max) << i;
    EXPECT_EQ(a.heads[i].lost_mass, b.heads[i].lost_mass) << i;
    EXPECT_EQ(a.heads[i].lost_mass_max, b.heads[i].lost_mass_max) << i;
    EXPECT_EQ(a.heads[i].largest_dropped_weight, b.heads[i].largest_dropped_weight) << i;
    EXPECT_EQ(a.heads[i].kl, b.heads[i].kl) << i;
  }
  EXPECT_EQ(a.relative_error_mean, b.relative_error_mean);
  EXPECT_EQ(a.relative_error_p99, b.relative_error_p99);
  EXPECT_EQ(a.relative_error_max, b.relative_error_max);
  EXPECT_EQ(a.lost_mass_mean, b.lost_mass_mean);
  EXPECT_EQ(a.regret_mean, b.regret_mean);
  EXPECT_EQ(a.read_tokens_mean, b.read_tokens_mean);
  EXPECT_EQ(a.kl_mean, b.kl_mean);
  EXPECT_EQ(a.output_error_mean, b.output_error_mean);
  EXPECT_EQ(a.compressed.physical(), b.compressed.physical());
  EXPECT_EQ(a.compressed.logical(), b.compressed.logical());
  EXPECT_EQ(a.compressed.nominal, b.compressed.nominal);
  EXPECT_EQ(a.at_end.physical(), b.at_end.physical());
  EXPECT_EQ(a.peak_bytes, b.peak_bytes);
  EXPECT_EQ(a.kept, b.kept);
  EXPECT_EQ(a.dropped_nothing, b.dropped_nothing);
}

// Against the twin

TraceOptions random_options() {
  TraceOptions options;
  options.layers = *rc::gen::inRange(1, 3);
  options.kv_heads = *rc::gen::inRange(1, 4);
  options.group = *rc::gen::inRange(1, 4);
  options.head_size = *rc::gen::element(2, 5, 8, 16, 33);
  options.hidden = *rc::gen::element(0, 7);
  options.alibi = *rc::gen::arbitrary<bool>();
  options.spread = *rc::gen::element(0.5F, 1.0F, 3.0F);
  options.seed = *rc::gen::arbitrary<uint32_t>();
  return options;
}

/// A table of some heads, as text and as a set.
struct HeadTable {
  std::set<HeadId> heads;
  std::string json;
};
HeadTable random_table(const TraceOptions& options) {
  HeadTable table;
  nlohmann::json list = nlohmann::json::array();
  for (int layer = 0; layer < options.layers; ++layer) {
    for (int h = 0; h < options.kv_heads; ++h) {
      if (*rc::gen::inRange(0, 3) > 0) continue;
      table.heads.insert({layer, h});
      list.push_back({layer, h});
    }
  }
  table.json = nlohmann::json({{"retrieval_kv_heads", list}}).dump();
  return table;
}

TwinPolicy random_twin_policy(const TraceOptions& options, const HeadTable& table,
                              const std::string& table_path) {
  TwinPolicy policy;
  policy.sinks = *rc::gen::inRange(0, 6);
  policy.every_step = *rc::gen::arbitrary<bool>();
  policy.halves = *rc::gen::arbitrary<bool>();
  const int recent = *rc::gen::inRange(0, 40);
  const std::string when = policy.every_step ? "every-step" : "after-prefill";
  const std::string codec = policy.halves ? "f16" : "f32";
  std::vector<std::string> kinds = {"window", "razor/none"};
  if (!options.alibi) kinds.insert(kinds.end(), {"razor/unweighted", "razor/weighted", "razor/weighted"});
  if (options.alibi && options.group == 1) kinds.insert(kinds.end(), {"razor/weighted", "razor/weighted"});
  const std::string kind = *rc::gen::elementOf(kinds);
  if (kind == "window") {
    policy.text = fmt::format("window:sinks={},recent={},when={}+{}", policy.sinks, recent, when, codec);
    policy.window = [=](int, int) { return recent; };
  } else {
    policy.text = fmt::format("{}:sinks={},recent={},heads=\"{}\",when={}+{}", kind, policy.sinks, recent,
                              table_path, when, codec);
    policy.window = [=, heads = table.heads](int layer, int head) {
      return heads.contains({layer, head}) ? -1 : recent;
    };
    policy.slot = kind == "razor/none"       ? TwinSlot::none
                  : kind == "razor/weighted" ? TwinSlot::weighted
                                             : TwinSlot::unweighted;
  }
  return policy;
}

/// f32 sums against double ones. A relative error's own error grows where the output is small beside its
/// terms.
bool close(double ours, double twin) { return std::abs(ours - twin) <= 2e-5 + 1e-4 * std::abs(twin); }

RC_GTEST_PROP(ReplayTest, EqualsTheTwin, ()) {
  TraceOptions options = random_options();
  const int prefix = *rc::gen::inRange(1, 50);
  const int steps = *rc::gen::inRange(1, 45);  // 32 are computed at a time
  options.tokens = prefix + steps + *rc::gen::inRange(0, 3);
  const PlainTrace plain(options);
  const TemporaryFolder folder;
  const Trace trace = plain.write(folder / "t.safetensors");
  const HeadTable table = random_table(options);
  const TwinPolicy policy =
      random_twin_policy(options, table, folder.write("heads.json", table.json).string());
  RC_LOG() << policy.text << ", prefix " << prefix << ", steps " << steps << ", alibi " << options.alibi
           << std::endl;
  const TwinResult twin = ReplayTwin(plain, prefix, steps, policy).run();
  const ReplayResult ours = run(trace, prefix, steps, policy.text).front();

  RC_ASSERT(ours.kept == twin.kept);
  RC_ASSERT(ours.heads.size() == twin.heads.size());
  double error_sum = 0.0;
  double lost_sum = 0.0;
  double kl_sum = 0.0;
  double lost_max = 0.0;
  double dropped_max = 0.0;
  for (size_t i = 0; i < twin.heads.size(); ++i) {
    const HeadErrors& mine = ours.heads[i];
    const HeadErrors& expected = twin.heads[i];
    RC_ASSERT(mine.layer == expected.layer);
    RC_ASSERT(mine.kv_head == expected.kv_head);
    RC_ASSERT(mine.query_head == expected.query_head);
    RC_ASSERT(close(mine.relative_error, expected.relative_error));
    RC_ASSERT(close(mine.relative_error_max, expected.relative_error_max));
    RC_ASSERT(close(mine.lost_mass, expected.lost_mass));
    RC_ASSERT(close(mine.lost_mass_max, expected.lost_mass_max));
    RC_ASSERT(close(mine.largest_dropped_weight, expected.largest_dropped_weight));
    RC_ASSERT(close(mine.kl, expected.kl));
    error_sum += mine.relative_error;
    lost_sum += mine.lost_mass;
    kl_sum += mine.kl;
    lost_max = std::max(lost_max, mine.lost_mass_max);
    dropped_max = std::max(dropped_max, mine.largest_dropped_weight);
  }
  const auto heads = static_cast<double>(twin.heads.size());
  RC_ASSERT(std::abs(ours.relative_error_mean - error_sum / heads) < 1e-12 * (1.0 + error_sum));
  RC_ASSERT(std::abs(ours.lost_mass_mean - lost_sum / heads) < 1e-12);
  RC_ASSERT(std::abs(ours.kl_mean - kl_sum / heads) < 1e-12 * (1.0 + kl_sum));
  RC_ASSERT(ours.lost_mass_max == lost_max);
  RC_ASSERT(ours.largest_dropped_weight == dropped_max);
  RC_ASSERT(ours.output_error_mean.has_value() == (options.hidden > 0));
  if (ours.output_error_mean) RC_ASSERT(close(*ours.output_error_mean, twin.output_error_mean));

  // Bytes and counts.
  size_t kept = 0;
  bool whole_prefix = true;
  for (const auto& layer : twin.kept) {
    for (const auto& head : layer) {
      kept += head.size();
      whole_prefix = whole_prefix && static_cast<int>(head.size()) == prefix;
    }
  }
  const auto row_bytes = static_cast<size_t>(options.head_size) * (policy.halves ? 2 : 4);
  const auto kv_heads = static_cast<size_t>(options.layers * options.kv_heads);
  RC_ASSERT(ours.compressed.keys == kept * row_bytes);
  RC_ASSERT(ours.compressed.values == kept * row_bytes);
  RC_ASSERT(ours.at_end.keys == twin.stored_at_end * row_bytes);
  RC_ASSERT(std::abs(ours.kept_tokens_mean - static_cast<double>(kept) / static_cast<double>(kv_heads)) <
            1e-9);
  RC_ASSERT(ours.protected_heads ==
            (policy.text.starts_with("window") ? 0 : static_cast<int>(table.heads.size())));
  RC_ASSERT(ours.dropped_nothing ==
            (whole_prefix && twin.stored_at_end == kv_heads * static_cast<size_t>(prefix + steps)));
  RC_ASSERT(ours.policy == Policy::parse(policy.text).name());
}

// Exact cases

PlainTrace a_trace(bool alibi, int tokens = 100, int hidden = 12) {
  return PlainTrace({.layers = 2,
                     .kv_heads = 2,
                     .group = 2,
                     .head_size = 16,
                     .hidden = hidden,
                     .tokens = tokens,
                     .alibi = alibi,
                     .seed = 5});
}

class ReplayCaseTest : public ::testing::TestWithParam<bool> {
 protected:
  Trace open(const PlainTrace& plain, const std::string& name = "t.safetensors") {
    return plain.write(folder_ / name);
  }
  std::string heads() {
    return folder_.write("heads.json", R"({"retrieval_kv_heads": [[0, 1], [1, 0]]})").string();
  }

  TemporaryFolder folder_;
};

TEST_P(ReplayCaseTest, FullInF32HasNoErrorAtAll) {
  const ReplayResult full = run(open(a_trace(GetParam())), 50, 50, "full+f32").front();
  for (const HeadErrors& head : full.heads) {
    EXPECT_EQ(head.relative_error_max, 0.0);
    EXPECT_EQ(head.lost_mass_max, 0.0);
    EXPECT_EQ(head.largest_dropped_weight, 0.0);
    EXPECT_EQ(head.kl, 0.0);
  }
  EXPECT_EQ(*full.output_error_mean, 0.0);
  EXPECT_TRUE(full.dropped_nothing);
  EXPECT_EQ(full.kept_tokens_mean, 50.0);
  EXPECT_EQ(full.compressed.nominal, 2.0 * 2 * 2 * 50 * 16 * 4);
}

TEST_P(ReplayCaseTest, APolicyThatKeepsEverythingEqualsFullBitForBit) {
  const bool alibi = GetParam();
  const Trace trace = open(a_trace(alibi));
  for (const std::string codec : {"f16", "f32", "k=f32+v=f16"}) {
    std::vector<std::string> policies = {"window:recent=100", "window:recent=50,when=after-prefill",
                                         "window:sinks=100,recent=0", "razor/none:heads=\"" + heads() + "\"",
                                         "razor/none:recent=96,heads=\"" + heads() + "\""};
    if (!alibi)
      policies.insert(policies.end(), {"razor/weighted:recent=1000,heads=\"" + heads() + "\"",
                                       "razor/unweighted:heads=\"" + heads() + "\""});
    if (alibi) policies.insert(policies.end(), {"razor/scope:alpha=100", "razor/scope:epsilon=1e-30"});
    const ReplayResult full = run(trace, 50, 50, "full+" + codec).front();
    for (const std::string& policy : policies) {
      SCOPED_TRACE(policy + "+" + codec);
      const ReplayResult same = run(trace, 50, 50, policy + "+" + codec).front();
      expect_same_bits(same, full);
      EXPECT_TRUE(same.dropped_nothing);
    }
  }
}

TEST_P(ReplayCaseTest, SlotPositionsThatEqualThePositionsChangeNothingButRounding) {
  if (GetParam()) GTEST_SKIP() << "an error under ALiBi";
  const Trace trace = open(a_trace(false));
  const ReplayResult same = run(trace, 50, 50, "window/slot-positions:recent=100+f32").front();
  EXPECT_TRUE(same.dropped_nothing);
  for (const HeadErrors& head : same.heads) EXPECT_LT(head.relative_error_max, 1e-5);
  const ReplayResult moved = run(trace, 50, 50, "window/slot-positions:recent=10+f32").front();
  const ReplayResult original = run(trace, 50, 50, "window:recent=10+f32").front();
  EXPECT_EQ(moved.kept, original.kept);
  EXPECT_EQ(moved.at_end.physical(), original.at_end.physical());
  EXPECT_NE(moved.relative_error_mean, original.relative_error_mean);
}

TEST_P(ReplayCaseTest, GivesTheSameBitsForOneAndTwoThreads) {
  const bool alibi = GetParam();
  const PlainTrace plain({.layers = 2,
                          .kv_heads = 3,
                          .group = 2,
                          .head_size = 64,
                          .hidden = 96,
                          .tokens = 400,
                          .alibi = alibi,
                          .seed = 3});
  const Trace trace = open(plain);
  const std::string table = "heads=\"" + heads() + "\"";
  const std::string policies = fmt::format(
      "full;oracle/topk:budget=9;h2o/mask:budget=30;snapkv:budget=40,group_agg=query-head;"
      "h2o:budget=30,when=every-chunk;window:recent=20+f32;razor/none:recent=30,{};{}",
      table,
      alibi ? "razor/scope:epsilon=0.01;razor/scope:bound=calibrated,quantile=0.5"
            : "razor:recent=17," + table + ";razor/unweighted:recent=17,when=after-prefill," + table);
  const std::vector<ReplayResult> one = run(trace, 300, 90, policies);
  const testing::OmpThreads both(2);
  const std::vector<ReplayResult> two = run(trace, 300, 90, policies);
  ASSERT_EQ(one.size(), two.size());
  for (size_t i = 0; i < one.size(); ++i) {
    SCOPED_TRACE(one[i].policy);
    expect_same_bits(one[i], two[i]);
  }
}

TEST_P(ReplayCaseTest, PoliciesDoNotDisturbEachOther) {
  const Trace trace = open(a_trace(GetParam()));
  const std::string table = "heads=\"" + heads() + "\"";
  const std::vector<std::string> policies = {"full+f32",
                                             "window:recent=5+f32",
                                             "h2o/mask:budget=9",
                                             "h2o/mask:budget=9,group_agg=query-head",
                                             "oracle/topk:budget=9",
                                             "razor/none:recent=3," + table,
                                             "window:recent=5,when=after-prefill"};
  const std::vector<ReplayResult> together = run(trace, 40, 60, fmt::format("{}", fmt::join(policies, ";")));
  for (size_t i = 0; i < policies.size(); ++i)
    expect_same_bits(together[i], run(trace, 40, 60, policies[i]).front());
}

TEST_P(ReplayCaseTest, KlOfPureEvictionIsMinusLogOfWhatIsLeft) {
  const Trace trace = open(a_trace(GetParam()));
  double largest = 0.0;
  for (int prefix = 20; prefix < 90; prefix += 7) {
    for (const char* policy :
         {"window:sinks=1,recent=3+f32", "window:sinks=0,recent=1,when=after-prefill+f32"}) {
      for (const HeadErrors& head : run(trace, prefix, 1, policy).front().heads) {
        // The sum of weights is an f32: its rounding (2.4e-7) weighs more the less is left.
        EXPECT_NEAR(head.kl, -std::log1p(-head.lost_mass), 5e-6 + 5e-7 / (1.0 - head.lost_mass));
        largest = std::max(largest, head.lost_mass);
      }
    }
  }
  EXPECT_GT(largest, 0.5);
}

/// What is decided and measured up to a step depends on nothing after it.
TEST_P(ReplayCaseTest, FutureTokensChangeNoDecision) {
  const bool alibi = GetParam();
  PlainTrace plain = a_trace(alibi);
  const Trace trace = open(plain);
  for (testing::PlainLayer& layer : plain.layers) {
    for (auto* numbers : {&layer.q, &layer.k, &layer.v}) {
      const size_t width = numbers->size() / 100;
      for (size_t i = 60 * width; i < numbers->size(); ++i) (*numbers)[i] *= -5.0F;
    }
  }
  const Trace other_future = open(plain, "other.safetensors");
  const std::string table = "heads=\"" + heads() + "\"";
  const std::vector<std::string> policies = {
      "window:recent=9",
      "razor/none:recent=4," + table,
      "h2o/mask:budget=8",
      "oracle/topk:budget=5",
      "h2o:budget=8,when=every-chunk",
      "tova:budget=8,when=every-chunk",
      "snapkv:group_agg=query-head",
      alibi ? "razor/scope:epsilon=0.1" : "razor:recent=6," + table,
      alibi ? "razor/scope:epsilon=0.1,quantile=0.9" : "razor/unweighted:recent=6," + table};
  for (const std::string& policy : policies) {
    SCOPED_TRACE(policy);
    expect_same_bits(run(trace, 40, 20, policy).front(), run(other_future, 40, 20, policy).front());
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, ReplayCaseTest, ::testing::Bool(), [](const auto& scheme) {
  return scheme.param ? std::string("Alibi") : std::string("Rope");
});

TEST(ReplayBytesTest, PeakIsExactRowsToComePlusCachesThatAreDone) {
  const TemporaryFolder folder;
  const Trace trace = a_trace(false).write(folder / "t.safetensors");
  const size_t exact_layer = size_t{2} * 50 * 2 * 16 * 4;
  const ReplayResult full = run(trace, 50, 5, "full+f16").front();
  const size_t cache_layer = size_t{2} * 2 * 64 * 16 * 2;  // 50 tokens in blocks of 16
  EXPECT_EQ(full.compressed.physical(), 2 * cache_layer);
  EXPECT_EQ(full.peak_bytes, std::max(2 * exact_layer + cache_layer, exact_layer + 2 * cache_layer));
  const ReplayResult wide = run(trace, 50, 5, "full+f32").front();
  EXPECT_EQ(wide.peak_bytes, exact_layer + 2 * (2 * cache_layer))
      << "two caches in f32 are more than one and another layer's rows";
  EXPECT_EQ(wide.at_end.keys, size_t{2} * 2 * 55 * 16 * 4);
}

TEST(ReplayTimeTest, StepsAreAShareOfThePolicysTime) {
  const TemporaryFolder folder;
  const Trace trace = PlainTrace({.layers = 2, .tokens = 40}).write(folder / "trace.safetensors");
  for (const ReplayResult& result : run(trace, 30, 10, "full;h2o:budget=8")) {
    EXPECT_GT(result.step_seconds, 0.0) << result.policy;
    EXPECT_LT(result.step_seconds, result.seconds) << result.policy;
  }
}

TEST(ReplayBytesTest, P99IsLinearBetweenRanks) {
  const TemporaryFolder folder;
  const Trace trace = a_trace(false).write(folder / "t.safetensors");
  const ReplayResult result = run(trace, 50, 20, "window:recent=8").front();
  std::vector<double> errors;
  for (const HeadErrors& head : result.heads) errors.push_back(head.relative_error);
  std::sort(errors.begin(), errors.end());
  ASSERT_EQ(errors.size(), 8U);  // rank 0.99 · 7 = 6.93
  EXPECT_NEAR(result.relative_error_p99, errors[6] + 0.93 * (errors[7] - errors[6]), 1e-12);
  EXPECT_EQ(result.relative_error_max, errors[7]);
}

TEST(ReplayErrorsTest, RequestsThatDoNotFitAreInputErrors) {
  const TemporaryFolder folder;
  const Trace trace = a_trace(false).write(folder / "t.safetensors");
  NoProgress progress;
  expect_input_error([&] { run(trace, 0, 5, "full"); }, {"--prefix", "0 is out of range"});
  expect_input_error([&] { run(trace, 5, 0, "full"); }, {"--steps", "0 is out of range"});
  expect_input_error([&] { run(trace, 60, 41, "full"); },
                     {"t.safetensors", "need 101 tokens", "the trace has 100"});
  expect_input_error([&] { run(trace, 2000000000, 2000000000, "full"); }, {"need 4000000000 tokens"});
  expect_input_error([&] { replay(trace, {.prefix = 5, .steps = 5, .policies = {}}, progress); },
                     {"--policies"});
  EXPECT_NO_THROW(run(trace, 60, 40, "full"));
}

TEST(ReplayErrorsTest, PoliciesThatMakeNoSenseOnTheTraceAreInputErrors) {
  const TemporaryFolder folder;
  const Trace rope = a_trace(false).write(folder / "rope.safetensors");
  const Trace alibi = a_trace(true).write(folder / "alibi.safetensors");
  expect_input_error([&] { run(rope, 50, 5, "razor"); }, {"no probe is at hand", "--no-probe", "heads=FILE"});
  expect_input_error([&] { run(rope, 50, 5, "full;razor/scope"); }, {"razor/scope", "RoPE"});
  expect_input_error([&] { run(alibi, 50, 5, "razor/unweighted"); }, {"ALiBi"});
  for (const char* bound : {"norm-bound", "paper"}) {
    expect_input_error([&] { run(alibi, 50, 5, fmt::format("razor/scope:bound={}", bound)); },
                       {"razor/scope", "bound", "does not store it", "bound=calibrated"});
  }
}

TEST(ReplayErrorsTest, KeysBeyondTheRangeOfF16AreNotTakenForResults) {
  const TemporaryFolder folder;
  PlainTrace plain = a_trace(false);
  plain.layers[0].k[3] = 1e6F;  // infinity in f16
  const Trace trace = plain.write(folder / "t.safetensors");
  try {
    for (const HeadErrors& head : run(trace, 50, 5, "full+f16").front().heads) {
      EXPECT_TRUE(std::isfinite(head.relative_error));
      EXPECT_TRUE(std::isfinite(head.kl));
    }
  } catch (const std::runtime_error&) {
    SUCCEED() << "an error is as good as a result";
  }
}

/// A probe in the trace is what razor takes.
TEST(ReplayErrorsTest, TheTracesProbeChoosesTheHeads) {
  const TemporaryFolder folder;
  HeadScores probe;
  probe.layers = 1;
  probe.query_heads = 4;
  probe.kv_heads = 2;
  probe.variant = "sum-prior";
  probe.echo = {0.0, 0.0, 0.0, 0.9};
  probe.induction = {0.0, 0.1, 0.8, 0.0};
  const Trace trace = PlainTrace({.probe = probe}).write(folder / "t.safetensors");
  const ReplayResult result = run(trace, 30, 5, "razor:recent=2,sinks=1").front();
  EXPECT_EQ(result.protected_heads, 1);
  EXPECT_EQ(result.kept[0][0], (std::vector<int32_t>{0, 28, 29}));
  EXPECT_EQ(result.kept[0][1].size(), 30U);
}

class StoppingProgress final : public Progress {
 public:
  void begin(std::string_view, double total, std::string_view) override { total_ = total; }
  void advance(double done) override {
    done_ = done;
    if (done >= 1.0) throw Interrupted();
  }
  double total_ = 0.0;
  double done_ = 0.0;
};

TEST(ReplayErrorsTest, CanBeInterruptedBetweenLayers) {
  const TemporaryFolder folder;
  const Trace trace = a_trace(false).write(folder / "t.safetensors");
  StoppingProgress progress;
  EXPECT_THROW(replay(trace, {.prefix = 50, .steps = 5, .policies = Policy::parse_list("full")}, progress),
               Interrupted);
  EXPECT_EQ(progress.total_, 2.0);
  EXPECT_EQ(progress.done_, 1.0);
}

}  // namespace
}  // namespace razorscope
