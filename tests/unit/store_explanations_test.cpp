// What is stored of an explanation is what was computed.
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "experiments/store/store.hpp"
#include "sim/closed_loop/token_audit.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/small_model.hpp"
#include "tests/support/stored_explanations.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

namespace fs = std::filesystem;

void expect_same_attention(const AttentionRecord& a, const AttentionRecord& b) {
  EXPECT_EQ(a.layers, b.layers);
  EXPECT_EQ(a.kv_heads, b.kv_heads);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.question, b.question);
  EXPECT_EQ(a.accumulated, b.accumulated);
  EXPECT_EQ(a.asked, b.asked);
}

using Losses = std::vector<std::vector<int>>;

Losses losses_of(const PolicyExplanation& policy) {
  Losses losses;
  for (const LaterLoss& loss : policy.later)
    losses.push_back({loss.layer, loss.kv_head, loss.position, loss.step});
  return losses;
}

void expect_same_policy(const PolicyExplanation& a, const PolicyExplanation& b) {
  EXPECT_EQ(a.policy, b.policy);
  EXPECT_EQ(a.layers, b.layers);
  EXPECT_EQ(a.kv_heads, b.kv_heads);
  EXPECT_EQ(a.fates, b.fates);
  EXPECT_EQ(losses_of(a), losses_of(b));
  EXPECT_EQ(a.log_odds, b.log_odds);
  EXPECT_EQ(a.log_odds_without_verdict, b.log_odds_without_verdict);
  EXPECT_EQ(a.compressed.nominal, b.compressed.nominal);
  EXPECT_EQ(a.compressed.logical(), b.compressed.logical());
  EXPECT_EQ(a.compressed.physical(), b.compressed.physical());
}

class StoreExplanationsTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  fs::path path_ = folder_ / "results.db";
  Store store_ = Store::open_for_writing(path_);
};

TEST_F(StoreExplanationsTest, GivesBackWhatAModelsExplanationIs) {
  const SmallModel model(false);
  const ExplainRequest request = {
      .text = "Na\xc3\xafve \xf0\x9f\x98\x80 start.\nThe verdict stands here.\nThe last one.\n",
      .question = "\nSo it\xe2\x80\xa6 is",
      .positive = " good",
      .negative = " bad",
      .verdict = "verdict"};
  const std::vector<Policy> policies = Policy::parse_list(
      "window:sinks=2,recent=6;h2o:heavy=5,recent=6;snapkv:budget=20,observe=5,group_agg=query-head;"
      "razor/weighted:recent=10," +
      model.heads());
  NoProgress progress;
  const Explanation computed = explain(
      model.transformer(), model.tokenizer(), request, [&](int) { return policies; }, model.knowledge(),
      progress);
  std::vector<int64_t> runs;
  for (size_t i = 0; i < policies.size(); ++i) {
    ExplainRecord record;
    record.policy = policies[i];
    record.model = {model.shape(), "m1"};
    record.provenance = record_of("full").provenance;
    record.request = request;
    record.result = computed.policies[i];
    record.full = computed.full;
    record.pieces = computed.pieces;
    record.verdict_begin = computed.verdict_begin;
    record.verdict_end = computed.verdict_end;
    record.attention = computed.attention;
    record.text = {"text.txt", "t1"};
    runs.push_back(store_.add_explanation(record));
  }
  EXPECT_EQ(ask(path_, "SELECT count(*) FROM explanation_attention"), 1);
  Store reader = Store::open_read_only(path_);
  for (size_t i = 0; i < runs.size(); ++i) {
    const std::optional<StoredExplanation> stored = reader.explanation(runs[i]);
    ASSERT_TRUE(stored);
    SCOPED_TRACE(stored->row.policy);
    const Explanation& read = stored->explanation;
    EXPECT_EQ(stored->text, request.text);
    EXPECT_EQ(read.pieces, computed.pieces);
    EXPECT_EQ(read.verdict_begin, computed.verdict_begin);
    EXPECT_EQ(read.verdict_end, computed.verdict_end);
    EXPECT_EQ(read.full.log_odds, computed.full.log_odds);
    EXPECT_EQ(read.full.log_odds_without_verdict, computed.full.log_odds_without_verdict);
    ASSERT_EQ(read.policies.size(), 1U);
    expect_same_policy(read.policies.front(), computed.policies[i]);
    const auto tokens = static_cast<int>(computed.pieces.size());
    EXPECT_EQ(held_shares(read.policies.front(), tokens), held_shares(computed.policies[i], tokens));
    ASSERT_TRUE(read.attention);
    expect_same_attention(*read.attention, *computed.attention);
    for (int token = 0; token < tokens; token += 7) {
      const auto from_file = audit_token(read.policies.front(), *read.attention, token);
      const auto fresh = audit_token(computed.policies[i], *computed.attention, token);
      ASSERT_EQ(from_file.size(), fresh.size());
      for (size_t h = 0; h < fresh.size(); ++h) {
        EXPECT_EQ(from_file[h].left_step, fresh[h].left_step);
        EXPECT_EQ(from_file[h].rank, fresh[h].rank);
        EXPECT_EQ(from_file[h].accumulated, fresh[h].accumulated);
        EXPECT_EQ(from_file[h].missed, fresh[h].missed);
      }
    }
  }
}

TEST_F(StoreExplanationsTest, ListsWhatTellsThemApart) {
  ExplainRecord record = at_share(explanation_of("window:recent=2"), "window:recent=508", 0.3);
  const int64_t run = store_.add_explanation(record);
  const int64_t other = store_.add_explanation(explanation_of("full", "who"));
  const std::vector<ExplanationRow> rows = store_.explanations();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].run_id, other) << "by question";
  const ExplanationRow& row = rows[1];
  EXPECT_EQ(row.run_id, run);
  EXPECT_EQ(row.model, record.model.shape.name);
  EXPECT_EQ(row.model_sha256, "m1");
  EXPECT_EQ(row.text, "ab.txt");
  EXPECT_EQ(row.prefix, 3);
  EXPECT_EQ(row.policy, record.policy.name());
  EXPECT_EQ(row.requested_policy, record.requested->name());
  EXPECT_EQ(row.comparison, equal_bytes);
  EXPECT_EQ(row.equal_bytes_share, 0.3);
  EXPECT_EQ(row.full_f16_bytes, 10'000);
  EXPECT_EQ(row.question, "why");
  EXPECT_EQ(row.positive, " yes");
  EXPECT_EQ(row.negative, " no");
  EXPECT_EQ(row.verdict_begin, 2);
  EXPECT_EQ(row.verdict_end, 3);
  EXPECT_EQ(row.log_odds, 0.125);
  EXPECT_EQ(row.log_odds_without_verdict, -0.1);
  EXPECT_EQ(row.full_log_odds, -7.1);
  EXPECT_EQ(row.full_log_odds_without_verdict, 0.3);
  EXPECT_EQ(row.layers, 2);
  EXPECT_EQ(row.kv_heads, 1);
  EXPECT_EQ(row.nominal_bytes, 140.5);
  EXPECT_EQ(row.logical_bytes, 157);
  EXPECT_EQ(row.physical_bytes, 170);
  ASSERT_TRUE(row.attention_id && rows[0].attention_id);
  EXPECT_NE(row.attention_id, rows[0].attention_id);
  EXPECT_FALSE(store_.explanation(999));
  EXPECT_FALSE(store_.explanation(store_.add_replay(record_of("full"))));
  EXPECT_EQ(ask(path_, "SELECT 1000 * relative_bytes FROM explained_answers WHERE question = 'why'"), 17);
}

TEST_F(StoreExplanationsTest, OneRecordServesAllPoliciesOfATextAndQuestion) {
  const auto id_of = [&](const ExplainRecord& record) {
    return store_.explanation(store_.add_explanation(record))->row.attention_id;
  };
  const std::optional<int64_t> id = id_of(explanation_of("full"));
  ASSERT_TRUE(id);
  EXPECT_EQ(id_of(explanation_of("window:recent=2")), id);
  ExplainRecord other_answers = explanation_of("full");
  other_answers.request.positive = " perhaps";
  EXPECT_EQ(id_of(other_answers), id);
  EXPECT_NE(id_of(explanation_of("full", "who")), id);
  ExplainRecord in_bf16 = explanation_of("full");
  in_bf16.provenance.compute = "bf16";
  EXPECT_NE(id_of(in_bf16), id);
  ExplainRecord of_other_model = explanation_of("full");
  of_other_model.model.sha256 = "m2";
  EXPECT_NE(id_of(of_other_model), id);
  ExplainRecord of_other_text = explanation_of("full");
  of_other_text.request.text = "a b";
  EXPECT_NE(id_of(of_other_text), id);
  EXPECT_EQ(ask(path_, "SELECT count(*) FROM explanation_attention"), 5);
}

TEST_F(StoreExplanationsTest, TheLatestRecordIsKept) {
  const int64_t run = store_.add_explanation(explanation_of("full"));
  const std::optional<int64_t> id = store_.explanation(run)->row.attention_id;
  ExplainRecord again = explanation_of("full");
  const std::shared_ptr<AttentionRecord> shorter = attention_to("why");
  shorter->asked.resize(6);
  shorter->asked[0] = 0.5F;
  again.attention = shorter;
  EXPECT_EQ(store_.add_explanation(again), run);
  EXPECT_EQ(store_.explanation(run)->row.attention_id, id);
  expect_same_attention(*store_.explanation(run)->explanation.attention, *shorter);
  EXPECT_EQ(store_.explanation(run)->explanation.attention->steps(), 1);
  const std::shared_ptr<AttentionRecord> without = attention_to("why");
  without->asked.clear();
  again.attention = without;
  store_.add_explanation(again);
  EXPECT_EQ(store_.explanation(run)->explanation.attention->steps(), 0);
  EXPECT_EQ(ask(path_, "SELECT count(*) FROM explanation_attention"), 1);
}

TEST_F(StoreExplanationsTest, OneWithoutARecordIsReadWithoutIt) {
  ExplainRecord record = explanation_of("full");
  record.attention.reset();
  record.result.log_odds_without_verdict.reset();
  const std::optional<StoredExplanation> stored = store_.explanation(store_.add_explanation(record));
  ASSERT_TRUE(stored);
  EXPECT_FALSE(stored->explanation.attention);
  EXPECT_FALSE(stored->row.attention_id);
  EXPECT_FALSE(stored->row.log_odds_without_verdict);
  expect_same_policy(stored->explanation.policies.front(), record.result);
  ASSERT_EQ(store_.explanations().size(), 1U);
}

TEST_F(StoreExplanationsTest, RemovingARunLeavesTheRecordToOthers) {
  const int64_t first = store_.add_explanation(explanation_of("full"));
  const int64_t second = store_.add_explanation(explanation_of("window:recent=2"));
  {
    SQLite::Database database(path_.string(), SQLite::OPEN_READWRITE);
    database.exec(fmt::format("PRAGMA foreign_keys = ON; DELETE FROM runs WHERE id = {}", first));
  }
  EXPECT_FALSE(store_.explanation(first));
  EXPECT_TRUE(store_.explanation(second)->explanation.attention);
  {
    SQLite::Database database(path_.string(), SQLite::OPEN_READWRITE);
    database.exec("PRAGMA foreign_keys = ON; DELETE FROM explanation_attention");
  }
  EXPECT_FALSE(store_.explanation(second)->explanation.attention);
}

TEST_F(StoreExplanationsTest, SaysWhatIsDamaged) {
  const int64_t run = store_.add_explanation(explanation_of("full"));
  const auto damaged_by = [&](const std::string& sql) {
    SCOPED_TRACE(sql);
    {
      SQLite::Database database(path_.string(), SQLite::OPEN_READWRITE);
      database.exec("PRAGMA ignore_check_constraints = ON; SAVEPOINT before");
      database.exec(sql);
      database.exec("RELEASE before");
    }
    expect_message("runtime", {path_.string(), "damaged"}, [&] { store_.explanation(run); });
    store_.add_explanation(explanation_of("full"));
    EXPECT_TRUE(store_.explanation(run)) << "storing it again repairs it";
  };
  damaged_by("UPDATE explanations SET token_end_bytes_json = '[0, 1, 9]'");
  damaged_by("UPDATE explanations SET token_end_bytes_json = '[0, 2, 1]'");
  damaged_by("UPDATE explanations SET token_end_bytes_json = '[0, 1'");
  damaged_by("UPDATE explanations SET fates = 'swd'");
  damaged_by("UPDATE explanations SET later_losses_json = '[[1, 2]]'");
  damaged_by("UPDATE explanation_attention SET accumulated_f32 = zeroblob(20)");
  damaged_by("UPDATE explanation_attention SET asked_f16 = zeroblob(20)");
  // Sizes that a row's own check accepts.
  damaged_by(
      "UPDATE explanation_attention SET text_tokens = 2, recorded_tokens = 0, accumulated_f32 = "
      "zeroblob(16), "
      "asked_f16 = zeroblob(0)");
}

TEST_F(StoreExplanationsTest, PlacesOutsideOfTheTextOrTheHeadsAreDamage) {
  int files = 0;
  for (const char* sql : {
           "UPDATE explanations SET later_losses_json = '[[0, 0, 3, 1]]'",
           "UPDATE explanations SET later_losses_json = '[[0, 0, -1, 1]]'",
           "UPDATE explanations SET later_losses_json = '[[2, 0, 1, 1]]'",
           "UPDATE explanations SET later_losses_json = '[[0, 1, 1, 1]]'",
           "UPDATE explanations SET later_losses_json = '[[0, 0, 1, 0]]'",
           "UPDATE explanations SET verdict_end_token = 4",
           "UPDATE explanations SET verdict_begin_token = -1",
           "UPDATE explanations SET verdict_begin_token = 2, verdict_end_token = 1",
           "UPDATE explanations SET layers = -2, kv_heads = -1",
           "UPDATE explanation_attention SET kv_heads = 0, accumulated_f32 = zeroblob(0), asked_f16 = "
           "zeroblob(0)",
           "UPDATE explanation_attention SET layers = -2, kv_heads = -1",
           "UPDATE explanation_attention SET layers = 1, kv_heads = 2",
           "UPDATE explanation_attention SET layers = 1, accumulated_f32 = zeroblob(12), recorded_tokens = "
           "0, "
           "asked_f16 = zeroblob(0)",
           "UPDATE explanation_attention SET layers = 1073741824, kv_heads = 1073741824",
           "UPDATE explanation_attention SET recorded_tokens = -1",
       }) {
    SCOPED_TRACE(sql);
    const fs::path path = folder_ / fmt::format("{}.db", ++files);
    const int64_t run = Store::open_for_writing(path).add_explanation(explanation_of("full"));
    {
      SQLite::Database database(path.string(), SQLite::OPEN_READWRITE);
      database.exec("PRAGMA ignore_check_constraints = ON");
      database.exec(sql);
    }
    Store reader = Store::open_read_only(path);
    expect_message("runtime", {path.string(), "damaged"}, [&] { reader.explanation(run); });
  }
}

TEST_F(StoreExplanationsTest, RefusesASizeThatIsNotTheRows) {
  store_.add_explanation(explanation_of("full"));
  SQLite::Database database(path_.string(), SQLite::OPEN_READWRITE);
  EXPECT_THROW(database.exec("UPDATE explanation_attention SET asked_f16 = zeroblob(20)"), SQLite::Exception);
  ExplainRecord record = explanation_of("window:recent=2", "who");
  const std::shared_ptr<AttentionRecord> attention = attention_to("who");
  attention->accumulated.pop_back();
  record.attention = attention;
  expect_message("runtime", {path_.string(), "CHECK"}, [&] { store_.add_explanation(record); });
  EXPECT_EQ(store_.explanations().size(), 1U) << "all of it or nothing";
}

}  // namespace
}  // namespace razorscope::testing
