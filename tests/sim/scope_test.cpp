// Bounds on scores, and what scopes that follow from them promise on real ALiBi models.
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "models/language/model_file.hpp"
#include "models/trace/recorder.hpp"
#include "models/trace/score_bounds.hpp"
#include "policies/cache/exact_memory.hpp"
#include "policies/selections/razor_scope.hpp"
#include "sim/replay/calibrated_bounds.hpp"
#include "sim/replay/replay.hpp"
#include "tests/sim/random_trace.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/random_model.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::PlainTrace;
using testing::TemporaryFolder;
using testing::TraceOptions;

/// |q·k|·scale of all causal pairs of the first `tokens` tokens, ascending.
std::vector<double> products(const PlainTrace& trace, int layer, int query_head, int tokens) {
  std::vector<double> all;
  for (int m = 0; m < tokens; ++m) {
    for (int n = 0; n <= m; ++n) {
      double sum = 0.0;
      for (int i = 0; i < trace.options().head_size; ++i) {
        sum += trace.q(layer, m, query_head, i) * trace.k(layer, n, query_head / trace.options().group, i);
      }
      all.push_back(std::abs(sum) * trace.scale());
    }
  }
  std::sort(all.begin(), all.end());
  return all;
}

RC_GTEST_PROP(TraceBoundsTest, CalibratedIsTheQuantileOverThePrefixAlone, ()) {
  TraceOptions options;
  options.layers = *rc::gen::inRange(1, 3);
  options.kv_heads = *rc::gen::inRange(1, 3);
  options.group = *rc::gen::inRange(1, 4);
  options.head_size = *rc::gen::element(1, 8, 20);
  options.alibi = true;
  options.seed = *rc::gen::arbitrary<uint32_t>();
  const int prefix = *rc::gen::inRange(1, 160);  // 128 rows are computed at a time
  options.tokens = prefix + 30;
  PlainTrace plain(options);
  // What comes later is far larger.
  for (testing::PlainLayer& layer : plain.layers) {
    for (size_t i = static_cast<size_t>(prefix * plain.query_width()); i < layer.q.size(); ++i)
      layer.q[i] *= 100.0F;
  }
  const double quantile = *rc::gen::element(1.0, 1.0, 0.99, 0.5, 0.0);
  const TemporaryFolder folder;
  const Trace trace = plain.write(folder / "t.safetensors");
  const TraceBounds bounds(trace, prefix);
  for (int layer = 0; layer < options.layers; ++layer) {
    for (int h = 0; h < options.kv_heads; ++h) {
      double expected = 0.0;
      for (int g = 0; g < options.group; ++g) {
        const std::vector<double> all = products(plain, layer, h * options.group + g, prefix);
        const auto rank = static_cast<size_t>(std::ceil(quantile * static_cast<double>(all.size() - 1)));
        expected = std::max(expected, all[rank]);
      }
      RC_ASSERT(std::abs(bounds.bound("calibrated", quantile, layer, h) - expected) <=
                1e-5 * (1.0 + expected));
    }
  }
}

TEST(TraceBoundsTest, StoredBoundsAreTheLargestOfTheGroup) {
  const TemporaryFolder folder;
  TraceOptions options{.layers = 2, .kv_heads = 2, .group = 2, .alibi = true};
  options.bounds = ScoreBounds{{1, 2, 3, 4, 8, 7, 6, 5}, {10, 20, 30, 40, 80, 70, 60, 50}};
  const Trace trace = PlainTrace(options).write(folder / "t.safetensors");
  const TraceBounds bounds(trace, 10);
  EXPECT_EQ(bounds.bound("norm-bound", 1.0, 0, 0), 2.0);
  EXPECT_EQ(bounds.bound("norm-bound", 1.0, 0, 1), 4.0);
  EXPECT_EQ(bounds.bound("norm-bound", 1.0, 1, 0), 8.0);
  EXPECT_EQ(bounds.bound("paper", 1.0, 1, 1), 60.0);
}

TEST(TraceBoundsTest, BoundsThatTheTraceLacksAreErrorsThatSayWhatToDo) {
  const TemporaryFolder folder;
  const Trace trace = PlainTrace({.alibi = true}).write(folder / "t.safetensors");
  const TraceBounds bounds(trace, 10);
  expect_input_error([&] { bounds.bound("norm-bound", 1.0, 0, 0); },
                     {"razor/scope", "norm-bound", "t.safetensors", "bound=calibrated"});
  EXPECT_NO_THROW(bounds.bound("calibrated", 1.0, 0, 0));
}

/// A recorded trace of a random ALiBi model that read random tokens.
class RandomModelTrace {
 public:
  RandomModelTrace(int tokens, int query_heads, int kv_heads, float gain, uint64_t seed)
      : model_(ModelFile(testing::write_random_model(folder_ / "m.gguf", {.architecture = "mpt",
                                                                          .layers = 2,
                                                                          .query_heads = query_heads,
                                                                          .kv_heads = kv_heads,
                                                                          .head_size = 8,
                                                                          .hidden = 32,
                                                                          .feed_forward = 32,
                                                                          .context = tokens,
                                                                          .attention_gain = gain,
                                                                          .seed = seed}))
                   .load()),
        trace_(record(tokens, seed)) {}

  const Trace& trace() const { return trace_; }

  /// The share of (query, key) pairs, over layers, heads and the steps after the prefix, whose key is out of
  /// scope.
  double dropped_share(int prefix, double epsilon, ScopeForm form) const {
    const Shape& shape = trace_.shape();
    const TraceBounds bounds(trace_, prefix);
    double dropped = 0.0;
    double pairs = 0.0;
    for (int layer = 0; layer < shape.layers; ++layer) {
      for (int h = 0; h < shape.kv_heads; ++h) {
        int scope = 0;
        for (int g = 0; g < shape.group_size(); ++g) {
          const double slope = shape.alibi_slopes[static_cast<size_t>(h * shape.group_size() + g)];
          scope =
              std::max(scope, scope_length(bounds.bound("norm-bound", 1.0, layer, h), epsilon, slope, form));
        }
        for (int m = prefix; m < trace_.tokens(); ++m) {
          dropped += std::max(0, m - scope);
          pairs += m + 1;
        }
      }
    }
    return dropped / pairs;
  }

 private:
  Trace record(int tokens, uint64_t seed) {
    const std::vector<int32_t> ids = testing::random_ids(static_cast<size_t>(tokens), seed);
    TraceOrigin origin;
    origin.score_bounds = weight_score_bounds(model_.shape(), model_.weights());
    const auto path = folder_ / "t.safetensors";
    TraceRecorder recorder(path, model_, ids, origin, TraceDtype::f32);
    ExactMemory memory(model_.shape(), tokens);
    SequenceInput sequence;
    sequence.tokens = ids;
    sequence.memory = &memory;
    sequence.observer = &recorder;
    NoProgress progress;
    prefill(model_, sequence, progress, "test");
    recorder.commit();
    return Trace(path);
  }

  TemporaryFolder folder_;
  Transformer model_;
  Trace trace_;
};

ReplayResult run(const Trace& trace, int prefix, const std::string& policy) {
  NoProgress progress;
  return replay(trace,
                {.prefix = prefix, .steps = trace.tokens() - prefix, .policies = Policy::parse_list(policy)},
                progress)
      .front();
}

TEST(NormBoundTest, NoDroppedWeightExceedsEpsilonAndNoTailDoesUnderTheTailForm) {
  constexpr int tokens = 4200;
  constexpr int prefix = 3850;  // the last 350 queries, each with at least 3850 keys
  for (const auto& [query_heads, kv_heads, gain, seed] : {std::tuple{4, 4, 0.3F, 1U}, {8, 4, 0.1F, 2U}}) {
    SCOPED_TRACE(seed);
    const RandomModelTrace model(tokens, query_heads, kv_heads, gain, seed);
    constexpr double epsilon = 1e-5;
    // It must bite: many pairs are out of scope, and their weights are not all tiny.
    EXPECT_GE(model.dropped_share(prefix, epsilon, ScopeForm::token), 0.30);
    EXPECT_GE(model.dropped_share(prefix, epsilon, ScopeForm::tail), 0.30);
    const ReplayResult token =
        run(model.trace(), prefix, "razor/scope:bound=norm-bound,epsilon=1e-5,form=token+f32");
    EXPECT_FALSE(token.dropped_nothing);
    EXPECT_LE(token.largest_dropped_weight, epsilon);
    EXPECT_GT(token.largest_dropped_weight, epsilon * 1e-6);
    const ReplayResult tail =
        run(model.trace(), prefix, "razor/scope:bound=norm-bound,epsilon=1e-5,form=tail+f32");
    EXPECT_FALSE(tail.dropped_nothing);
    EXPECT_LE(tail.lost_mass_max, epsilon);
    EXPECT_GT(tail.lost_mass_max, epsilon * 1e-8);
    // The same measurement sees a broken promise: a scope for a larger epsilon does not keep this one.
    EXPECT_GT(run(model.trace(), prefix, "razor/scope:bound=norm-bound,epsilon=0.1,form=token+f32")
                  .largest_dropped_weight,
              epsilon);
  }
}

/// Random small models, shorter texts and larger epsilons.
RC_GTEST_PROP(NormBoundTest, HoldsForRandomModels, ()) {
  const auto [query_heads, kv_heads] =
      *rc::gen::element(std::pair{2, 2}, std::pair{4, 2}, std::pair{3, 3}, std::pair{6, 2});
  const auto gain = *rc::gen::element(0.1F, 0.3F, 0.6F);
  const double epsilon = *rc::gen::element(0.01, 1e-3, 1e-4);
  const bool is_tail = *rc::gen::arbitrary<bool>();
  const RandomModelTrace model(200, query_heads, kv_heads, gain, *rc::gen::arbitrary<uint32_t>());
  const ReplayResult result = run(model.trace(), 50,
                                  fmt::format("razor/scope:bound=norm-bound,epsilon={},form={}+f32", epsilon,
                                              is_tail ? "tail" : "token"));
  RC_CLASSIFY(!result.dropped_nothing, "bites");
  RC_ASSERT(result.largest_dropped_weight <= epsilon);
  if (is_tail) RC_ASSERT(result.lost_mass_max <= epsilon);
}

/// The worst case that a bound of B allows: every near token at -B, every far one at +B.
TEST(NormBoundTest, HoldsInTheWorstCaseThatTheBoundAllows) {
  constexpr int tokens = 300;
  constexpr float bound = 1.5F;
  for (const double epsilon : {0.1, 0.01, 1e-3}) {
    for (int first_near = 20; first_near < 200; first_near += 30) {
      TraceOptions options{
          .layers = 1, .kv_heads = 4, .group = 1, .head_size = 1, .tokens = tokens, .alibi = true};
      options.bounds = ScoreBounds{std::vector<double>(4, bound), std::vector<double>(4, bound)};
      PlainTrace plain(options);
      for (float& x : plain.layers[0].q) x = 1.0F;
      for (size_t i = 0; i < plain.layers[0].k.size(); ++i)
        plain.layers[0].k[i] = i / 4 < static_cast<size_t>(first_near) ? bound : -bound;
      const TemporaryFolder folder;
      const Trace trace = plain.write(folder / "t.safetensors");
      for (const std::string form : {"token", "tail"}) {
        const ReplayResult result =
            run(trace, 10, fmt::format("razor/scope:bound=norm-bound,epsilon={},form={}+f32", epsilon, form));
        EXPECT_FALSE(result.dropped_nothing);
        EXPECT_LE(result.largest_dropped_weight, epsilon);
        // Under the token form too: the window alone weighs at least Σ_{j<L} exp(-B - slope·j), what is
        // dropped at most Σ_{j>=L} exp(B - slope·j), and the share of the latter in both is at most exp(2B -
        // slope·L).
        EXPECT_LE(result.lost_mass_max, epsilon);
      }
    }
  }
}

TEST(NormBoundTest, BoundsEveryProductOfARealTrace) {
  const RandomModelTrace model(600, 4, 2, 0.5F, 11);
  const TraceBounds bounds(model.trace(), 600);
  for (int layer = 0; layer < 2; ++layer) {
    for (int h = 0; h < 2; ++h) {
      const double measured = bounds.bound("calibrated", 1.0, layer, h);
      EXPECT_LE(measured, bounds.bound("norm-bound", 1.0, layer, h));
      EXPECT_GT(measured, 0.0);
    }
  }
}

TEST(CalibratedScopeTest, KeepsItsPromiseOnTheTextItWasMeasuredOn) {
  // Calibrated on the whole of what is replayed but its last token, so that nearly all pairs are bounded.
  const RandomModelTrace model(1500, 4, 4, 1.0F, 3);
  const ReplayResult result = run(model.trace(), 1499, "razor/scope:epsilon=1e-4+f32");
  EXPECT_FALSE(result.dropped_nothing);
  EXPECT_LE(result.largest_dropped_weight, 1e-4);
}

}  // namespace
}  // namespace razorscope
