// What the token map computes, without widgets: the same numbers as the library's.
#include <QString>
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

#include "gui/data/explained_text.hpp"
#include "gui/data/token_map.hpp"
#include "gui/data/token_words.hpp"
#include "sim/closed_loop/printable_pieces.hpp"
#include "sim/closed_loop/token_audit.hpp"
#include "tests/support/computed_explanation.hpp"
#include "tests/support/stored_explanations.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

using namespace gui;

/// Explanations of one text, computed once.
class TokenStatesTest : public ::testing::Test {
 protected:
  enum Which { window, h2o, razor, per_query_head };

  static const std::vector<StoredExplanation>& all() {
    static const std::vector<StoredExplanation> explanations = [] {
      const SmallModel model(false);
      const TemporaryFolder folder;
      return ComputedExplanation(model, "window:sinks=2,recent=6;h2o:heavy=5,recent=6;razor/none:recent=8," +
                                            model.heads() +
                                            ";snapkv:budget=20,observe=5,group_agg=query-head")
          .stored(folder / "results.db");
    }();
    return explanations;
  }
};

TEST_F(TokenStatesTest, SharesAreTheLibrarys) {
  for (const StoredExplanation& each : all()) {
    SCOPED_TRACE(each.row.policy);
    const auto tokens = static_cast<int>(each.explanation.pieces.size());
    const PolicyExplanation& policy = each.explanation.policies.front();
    EXPECT_EQ(token_states(each, {}).verdict_held, verdict_held(policy, each.explanation));
    for (int layer = -1; layer < policy.layers; ++layer) {
      const int heads = each.explanation.attention->kv_heads;
      for (int head = -1; head < (policy.kv_heads == heads ? heads : 0); ++head) {
        const TokenStates states = token_states(each, {layer, head, 0});
        const std::vector<double> shares = held_shares(policy, tokens, layer, head);
        for (size_t t = 0; t < shares.size(); ++t) {
          EXPECT_EQ(states.tokens[t].held, shares[t]);
          if (states.caches == 1) {
            EXPECT_EQ(states.tokens[t].fate, policy.fate(layer, head, static_cast<int>(t), tokens));
          }
        }
      }
    }
  }
}

TEST_F(TokenStatesTest, StepsAndAttentionAreTheAudits) {
  for (const StoredExplanation& each : all()) {
    SCOPED_TRACE(each.row.policy);
    const AttentionRecord& record = *each.explanation.attention;
    const PolicyExplanation& policy = each.explanation.policies.front();
    const MapExtent extent = map_extent(each);
    EXPECT_EQ(extent.heads, record.kv_heads);
    EXPECT_EQ(extent.steps, static_cast<int>(record.question.size()));
    ASSERT_GT(extent.steps, 3);
    for (int token = 0; token < record.tokens; token += 5) {
      const std::vector<HeadAudit> audits = audit_token(policy, record, token);
      for (int step = 0; step <= extent.steps; ++step) {
        const TokenStates states = token_states(each, {1, 0, step});
        int holding = 0;
        int caches = 0;
        for (const HeadAudit& audit : audits) {
          if (audit.layer != 1 || audit.kv_head != 0) continue;
          ++caches;
          if (!audit.left_step || *audit.left_step > step) ++holding;
          EXPECT_EQ(states.tokens[static_cast<size_t>(token)].accumulated, audit.accumulated);
        }
        EXPECT_EQ(states.caches, caches);
        EXPECT_EQ(states.tokens[static_cast<size_t>(token)].holding, holding) << token << " at " << step;
        if (step > 0) {
          EXPECT_EQ(states.tokens[static_cast<size_t>(token)].asked,
                    static_cast<double>(record.asked_by(step - 1, 1, 0)[static_cast<size_t>(token)]));
        }
      }
      double asked = 0.0;
      for (const HeadAudit& audit : audits) asked += audit.asked;
      EXPECT_NEAR(token_states(each, {}).tokens[static_cast<size_t>(token)].asked,
                  asked / (static_cast<double>(audits.size()) * record.steps()), 1e-12);
    }
  }
}

TEST_F(TokenStatesTest, AHeadThatLostNothingIsARetrievalHead) {
  EXPECT_EQ(token_states(all()[razor], {}).whole, 2);
  EXPECT_EQ(token_states(all()[razor], {0, 1, 0}).whole, 1);
  EXPECT_EQ(token_states(all()[razor], {0, 0, 0}).whole, 0);
  EXPECT_EQ(token_states(all()[window], {}).whole, 0);
}

TEST_F(TokenStatesTest, WithoutARecordThereAreFatesButNoAttention) {
  StoredExplanation each = all()[h2o];
  int last = 0;
  for (const LaterLoss& loss : each.explanation.policies.front().later) last = std::max(last, loss.step);
  each.explanation.attention.reset();
  EXPECT_EQ(map_extent(each).steps, last);
  const TokenStates states = token_states(each, {});
  EXPECT_FALSE(states.has_asked);
  EXPECT_GT(states.tokens.back().held, 0.0);
  EXPECT_EQ(most_asked_of_verdict(each), each.explanation.verdict_begin);
}

TEST_F(TokenStatesTest, TheTellingTokenIsTheVerdictsMostAsked) {
  const StoredExplanation& each = all()[window];
  const TokenStates states = token_states(each, {});
  const int token = most_asked_of_verdict(each);
  ASSERT_GE(token, each.explanation.verdict_begin);
  ASSERT_LT(token, each.explanation.verdict_end);
  for (int t = each.explanation.verdict_begin; t < each.explanation.verdict_end; ++t)
    EXPECT_LE(states.tokens[static_cast<size_t>(t)].asked, states.tokens[static_cast<size_t>(token)].asked);
}

TEST(TokenWordsTest, TheLikelierAnswerIsSaid) {
  ExplanationRow row;
  row.question = "\n\nIn the end it is a";
  row.positive = " joy";
  row.negative = " bore";
  row.log_odds = std::log(3.0);
  AnswerWords words = answer_words(row, row.log_odds);
  EXPECT_EQ(words.question, QStringLiteral("In the end it is a"));
  EXPECT_EQ(words.answer, QStringLiteral("joy"));
  EXPECT_NEAR(words.probability, 0.75, 1e-12);
  words = answer_words(row, -row.log_odds);
  EXPECT_EQ(words.answer, QStringLiteral("bore"));
  EXPECT_NEAR(words.probability, 0.75, 1e-12);
  EXPECT_TRUE(effect_words(row).isEmpty()) << "nothing was measured without the verdict";
  row.log_odds_without_verdict = row.log_odds + 1.0;
  row.full_log_odds = -7.0;
  row.full_log_odds_without_verdict = -3.0;
  EXPECT_TRUE(effect_words(row).contains(QStringLiteral("25 %"))) << effect_words(row).toStdString();
}

TEST(TokenWordsTest, PiecesOfOneCharacterGoToItsLastToken) {
  const std::vector<std::string> pieces = printable_pieces({"a\xf0\x9f", "\x98\x80", "\tb\n", ""});
  EXPECT_EQ(pieces, (std::vector<std::string>{"a", "\xf0\x9f\x98\x80", " b\n", ""}));
}

TEST(TokenWordsTest, TextIsNoPlaceForNumbers) {
  TokenStates states;
  states.caches = 1;
  EXPECT_TRUE(
      token_words(QStringLiteral("%1%2"), 5, {}, states).startsWith(QStringLiteral("“%1%2” (token 5)")));
}

TEST(TokenWordsTest, APolicysNameIsNoPlaceForNumbers) {
  StoredExplanation stored;
  stored.row.policy = "razor:heads=\"%1.json\"";
  stored.explanation.pieces = {"a"};
  stored.explanation.policies.resize(1);
  TokenStates states;
  states.tokens.resize(1);
  const QString csv = token_map_csv({{std::make_shared<const StoredExplanation>(stored), states}}, {2, 1, 7});
  EXPECT_TRUE(csv.contains(QStringLiteral("%1.json\"\"\",2,1,7,0,a,"))) << csv.toStdString();
}

TEST(TokenWordsTest, StepsSayWhatWasRead) {
  AttentionRecord record;
  record.question = {"\n", "To", " sum"};
  EXPECT_EQ(step_words(&record, 0), QStringLiteral("end of the text"));
  EXPECT_EQ(step_words(&record, 3), QStringLiteral("“↵To sum”"));
  EXPECT_EQ(step_words(nullptr, 2), QStringLiteral("after 2 tokens of the question"));
}

class ExplainedTextTest : public ::testing::Test {
 protected:
  Snapshot with(const std::vector<std::pair<std::string, std::string>>& policies_and_questions) {
    const auto path = folder_ / "texts.db";
    Store store = Store::open_for_writing(path);
    for (const auto& [policy, question] : policies_and_questions)
      store.add_explanation(explanation_of(policy, question));
    return read_snapshot(store);
  }
  static std::vector<size_t> all(const Snapshot& snapshot) {
    std::vector<size_t> places(snapshot.runs.size());
    std::iota(places.begin(), places.end(), 0);
    return places;
  }

  TemporaryFolder folder_;
};

TEST_F(ExplainedTextTest, QuestionsAreNotMixed) {
  const Snapshot snapshot =
      with({{"window:recent=2", "why"}, {"full", "who"}, {"h2o:heavy=1,recent=1", "why"}});
  const std::vector<ExplainedText> texts = explained_texts(snapshot, all(snapshot));
  ASSERT_EQ(texts.size(), 2U);
  EXPECT_EQ(texts[0].places.size() + texts[1].places.size(), 3U);
  EXPECT_TRUE(texts[0].title.contains(QStringLiteral("who")));
  EXPECT_TRUE(explained_texts(snapshot, {}).empty());
}

TEST_F(ExplainedTextTest, EvictionStandsAgainstRetrievalHeads) {
  const auto pair_of = [&](const std::vector<std::string>& policies) {
    std::vector<std::pair<std::string, std::string>> runs;
    std::filesystem::remove(folder_ / "texts.db");
    for (const std::string& policy : policies) runs.emplace_back(policy, "why");
    const Snapshot snapshot = with(runs);
    const PolicyPair pair = first_pair(snapshot, explained_texts(snapshot, all(snapshot)).front());
    const auto family = [&](size_t place) {
      return snapshot.name(snapshot.runs[place], Facet::family).toStdString();
    };
    return std::pair(family(pair.left), family(pair.right));
  };
  using Families = std::pair<std::string, std::string>;
  EXPECT_EQ(pair_of({"full", "razor:recent=2", "window:recent=2", "h2o:heavy=1,recent=1"}),
            Families("h2o", "razor"));
  EXPECT_EQ(pair_of({"full", "window:recent=2"}), Families("window", "full"));
  EXPECT_EQ(pair_of({"razor:recent=2", "full"}), Families("full", "razor"));
  EXPECT_EQ(pair_of({"full"}), Families("full", "full"));
  EXPECT_EQ(pair_of({"full", "tova:budget=4", "window:recent=3"}), Families("window", "full"));
}

TEST_F(ExplainedTextTest, ExplanationsAreRunsOfTheSnapshot) {
  const Snapshot snapshot = with({{"window:recent=2", "why"}});
  ASSERT_EQ(snapshot.runs.size(), 1U);
  const gui::Run& run = snapshot.runs.front();
  EXPECT_EQ(run.kind, RunKind::explain);
  EXPECT_EQ(snapshot.name(run, Facet::kind), QStringLiteral("explain"));
  EXPECT_EQ(snapshot.name(run, Facet::family), QStringLiteral("window"));
  EXPECT_EQ(snapshot.name(run, Facet::text), QStringLiteral("ab.txt"));
  EXPECT_EQ(snapshot.policy(run), snapshot.explanations.front().policy);
}

}  // namespace
}  // namespace razorscope::testing
