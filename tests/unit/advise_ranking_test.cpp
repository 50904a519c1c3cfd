#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <rapidcheck/gtest.h>

#include "experiments/advise/advice.hpp"
#include "experiments/advise/ranking.hpp"
#include "experiments/advise/sensitivity.hpp"
#include "tests/support/expect_input_error.hpp"

namespace razorscope {
namespace {

Limit limit(const std::string& text) { return parse_limit("--limit", text); }
const Goal fewest_bytes = find_goal("--goal", "bytes", false);

/// A candidate whose kl lies half as far on each side.
Candidate made(const std::string& policy, double bytes, std::optional<double> kl, double half = 0.0) {
  Candidate candidate{policy};
  candidate.figures["kv_bytes"] = {bytes};
  if (kl) candidate.figures["kl"] = {*kl, Interval{*kl - half, *kl + half}};
  return candidate;
}

std::vector<std::string> names(const std::vector<Candidate>& candidates, const std::vector<size_t>& order) {
  std::vector<std::string> out;
  for (const size_t i : order) out.push_back(candidates[i].policy);
  return out;
}
using Names = std::vector<std::string>;

TEST(AdviseRankingTest, TheWorseEndOfTheIntervalDecides) {
  const std::vector<Candidate> candidates = {made("a", 100, 0.018, 0.001), made("b", 50, 0.018, 0.003),
                                             made("c", 10, std::nullopt), made("d", 400, 0.001)};
  const Ranking ranking = rank(candidates, {limit("kl<=0.02")}, fewest_bytes);
  EXPECT_EQ(names(candidates, ranking.within), (Names{"a", "d"}));
  EXPECT_EQ(names(candidates, ranking.rejected), (Names{"b"}));
  EXPECT_EQ(names(candidates, ranking.not_measured), (Names{"c"}));
  Candidate share{"e"};
  share.figures["top1"] = {0.96, Interval{0.94, 0.98}};
  EXPECT_FALSE(standing(share, {limit("top1>=95%")}).within());
  EXPECT_TRUE(standing(share, {limit("top1>=94%")}).within());
}

TEST(AdviseRankingTest, ValuesWithinOnePercentAreTiesThatQualityBreaks) {
  const std::vector<Candidate> candidates = {made("worse", 1000, 0.01), made("better", 1001, 0.001),
                                             made("unknown", 1000, std::nullopt), made("small", 900, 0.02)};
  EXPECT_EQ(names(candidates, rank(candidates, {}, fewest_bytes).within),
            (Names{"small", "better", "worse", "unknown"}));
  EXPECT_TRUE(is_tie(candidates[0], candidates[1], fewest_bytes));
  EXPECT_FALSE(is_tie(candidates[0], candidates[3], fewest_bytes));
  const std::vector<Candidate> equal = {made("b", 7, 0.1), made("a", 7, 0.1)};
  EXPECT_EQ(names(equal, rank(equal, {}, fewest_bytes).within), (Names{"a", "b"}));
}

TEST(AdviseRankingTest, WhatIsNotANumberIsNotMeasured) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<Candidate> candidates = {made("nan", 1, nan), made("whole", 2, 0.01), {"empty"}};
  candidates[0].figures["kv_bytes"] = {nan};
  const Ranking ranking = rank(candidates, {limit("kl<=0.02")}, fewest_bytes);
  EXPECT_EQ(names(candidates, ranking.within), (Names{"whole"}));
  EXPECT_EQ(ranking.not_measured.size(), 2U);
  EXPECT_TRUE(rank({}, {limit("kl<=0.02")}, fewest_bytes).empty());
}

TEST(AdviseRankingTest, WhatCannotRunIsRejected) {
  std::vector<Candidate> candidates = {made("a", 1, 0.0)};
  candidates[0].refusal = "makes no sense here";
  EXPECT_EQ(rank(candidates, {}, fewest_bytes).rejected.size(), 1U);
  EXPECT_FALSE(closest(candidates, {limit("kl<=0.02")}));
}

TEST(AdviseRankingTest, NothingFits) {
  const std::vector<Candidate> candidates = {made("a", 100, 0.03), made("b", 500, 0.021), made("c", 90, 0.5)};
  const std::vector<Limit> limits = {limit("kl<=0.02"), limit("kv_bytes<=200")};
  EXPECT_TRUE(rank(candidates, limits, fewest_bytes).empty());
  EXPECT_EQ(to_string(*hardest_limit(candidates, limits)), "kl<=0.02");
  EXPECT_EQ(candidates[*closest(candidates, limits)].policy, "a");
  EXPECT_EQ(hardest_limit(candidates, {limit("kl<=1")}), nullptr);
  const std::vector<LimitChange> changes = limit_changes(candidates, limits, fewest_bytes);
  ASSERT_EQ(changes.size(), 1U);  // no kv_bytes alone would do
  EXPECT_EQ(changes[0].value, 0.03);
  EXPECT_EQ(candidates[*changes[0].winner].policy, "a");
}

TEST(AdviseRankingTest, Goals) {
  EXPECT_EQ(find_goal("--goal", "", false).metric->name, "kv_bytes");
  EXPECT_EQ(find_goal("--goal", "", true).metric->name, "token_rate");
  EXPECT_EQ(find_goal("--goal", "latency", true).metric->name, "e2e_p99");
  testing::expect_input_error([] { find_goal("--goal", "speed", false); }, {"--goal", "throughput"});
}

TEST(AdviseSensitivityTest, TheNearestValueAtWhichAnotherPolicyWins) {
  const std::vector<Candidate> candidates = {made("big", 400, 0.001), made("middle", 200, 0.01),
                                             made("small", 100, 0.03), made("tiny", 50, 0.3)};
  const std::vector<LimitChange> changes = limit_changes(candidates, {limit("kl<=0.02")}, fewest_bytes);
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_TRUE(changes[0].looser);
  EXPECT_EQ(changes[0].value, 0.03);
  EXPECT_EQ(candidates[*changes[0].winner].policy, "small");
  EXPECT_FALSE(changes[1].looser);
  EXPECT_EQ(changes[1].value, 0.01);
  EXPECT_EQ(candidates[*changes[1].winner].policy, "big");
}

TEST(AdviseSensitivityTest, BetterEvidence) {
  const std::vector<Candidate> candidates = {
      made("best", 200, 0.01), made("wide", 100, 0.015, 0.01), made("beyond", 100, 0.03, 0.01),
      made("unknown", 50, std::nullopt), made("large", 900, std::nullopt)};
  const std::vector<EvidenceChange> changes = evidence_changes(candidates, {limit("kl<=0.02")}, fewest_bytes);
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(candidates[changes[0].candidate].policy, "wide");
  EXPECT_EQ(changes[0].undecided.size(), 1U);
  EXPECT_EQ(candidates[changes[1].candidate].policy, "unknown");
  EXPECT_EQ(changes[1].unmeasured.size(), 1U);
}

TEST(AdviseSensitivityTest, ContextsAtWhichTheAnswerChanges) {
  const auto best_at = [](int context) -> std::optional<std::string> {
    if (context > 50000) return std::nullopt;
    return context < 3000 ? "short" : "long";
  };
  const std::vector<ContextChange> changes = context_changes(best_at, 8192, 512, 131072);
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[0].winner, "short");
  EXPECT_NEAR(changes[0].context, 3000, 60);
  EXPECT_EQ(changes[1].winner, std::nullopt);
  EXPECT_NEAR(changes[1].context, 50000, 1000);
  EXPECT_TRUE(context_changes([](int) { return "same"; }, 8192, 512, 131072).empty());
}

/// Candidates with any figures at all, some missing.
std::vector<Candidate> any_candidates() {
  std::vector<Candidate> candidates;
  const int count = *rc::gen::inRange(0, 8);
  for (int i = 0; i < count; ++i) {
    Candidate candidate{"p" + std::to_string(i)};
    for (const char* name : {"kl", "kv_bytes", "top1"}) {
      const int value = *rc::gen::inRange(-1, 30);
      if (value < 0) continue;
      candidate.figures[name] = {value / 30.0, Interval{value / 40.0, value / 20.0}};
    }
    candidates.push_back(candidate);
  }
  return candidates;
}

RC_GTEST_PROP(AdviseRankingTest, ALooserLimitNeverWorsensTheBest, ()) {
  const std::vector<Candidate> candidates = any_candidates();
  const double bound = *rc::gen::inRange(0, 40) / 30.0;
  const double looser = bound + *rc::gen::inRange(0, 20) / 30.0;
  const Limit other{&find_metric("x", "top1"), *rc::gen::inRange(0, 20) / 30.0};
  const Metric& kl = find_metric("x", "kl");
  const Ranking before = rank(candidates, {{&kl, bound}, other}, fewest_bytes);
  const Ranking after = rank(candidates, {{&kl, looser}, other}, fewest_bytes);
  RC_ASSERT(after.within.size() >= before.within.size());
  if (before.empty()) return;
  RC_ASSERT(!is_better(candidates[before.within.front()], candidates[after.within.front()], fewest_bytes));
}

RC_GTEST_PROP(AdviseRankingTest, EveryCandidateStandsSomewhereOnce, ()) {
  const std::vector<Candidate> candidates = any_candidates();
  const std::vector<Limit> limits = {limit("kl<=0.5"), limit("top1>=0.2")};
  const Ranking ranking = rank(candidates, limits, fewest_bytes);
  RC_ASSERT(ranking.within.size() + ranking.rejected.size() + ranking.not_measured.size() ==
            candidates.size());
  for (size_t i = 1; i < ranking.within.size(); ++i) {
    RC_ASSERT(!is_better(candidates[ranking.within[i]], candidates[ranking.within[i - 1]], fewest_bytes));
  }
  for (const LimitChange& change : limit_changes(candidates, limits, fewest_bytes)) {
    RC_ASSERT(change.looser != change.limit.holds(change.value));
  }
}

RC_GTEST_PROP(AdviseRankingTest, AnythingCanBeShown, ()) {
  Advice advice;
  advice.question.model = "m";
  advice.limits = {limit("kl<=0.5"), limit("max_batch>=1")};
  advice.goal = fewest_bytes;
  advice.candidates = any_candidates();
  advice.ranking = rank(advice.candidates, advice.limits, advice.goal);
  advice.limit_changes = limit_changes(advice.candidates, advice.limits, advice.goal);
  advice.evidence_changes = evidence_changes(advice.candidates, advice.limits, advice.goal);
  const std::string text = advice_text(advice);
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    RC_ASSERT(text.find('\n', at) - at <= size_t{110});
}

}  // namespace
}  // namespace razorscope
