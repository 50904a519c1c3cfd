// The closed loop: what keeps everything equals full, and figures equal those of plain sums in double.
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "sim/closed_loop/evaluate.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/omp_threads.hpp"
#include "tests/support/small_model.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::LogitRows;
using testing::OmpThreads;
using testing::random_ids;
using testing::read_block;
using testing::SmallModel;

/// Means over rows, from logits.
struct PlainFigures {
  double nll = 0.0;
  double full_nll = 0.0;
  double kl = 0.0;
  double agreement = 0.0;
};

std::vector<double> log_probabilities(const std::vector<float>& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float x : logits) sum += std::exp(double{x} - largest);
  std::vector<double> out;
  for (const float x : logits) out.push_back(double{x} - largest - std::log(sum));
  return out;
}

PlainFigures plain_figures(const LogitRows& full, const LogitRows& ours, std::span<const int32_t> targets) {
  PlainFigures figures;
  const auto rows = static_cast<double>(full.size());
  for (size_t r = 0; r < full.size(); ++r) {
    const std::vector<double> p = log_probabilities(full[r]);
    const std::vector<double> q = log_probabilities(ours[r]);
    const auto target = static_cast<size_t>(targets[r]);
    figures.nll -= q[target] / rows;
    figures.full_nll -= p[target] / rows;
    for (size_t i = 0; i < p.size(); ++i) figures.kl += std::exp(p[i]) * (p[i] - q[i]) / rows;
    const auto best = [](const std::vector<double>& x) {
      return std::max_element(x.begin(), x.end()) - x.begin();
    };
    figures.agreement += (best(p) == best(q) ? 1.0 : 0.0) / rows;
  }
  return figures;
}

class ClosedLoopTest : public ::testing::TestWithParam<bool> {
 protected:
  EvaluationRequest request(int prefix, int steps, const std::vector<std::string>& policies,
                            size_t texts = 1) const {
    EvaluationRequest request;
    request.prefix = prefix;
    request.steps = steps;
    for (size_t i = 0; i < texts; ++i)
      request.texts.push_back(random_ids(static_cast<size_t>(prefix + steps + 1), 5 + i));
    for (const std::string& policy : policies) request.policies.push_back(Policy::parse(policy));
    request.knowledge = model_.knowledge();
    return request;
  }
  Evaluation run(const EvaluationRequest& request) const {
    NoProgress progress;
    return evaluate(model_.transformer(), request, progress);
  }

  SmallModel model_{GetParam()};
};

TEST_P(ClosedLoopTest, WhatKeepsEverythingInF32EqualsFull) {
  std::vector<std::string> policies = {"full+f32",
                                       "window:recent=90+f32",
                                       "window:recent=90,when=after-prefill+f32",
                                       "h2o:budget=90+f32",
                                       "snapkv:budget=60+f32",
                                       "tova:budget=90+f32",
                                       "razor/weighted:recent=86," + model_.heads() + "+f32",
                                       "razor/none:" + model_.heads() + "+f32",
                                       "occam:budget=60," + model_.heads() + "+f32"};
  if (!GetParam()) policies.emplace_back("window/slot-positions:recent=90+f32");
  const Evaluation evaluation = run(request(60, 30, policies));
  EXPECT_EQ(evaluation.rows, 30);
  for (const EvaluationResult& result : evaluation.policies) {
    SCOPED_TRACE(result.policy);
    EXPECT_LT(result.kl_to_full.mean, 1e-6);
    EXPECT_NEAR(result.nll_difference.mean, 0.0, 2e-5);
    EXPECT_NEAR(result.nll.mean, evaluation.full_nll.mean, 2e-5);
    EXPECT_EQ(result.top1_agreement, 1.0);
    EXPECT_EQ(result.compressed.keys, evaluation.policies.front().compressed.keys);
  }
}

TEST_P(ClosedLoopTest, FiguresEqualThoseOfTheLogitsInDouble) {
  constexpr int prefix = 40;
  constexpr int steps = 150;  // more than are read in one pass
  const std::vector<std::string> policies = {"full+q4_0/prefix", "window:recent=12+f32", "h2o:budget=16+f32",
                                             "snapkv:budget=16,observe=8+f32"};
  const EvaluationRequest asked = request(prefix, steps, policies);
  const Evaluation evaluation = run(asked);
  const std::span<const int32_t> ids(asked.texts.front());
  const auto read = ids.subspan(prefix, steps);
  CompressedContext context = model_.compress(ids.first(prefix), policies, steps);
  const LogitRows full = read_block(model_.transformer(), context.exact(), read, prefix);
  for (size_t i = 0; i < policies.size(); ++i) {
    SCOPED_TRACE(policies[i]);
    const EvaluationResult& result = evaluation.policies[i];
    EXPECT_EQ(result.policy, Policy::parse(policies[i]).name());
    EXPECT_EQ(result.compressed.physical(), context.memory(i).ledger().physical());
    EXPECT_EQ(result.token_by_token, context.memory(i).decides_later());
    const LogitRows ours = read_block(model_.transformer(), context.memory(i), read, prefix);
    const PlainFigures expected = plain_figures(full, ours, ids.subspan(prefix + 1));
    EXPECT_NEAR(result.nll.mean, expected.nll, 2e-5);
    EXPECT_NEAR(evaluation.full_nll.mean, expected.full_nll, 2e-5);
    EXPECT_NEAR(result.nll_difference.mean, expected.nll - expected.full_nll, 2e-5);
    EXPECT_NEAR(result.kl_to_full.mean, expected.kl, 2e-5);
    EXPECT_NEAR(result.top1_agreement, expected.agreement, 1e-9);
    EXPECT_GT(expected.kl, 1e-4) << "the policy should do something";
    EXPECT_EQ(result.at_end.physical(), context.memory(i).ledger().physical());
  }
}

TEST_P(ClosedLoopTest, SeveralTextsAreAveragedByRowsAndResampledByText) {
  const std::vector<std::string> policies = {"window:recent=12+f32", "full+q4_0/prefix"};
  const EvaluationRequest both = request(30, 20, policies, 2);
  const Evaluation evaluation = run(both);
  EXPECT_EQ(evaluation.units, 2);
  EXPECT_EQ(evaluation.rows, 40);
  std::vector<double> nll(policies.size());
  std::vector<double> kl(policies.size());
  for (const auto& text : both.texts) {
    EvaluationRequest one = both;
    one.texts = {text};
    const Evaluation alone = run(one);
    EXPECT_EQ(alone.units, 1);
    for (size_t i = 0; i < policies.size(); ++i) {
      EXPECT_FALSE(alone.policies[i].nll.interval);
      nll[i] += alone.policies[i].nll.mean / 2.0;
      kl[i] += alone.policies[i].kl_to_full.mean / 2.0;
    }
  }
  for (size_t i = 0; i < policies.size(); ++i) {
    EXPECT_NEAR(evaluation.policies[i].nll.mean, nll[i], 1e-9);
    EXPECT_NEAR(evaluation.policies[i].kl_to_full.mean, kl[i], 1e-9);
    const std::optional<Interval>& interval = evaluation.policies[i].kl_to_full.interval;
    ASSERT_TRUE(interval);
    EXPECT_LE(interval->low, kl[i]);
    EXPECT_GE(interval->high, kl[i]);
  }
}

TEST_P(ClosedLoopTest, OneTextIsResampledByBlocksOf32Steps) {
  for (const auto& [steps, units] : {std::pair(32, 1), std::pair(33, 2), std::pair(96, 3)}) {
    const Evaluation evaluation = run(request(20, steps, {"window:recent=8"}));
    EXPECT_EQ(evaluation.units, units);
    EXPECT_EQ(evaluation.policies.front().nll.interval.has_value(), units > 1);
    EXPECT_EQ(evaluation.full_nll.interval.has_value(), units > 1);
  }
}

TEST_P(ClosedLoopTest, PoliciesDoNotDisturbEachOther) {
  const std::vector<std::string> policies = {"h2o:budget=16+f32", "full+f16", "window:recent=12+f32",
                                             "snapkv:budget=16,observe=8+f32"};
  const Evaluation together = run(request(40, 20, policies));
  for (size_t i = 0; i < policies.size(); ++i) {
    const EvaluationResult alone = run(request(40, 20, {policies[i]})).policies.front();
    EXPECT_NEAR(together.policies[i].nll.mean, alone.nll.mean, 2e-5) << policies[i];
    EXPECT_NEAR(together.policies[i].kl_to_full.mean, alone.kl_to_full.mean, 2e-5) << policies[i];
    EXPECT_EQ(together.policies[i].at_end.physical(), alone.at_end.physical()) << policies[i];
  }
}

TEST_P(ClosedLoopTest, GivesNearlyTheSameForOneAndTwoThreads) {
  const EvaluationRequest asked =
      request(40, 20, {"full+q4_0/prefix", "window:recent=12+f32", "h2o:budget=16+f32"});
  const Evaluation one = run(asked);
  const OmpThreads both(2);
  const Evaluation two = run(asked);
  for (size_t i = 0; i < one.policies.size(); ++i) {
    EXPECT_NEAR(one.policies[i].nll.mean, two.policies[i].nll.mean, 1e-6);
    EXPECT_NEAR(one.policies[i].kl_to_full.mean, two.policies[i].kl_to_full.mean, 1e-6);
    EXPECT_EQ(one.policies[i].top1_agreement, two.policies[i].top1_agreement);
    EXPECT_EQ(one.policies[i].at_end.physical(), two.policies[i].at_end.physical());
  }
}

TEST_P(ClosedLoopTest, ScoresDependOnNoTextBehindThem) {
  EvaluationRequest asked = request(40, 20, {"window:recent=12", "h2o:budget=16", "full+q4_0"});
  const Evaluation before = run(asked);
  std::vector<int32_t>& text = asked.texts.front();
  const std::vector<int32_t> more = random_ids(30, 99);
  text.insert(text.end(), more.begin(), more.end());
  const Evaluation after = run(asked);
  for (size_t i = 0; i < asked.policies.size(); ++i) {
    EXPECT_EQ(before.policies[i].nll.mean, after.policies[i].nll.mean);
    EXPECT_EQ(before.policies[i].kl_to_full.mean, after.policies[i].kl_to_full.mean);
  }
}

TEST_P(ClosedLoopTest, SaysWhatIsWrongWithARequest) {
  EvaluationRequest asked = request(40, 20, {"full"});
  asked.texts.front().pop_back();
  expect_input_error([&] { run(asked); }, {"--text", "60", "61"});
  expect_input_error([&] { run(request(40, 20, {})); }, {"--policies"});
  expect_input_error([&] { run(request(40, 20, {"full"}, 0)); }, {"--text"});
  expect_input_error([&] { run(request(1000, 30, {"full"})); }, {"--steps", "1030", "1024"});
  expect_input_error([&] { run(request(40, 20, {"oracle/topk"})); }, {"oracle/topk", "replay"});
  expect_input_error([&] { run(request(40, 20, {"window:when=every-chunk"})); }, {"every-chunk", "replay"});
  expect_input_error([&] { run(request(40, 20, {"razor/none"})); }, {"razor", "heads"});
  if (GetParam()) expect_input_error([&] { run(request(40, 20, {"razor/scope"})); }, {"bound", "norm-bound"});
}

INSTANTIATE_TEST_SUITE_P(Schemes, ClosedLoopTest, ::testing::Bool(), [](const auto& scheme) {
  return scheme.param ? std::string("Alibi") : std::string("Rope");
});

}  // namespace
}  // namespace razorscope
