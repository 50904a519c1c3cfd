// When a token left each cache, and what it would have been worth there.
#include "sim/closed_loop/token_audit.hpp"

#include <gtest/gtest.h>
#include <set>

#include "tests/support/small_model.hpp"

namespace razorscope {
namespace {

using testing::SmallModel;

/// One layer of one KV head that two caches share; three tokens, and two of three steps recorded.
AttentionRecord small_record() {
  AttentionRecord record;
  record.layers = 1;
  record.kv_heads = 1;
  record.tokens = 3;
  record.question = {"a", "b", "c"};
  record.accumulated = {1.5F, 0.25F, 1.5F};
  record.asked = {0.5F, 0.125F, 0.25F, 0.0625F, 0.25F, 0.5F};
  return record;
}

TEST(TokenAuditTest, TellsWhenAndWhatWasLost) {
  PolicyExplanation policy;
  policy.layers = 1;
  policy.kv_heads = 2;
  policy.fates =
      "swf"
      "dww";
  policy.later = {{0, 0, 1, 1}, {0, 1, 2, 2}};
  const AttentionRecord record = small_record();
  const auto first = audit_token(policy, record, 0);
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[0].fate, TokenFate::sink);
  EXPECT_FALSE(first[0].left_step);
  EXPECT_EQ(first[0].missed, 0.0);
  EXPECT_EQ(first[1].fate, TokenFate::dropped);
  EXPECT_EQ(first[1].left_step, 0);
  EXPECT_EQ(first[1].missed, 0.5625);
  for (const HeadAudit& head : first) {
    EXPECT_EQ(head.asked, 0.5625);
    EXPECT_EQ(head.rank, 1) << "of equal scores the earlier token ranks first";
    EXPECT_EQ(head.accumulated, 1.5);
    EXPECT_EQ(head.kv_head, 0);
  }
  EXPECT_EQ(first[1].cache, 1);
  const auto second = audit_token(policy, record, 1);
  EXPECT_EQ(second[0].left_step, 1);
  EXPECT_EQ(second[0].asked, 0.375);
  EXPECT_EQ(second[0].missed, 0.25) << "the first token of the question still read it";
  EXPECT_EQ(second[0].rank, 3);
  EXPECT_FALSE(second[1].left_step);
  const auto third = audit_token(policy, record, 2);
  EXPECT_EQ(third[0].left_step, 0) << "what is folded left too";
  EXPECT_EQ(third[0].missed, 0.75);
  EXPECT_EQ(third[0].rank, 2);
  EXPECT_EQ(third[1].left_step, 2);
  EXPECT_EQ(third[1].missed, 0.0) << "lost after all that is recorded";
}

TEST(TokenAuditTest, FindsTheTokensOfWords) {
  const std::vector<std::string> pieces = {"", "The", " end", "ing", " is", " the", " end"};
  const auto at = [&](const std::string& words) {
    const std::optional<TokenRange> range = tokens_of(pieces, words);
    return range ? std::pair(range->begin, range->end) : std::pair(-1, -1);
  };
  EXPECT_EQ(at("The"), std::pair(1, 2));
  EXPECT_EQ(at("end"), std::pair(2, 3)) << "the first of two";
  EXPECT_EQ(at("ending"), std::pair(2, 4));
  EXPECT_EQ(at("g i"), std::pair(3, 5)) << "parts of tokens";
  EXPECT_EQ(at("the end"), std::pair(5, 7));
  EXPECT_EQ(at("The ending is the end"), std::pair(1, 7));
  EXPECT_EQ(at("none"), std::pair(-1, -1));
  EXPECT_EQ(at(""), std::pair(-1, -1));
}

class TokenAuditOfAModelTest : public ::testing::TestWithParam<bool> {
 protected:
  Explanation explained(const std::string& policies) const {
    NoProgress progress;
    return explain(
        model_.transformer(), model_.tokenizer(),
        {.text = "The first line says little.\nThe verdict stands here, and the rest follows.\n",
         .question = "\nSo it is",
         .positive = " good",
         .negative = " bad",
         .verdict = ""},
        [&](int) { return Policy::parse_list(policies); }, model_.knowledge(), progress);
  }

  SmallModel model_{GetParam()};
};

TEST_P(TokenAuditOfAModelTest, AgreesWithWhatTheCachesHeldAtEachStep) {
  const Explanation explanation = explained(
      "window:sinks=2,recent=6;h2o:heavy=5,recent=6;h2o:heavy=4,recent=4,group_agg=query-head;razor/weighted:"
      "recent=5," +
      model_.heads() + ";full");
  const AttentionRecord& record = *explanation.attention;
  for (const PolicyExplanation& policy : explanation.policies) {
    SCOPED_TRACE(policy.policy);
    // What a cache holds after each step, replayed from the fates and the losses.
    for (int token = 0; token < record.tokens; ++token) {
      const std::vector<HeadAudit> audit = audit_token(policy, record, token);
      ASSERT_EQ(audit.size(), static_cast<size_t>(policy.layers * policy.kv_heads));
      size_t index = 0;
      for (int layer = 0; layer < policy.layers; ++layer) {
        for (int cache = 0; cache < policy.kv_heads; ++cache) {
          const HeadAudit& head = audit[index++];
          ASSERT_EQ(head.layer, layer);
          ASSERT_EQ(head.cache, cache);
          ASSERT_EQ(head.kv_head, cache * record.kv_heads / policy.kv_heads);
          double missed = 0.0;
          double asked = 0.0;
          bool held =
              std::string("swhk").find(static_cast<char>(policy.fate(layer, cache, token, record.tokens))) !=
              std::string::npos;
          for (int step = 0; step < record.steps(); ++step) {
            const auto share =
                static_cast<double>(record.asked_by(step, layer, head.kv_head)[static_cast<size_t>(token)]);
            asked += share;
            if (!held) missed += share;
            for (const LaterLoss& loss : policy.later) {
              if (loss.layer == layer && loss.kv_head == cache && loss.position == token &&
                  loss.step == step + 1)
                held = false;
            }
          }
          EXPECT_NEAR(head.asked, asked, 1e-12);
          EXPECT_NEAR(head.missed, missed, 1e-12);
          EXPECT_EQ(head.left_step.has_value(), !held);
        }
      }
    }
  }
  EXPECT_FALSE(explanation.policies[0].later.empty());
}

TEST_P(TokenAuditOfAModelTest, RanksAreAnOrderOfTheTokens) {
  const Explanation explanation = explained("h2o:heavy=5,recent=6,when=after-prefill");
  const AttentionRecord& record = *explanation.attention;
  const PolicyExplanation& policy = explanation.policies.front();
  std::vector<std::set<int>> ranks(static_cast<size_t>(policy.layers * policy.kv_heads));
  for (int token = 0; token < record.tokens; ++token) {
    const std::vector<HeadAudit> audit = audit_token(policy, record, token);
    for (size_t head = 0; head < audit.size(); ++head) {
      ranks[head].insert(audit[head].rank);
      // Recent tokens aside, the heavy ones are those of the first ranks.
      if (audit[head].fate == TokenFate::heavy) {
        EXPECT_LE(audit[head].rank, 5 + 6);
      }
      if (audit[head].rank <= 5) {
        EXPECT_NE(audit[head].fate, TokenFate::dropped);
      }
    }
  }
  for (const std::set<int>& of_head : ranks) {
    EXPECT_EQ(*of_head.begin(), 1);
    EXPECT_EQ(*of_head.rbegin(), record.tokens);
    EXPECT_EQ(of_head.size(), static_cast<size_t>(record.tokens));
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, TokenAuditOfAModelTest, ::testing::Bool(), [](const auto& scheme) {
  return scheme.param ? std::string("Alibi") : std::string("Rope");
});

}  // namespace
}  // namespace razorscope
