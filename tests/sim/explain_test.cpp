// What each policy keeps of a text, and what that does to an answer.
#include "sim/closed_loop/explain.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <set>
#include <tuple>

#include "sim/closed_loop/answer.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/small_model.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::SmallModel;

const std::string text =
    "The first line says little.\n\nThe verdict stands here, and the rest follows.\nThe last one.\n";

ExplainRequest request_of(const std::string& of_text, const std::string& verdict = "") {
  return {
      .text = of_text, .question = "\nSo it is", .positive = " good", .negative = " bad", .verdict = verdict};
}

class ExplainTest : public ::testing::TestWithParam<bool> {
 protected:
  Explanation run(const ExplainRequest& request, const std::string& policies = "full") const {
    return run_on(model_, request, policies);
  }
  static Explanation run_on(const SmallModel& model, const ExplainRequest& request,
                            const std::string& policies) {
    NoProgress progress;
    return explain(
        model.transformer(), model.tokenizer(), request, [&](int) { return Policy::parse_list(policies); },
        model.knowledge(), progress);
  }
  /// The bytes of tokens [begin, end).
  static std::string joined(const Explanation& explanation, int begin, int end) {
    std::string out;
    for (int i = begin; i < end; ++i) out += explanation.pieces[static_cast<size_t>(i)];
    return out;
  }
  static std::string verdict_of(const Explanation& explanation) {
    return joined(explanation, explanation.verdict_begin, explanation.verdict_end);
  }
  /// One head's letters.
  static std::string fates(const PolicyExplanation& policy, size_t head, size_t tokens) {
    return policy.fates.substr(head * tokens, tokens);
  }

  SmallModel model_{GetParam()};
  size_t kv_heads_ = GetParam() ? 4 : 2;
  /// Protected by heads(): KV head 1 of layer 0 and KV head 0 of layer 1.
  bool is_protected(size_t head) const { return head == 1 || head == kv_heads_; }
};

TEST_P(ExplainTest, FatesAgreeWithWhatTheCachesHold) {
  std::vector<std::string> policies = {"full",
                                       "window:sinks=2,recent=10",
                                       "h2o:heavy=5,recent=6",
                                       "tova:budget=20",
                                       "snapkv:budget=20,observe=5",
                                       "snapkv:budget=20,observe=5,group_agg=query-head",
                                       "razor/weighted:recent=10," + model_.heads(),
                                       "razor/none:recent=10," + model_.heads(),
                                       "occam:budget=60," + model_.heads(),
                                       "lagkv:budget=20,lag=8",
                                       "full+q4_0"};
  if (!GetParam()) policies.push_back("razor/clusters:recent=10," + model_.heads());
  std::string list;
  for (const std::string& policy : policies) list += (list.empty() ? "" : ";") + policy;
  const Explanation explanation = run(request_of(text), list);
  const size_t tokens = explanation.pieces.size();
  std::vector<int32_t> ids = model_.tokenizer().encode(text);
  ids.insert(ids.begin(), model_.tokenizer().bos());
  ASSERT_EQ(ids.size(), tokens);
  const CompressedContext context = model_.compress(ids, policies);
  ASSERT_EQ(explanation.policies.size(), policies.size());
  for (size_t i = 0; i < policies.size(); ++i) {
    const PolicyExplanation& policy = explanation.policies[i];
    SCOPED_TRACE(policy.policy);
    EXPECT_EQ(policy.policy, Policy::parse(policies[i]).name());
    EXPECT_EQ(policy.compressed.physical(), context.memory(i).ledger().physical());
    const auto held = testing::held_positions(context.memory(i), model_.shape());
    ASSERT_EQ(policy.fates.size(), held.size() * tokens);
    ASSERT_EQ(static_cast<size_t>(policy.layers * policy.kv_heads), held.size());
    for (size_t h = 0; h < held.size(); ++h) {
      const std::string letters = fates(policy, h, tokens);
      std::vector<int32_t> kept;
      for (size_t t = 0; t < tokens; ++t) {
        if (std::string("swhk").find(letters[t]) != std::string::npos)
          kept.push_back(static_cast<int32_t>(t));
        EXPECT_EQ(static_cast<char>(policy.fate(static_cast<int>(h) / policy.kv_heads,
                                                static_cast<int>(h) % policy.kv_heads, static_cast<int>(t),
                                                static_cast<int>(tokens))),
                  letters[t]);
      }
      EXPECT_EQ(kept, held[h]);
      const bool folds =
          policies[i].starts_with("razor/weighted") || policies[i].starts_with("razor/clusters");
      EXPECT_EQ(letters.find('f') != std::string::npos, folds && !is_protected(h))
          << "folded only into a slot";
      if (folds) {
        EXPECT_EQ(letters.find('d'), std::string::npos);
      }
    }
  }
  EXPECT_EQ(explanation.full.fates, std::string(explanation.full.fates.size(), 'k'));
  EXPECT_EQ(explanation.full.policy, "full+f32");
}

TEST_P(ExplainTest, LettersSayWhyATokenIsHeld) {
  const Explanation explanation =
      run(request_of(text), "window:sinks=2,recent=10;h2o:heavy=5,recent=6;razor/none:sinks=3,recent=10," +
                                model_.heads() + ";razor/weighted:sinks=3,recent=10," + model_.heads() +
                                ";tova:budget=20;window:recent=500");
  const size_t n = explanation.pieces.size();
  const auto regions = [&](size_t sinks, size_t recent, char between) {
    return std::string(sinks, 's') + std::string(n - sinks - recent, between) + std::string(recent, 'w');
  };
  for (size_t h = 0; h < 2 * kv_heads_; ++h) {
    SCOPED_TRACE(h);
    EXPECT_EQ(fates(explanation.policies[0], h, n), regions(2, 10, 'd'));
    const std::string h2o = fates(explanation.policies[1], h, n);
    EXPECT_EQ(h2o.substr(n - 6), "wwwwww");
    EXPECT_EQ(std::count(h2o.begin(), h2o.end(), 'h'), 5);
    EXPECT_EQ(std::count(h2o.begin(), h2o.end(), 'd'), static_cast<ptrdiff_t>(n) - 11);
    const std::string whole(n, 'k');
    EXPECT_EQ(fates(explanation.policies[2], h, n), is_protected(h) ? whole : regions(3, 10, 'd'));
    EXPECT_EQ(fates(explanation.policies[3], h, n), is_protected(h) ? whole : regions(3, 10, 'f'));
    const std::string tova = fates(explanation.policies[4], h, n);
    EXPECT_EQ(std::count(tova.begin(), tova.end(), 'k'), 20);
    EXPECT_EQ(fates(explanation.policies[5], h, n), "ssss" + std::string(n - 4, 'w'));
  }
}

TEST_P(ExplainTest, TheVerdictIsTheParagraphAroundTheWords) {
  const auto verdict = [&](const std::string& of_text, const std::string& words) {
    return verdict_of(run(request_of(of_text, words)));
  };
  EXPECT_EQ(verdict(text, "stands"), "The verdict stands here, and the rest follows.\n");
  EXPECT_EQ(verdict(text, "The first"), "The first line says little.\n\n") << "with the empty line behind it";
  EXPECT_EQ(verdict(text, "last one"), "The last one.\n");
  EXPECT_EQ(verdict("One.\nTwo.", "Two"), "Two.") << "no line end";
  EXPECT_EQ(verdict("One.\nTwo.", "One."), "One.\n");
  EXPECT_EQ(verdict("One.\nTwo.\nThree.\n", "e.\nTw"), "One.\nTwo.\n") << "words of two lines";
  EXPECT_EQ(verdict("One.\nTwo.\nThree.\n", "\nTwo"), "Two.\n") << "the line end is the one before";
  EXPECT_EQ(verdict("One.\nTwo.\nThree.\n", "Two.\n"), "Two.\n");
  EXPECT_EQ(verdict(text, ""), "");
  // The BOS belongs to no paragraph.
  EXPECT_EQ(run(request_of(text, "The first")).verdict_begin, 1);
  EXPECT_EQ(run(request_of(text)).verdict_begin, 0);
}

TEST_P(ExplainTest, PiecesOfSplitCharactersJoinToTheText) {
  const std::string of_text =
      "Na\xc3\xafve \xf0\x9f\x98\x80 start\nThe \xc3\xbc verdict\xe2\x80\xa6\nand the end";
  const Explanation explanation = run(request_of(of_text, "verdict"));
  EXPECT_EQ(explanation.pieces.front(), "");
  EXPECT_EQ(joined(explanation, 0, static_cast<int>(explanation.pieces.size())), of_text);
  EXPECT_EQ(verdict_of(explanation), "The \xc3\xbc verdict\xe2\x80\xa6\n");
}

TEST_P(ExplainTest, AModelWithoutBosReadsTheTextAlone) {
  const SmallModel model(GetParam(), false);
  const Explanation explanation = run_on(model, request_of(text, "The first"), "window:recent=10");
  EXPECT_EQ(joined(explanation, 0, static_cast<int>(explanation.pieces.size())), text);
  EXPECT_EQ(explanation.verdict_begin, 0);
  expect_input_error([&] { run_on(model, request_of("All of it.", "All"), "full"); },
                     {"--verdict", "whole text"});
}

TEST_P(ExplainTest, LogOddsCompareTheTwoAnswers) {
  const std::string policies = "full+f32;window:sinks=2,recent=10;h2o:heavy=5,recent=6";
  const ExplainRequest request = request_of(text, "stands");
  const Explanation explanation = run(request, policies);
  const Tokenizer& tokenizer = model_.tokenizer();
  std::string without = text;
  without.erase(without.find("The verdict"),
                std::string("The verdict stands here, and the rest follows.\n").size());
  for (const bool whole : {true, false}) {
    std::vector<int32_t> ids = tokenizer.encode(whole ? text : without);
    ids.insert(ids.begin(), tokenizer.bos());
    const CompressedContext context =
        model_.compress(ids, {"full+f32", "window:sinks=2,recent=10", "h2o:heavy=5,recent=6"});
    const std::vector<int32_t> question = tokenizer.encode(request.question);
    const auto good = score_answer(model_.transformer(), context, question, tokenizer.encode(" good"));
    const auto bad = score_answer(model_.transformer(), context, question, tokenizer.encode(" bad"));
    for (size_t i = 0; i < 3; ++i) {
      const PolicyExplanation& policy = explanation.policies[i];
      ASSERT_TRUE(policy.log_odds_without_verdict);
      EXPECT_NEAR(whole ? policy.log_odds : *policy.log_odds_without_verdict, bad[i].nll - good[i].nll, 1e-4);
    }
  }
  EXPECT_NEAR(explanation.full.log_odds, explanation.policies[0].log_odds, 1e-4);
  EXPECT_NEAR(*explanation.full.log_odds_without_verdict, *explanation.policies[0].log_odds_without_verdict,
              1e-4);
  ExplainRequest turned = request;
  std::swap(turned.positive, turned.negative);
  EXPECT_NEAR(run(turned, policies).policies[1].log_odds, -explanation.policies[1].log_odds, 1e-9);
  EXPECT_FALSE(run(request_of(text)).policies[0].log_odds_without_verdict);
}

TEST_P(ExplainTest, TheTokensThatLeaveTheWindowAreLostWhileTheQuestionIsRead) {
  const Explanation explanation =
      run(request_of(text),
          "window:sinks=2,recent=6;razor/none:sinks=2,recent=50," + model_.heads() +
              ";window:sinks=2,recent=6,when=after-prefill;full+q4_0:residual=8;tova:budget=20");
  const auto n = static_cast<int>(explanation.pieces.size());
  const auto question = static_cast<int>(model_.tokenizer().encode(request_of(text).question).size());
  ASSERT_GT(question, 6);
  using Loss = std::tuple<int, int, int, int>;
  const auto losses = [&](size_t policy) {
    std::set<Loss> all;
    for (const LaterLoss& loss : explanation.policies[policy].later)
      all.insert({loss.layer, loss.kv_head, loss.position, loss.step});
    EXPECT_EQ(all.size(), explanation.policies[policy].later.size());
    return all;
  };
  const auto expected = [&](int recent, bool protects) {
    std::set<Loss> all;
    for (int layer = 0; layer < 2; ++layer) {
      for (int h = 0; h < static_cast<int>(kv_heads_); ++h) {
        if (protects && is_protected(static_cast<size_t>(layer) * kv_heads_ + static_cast<size_t>(h)))
          continue;
        for (int step = 1; step <= std::min(question, recent); ++step)
          all.insert({layer, h, n - recent + step - 1, step});
      }
    }
    return all;
  };
  EXPECT_EQ(losses(0), expected(6, false));
  EXPECT_EQ(losses(1), expected(50, true));
  EXPECT_TRUE(losses(2).empty());
  EXPECT_TRUE(losses(3).empty());
  EXPECT_FALSE(losses(4).empty());
  EXPECT_TRUE(explanation.full.later.empty());
  // The fates are those before the question.
  EXPECT_EQ(fates(explanation.policies[0], 0, static_cast<size_t>(n)).substr(static_cast<size_t>(n) - 7),
            "dwwwwww");
}

TEST_P(ExplainTest, SharesAreOfTheHeadsAskedFor) {
  const Explanation explanation = run(request_of(text), "razor/none:sinks=3,recent=10," + model_.heads());
  const PolicyExplanation& policy = explanation.policies.front();
  const auto n = static_cast<int>(explanation.pieces.size());
  const auto expect = [&](int layer, int head, double between) {
    const std::vector<double> shares = held_shares(policy, n, layer, head);
    ASSERT_EQ(shares.size(), static_cast<size_t>(n));
    for (int t = 0; t < n; ++t)
      EXPECT_NEAR(shares[static_cast<size_t>(t)], t < 3 || t >= n - 10 ? 1.0 : between, 1e-12) << t;
  };
  const double heads = static_cast<double>(kv_heads_);
  expect(-1, -1, 1.0 / heads);
  expect(0, -1, 1.0 / heads);
  expect(0, 1, 1.0);
  expect(0, 0, 0.0);
  expect(1, 0, 1.0);
  expect(-1, 0, 0.5);
  if (GetParam()) expect(-1, 3, 0.0);
}

TEST_P(ExplainTest, SaysWhatIsWrongWithARequest) {
  expect_input_error([&] { run(request_of(text, "no such words")); }, {"--verdict", "no such words"});
  expect_input_error([&] { run(request_of("")); }, {"--text", "empty"});
  expect_input_error([&] { run(request_of(std::string(1020, 'x'))); }, {"--text", "1024"});
  ExplainRequest request = request_of(text);
  request.question = "";
  expect_input_error([&] { run(request); }, {"--question", "empty"});
  request = request_of(text);
  request.positive = "";
  expect_input_error([&] { run(request); }, {"--positive", "empty"});
  request = request_of(text);
  request.negative = "";
  expect_input_error([&] { run(request); }, {"--negative", "empty"});
  expect_input_error([&] { run(request_of(text), "oracle/topk"); }, {"oracle/topk", "replay"});
}

INSTANTIATE_TEST_SUITE_P(Schemes, ExplainTest, ::testing::Bool(), [](const auto& scheme) {
  return scheme.param ? std::string("Alibi") : std::string("Rope");
});

}  // namespace
}  // namespace razorscope
