#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "experiments/store/store.hpp"
#include "policies/retrieval_heads.hpp"
#include "tests/support/stored_deployments.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

using Rows = std::vector<std::vector<std::string>>;

class StoreViewsTest : public ::testing::Test {
 protected:
  /// Cells as text, NULL as "-".
  Rows rows(const std::string& sql) {
    SQLite::Database database((folder_ / "results.db").string(), SQLite::OPEN_READONLY);
    SQLite::Statement statement(database, sql);
    Rows out;
    while (statement.executeStep()) {
      std::vector<std::string>& row = out.emplace_back();
      for (int i = 0; i < statement.getColumnCount(); ++i) {
        const SQLite::Column cell = statement.getColumn(i);
        row.push_back(cell.isNull() ? "-" : cell.getString());
      }
    }
    return out;
  }

  /// A replay of so many bytes and such an error, named after its recent tokens.
  void add_replay(int recent, size_t bytes, double error, int prefix = 1536) {
    ReplayRecord record = record_of("window:recent=" + std::to_string(recent), 2, error);
    record.result.compressed = {};
    record.result.compressed.keys = bytes;
    record.prefix = prefix;
    store_.add_replay(record);
  }
  void add_eval(int recent, size_t bytes, double kl) {
    EvalRecord record = eval_of("window:recent=" + std::to_string(recent), kl);
    record.result.compressed = {};
    record.result.compressed.keys = bytes;
    store_.add_eval(record);
  }

  TemporaryFolder folder_;
  Store store_ = Store::open_for_writing(folder_ / "results.db");
};

constexpr const char* recent_of_front =
    "SELECT substr(policy, instr(policy, 'recent=') + 7, 3) FROM pareto WHERE kind = 'replay' AND "
    "prefix_tokens = 1536 ORDER "
    "BY 1";

TEST_F(StoreViewsTest, PutsOnTheFrontWhatNothingBeats) {
  add_replay(101, 100, 0.9);
  add_replay(102, 200, 0.5);
  add_replay(103, 300, 0.5);  // as wrong as a smaller one
  add_replay(104, 200, 0.6);  // as large as a better one
  add_replay(105, 200, 0.5);  // the equal of 102
  add_replay(106, 400, 0.7);  // beaten in both
  add_replay(107, 500, 0.25);
  add_replay(108, 50, 0.01, 100);  // of another prefix: beats nobody here
  const Rows front = rows(recent_of_front);
  EXPECT_EQ(front, (Rows{{"101"}, {"102"}, {"105"}, {"107"}}));
  EXPECT_EQ(rows("SELECT count(*) FROM pareto WHERE prefix_tokens = 100"), (Rows{{"1"}}));
}

TEST_F(StoreViewsTest, JudgesEvaluationsByTheirDivergenceApartFromReplays) {
  add_replay(101, 10, 0.001);
  add_eval(101, 100, 0.5);
  add_eval(102, 200, 0.25);
  add_eval(103, 300, 0.375);
  EXPECT_EQ(rows("SELECT kind, text, physical_bytes, relative_error_mean, kl_to_full_nats FROM pareto ORDER "
                 "BY 1, 3"),
            (Rows{{"eval", "harbour.txt", "100", "-", "0.5"},
                  {"eval", "harbour.txt", "200", "-", "0.25"},
                  {"replay", "harbour.txt", "10", "0.001", "-"}}));
}

/// The definition, pair by pair.
TEST_F(StoreViewsTest, FindsTheFrontThatTheDefinitionNames) {
  std::mt19937 random(7);
  struct Point {
    size_t bytes;
    double error;
  };
  std::vector<Point> points;
  for (int i = 0; i < 60; ++i) {
    points.push_back({random() % 20 * 10, static_cast<double>(random() % 20) / 16});
    add_replay(100 + i, points.back().bytes, points.back().error);
  }
  Rows expected;
  for (size_t i = 0; i < points.size(); ++i) {
    bool beaten = false;
    for (const Point& other : points) {
      beaten |= other.bytes <= points[i].bytes && other.error <= points[i].error &&
                (other.bytes < points[i].bytes || other.error < points[i].error);
    }
    if (!beaten) expected.push_back({std::to_string(100 + i)});
  }
  EXPECT_EQ(rows(recent_of_front), expected);
}

TEST_F(StoreViewsTest, NamesWhatHeadsBelongTo) {
  store_.add_replay(at_share(record_of("window:recent=300"), "window:recent=508", 0.3));
  ReplayRecord without_text = record_of("full");
  without_text.text = {};
  without_text.trace.content_hash = "c2";
  store_.add_replay(without_text);
  EXPECT_EQ(
      rows(
          "SELECT text, prefix_tokens, policy, equal_bytes_share, layer, query_head, relative_error, kl_nats "
          "FROM head_errors WHERE policy LIKE 'window%' AND layer = 1 AND query_head = 2"),
      (Rows{{"harbour.txt", "1536", "window/original-positions:sinks=4,recent=300,when=every-step+f16", "0.3",
             "1", "2", "5.25", "2.5"}}));
  EXPECT_EQ(rows("SELECT count(*) FROM head_errors"), (Rows{{"12"}}));
}

/// As `razorscope probe` chooses them, over numbers of heads that round up and down, and with equal scores.
TEST_F(StoreViewsTest, ChoosesTheRetrievalHeadsThatTheProgramDoes) {
  std::mt19937 random(3);
  for (const auto& [layers, heads] :
       {std::pair{1, 1}, {1, 4}, {2, 2}, {5, 5}, {7, 11}, {30, 3}, {32, 8}, {50, 1}}) {
    ProbeRecord record = probe_of();
    HeadScores& scores = record.scores;
    scores.layers = layers;
    scores.kv_heads = heads;
    scores.query_heads = 2 * heads;
    scores.block = layers * 100 + heads;  // tells probes apart
    const auto count = static_cast<size_t>(layers * heads * 2);
    scores.echo.assign(count, 0.0);
    scores.induction.assign(count, 0.0);
    for (size_t i = 0; i < count; ++i) {
      scores.echo[i] = static_cast<double>(random() % 16) / 16;
      scores.induction[i] = static_cast<double>(random() % 64) / 64;
    }
    const int64_t probe = store_.add_probe(record);
    Rows expected;
    for (const auto& [layer, head] : choose_retrieval_heads(scores, {}))
      expected.push_back({std::to_string(layer), std::to_string(head)});
    EXPECT_EQ(rows("SELECT layer, kv_head FROM retrieval_heads WHERE is_retrieval_head AND probe_id = " +
                   std::to_string(probe) + " ORDER BY 1, 2"),
              expected)
        << layers << " x " << heads;
  }
}

TEST_F(StoreViewsTest, TellsWhereEveryKindOfRunComesFrom) {
  store_.add_replay(record_of("full"));
  store_.add_eval(eval_of("full"));
  store_.add_task(task_of("full"));
  store_.add_probe(probe_of());
  const int64_t served = store_.add_serving(serving_of("full", 2.0));
  store_.add_plan(on_device<PlanRecord>("full"));
  RateSearchRecord search;
  search.run_id = served;
  search.probe_runs = {served};
  search.outcome = "found";
  search.command_line = "razorscope serve --search-rate";
  search.wall_seconds = 9.5;
  store_.add_rate_search(search);
  EXPECT_EQ(
      rows("SELECT kind, policy, device, command_line, wall_seconds, git_commit, cpu, kernel_target, threads "
           "FROM provenance ORDER BY kind"),
      (Rows{{"eval", "full+f16", "-", "razorscope eval", "1.5", "abc", "a cpu", "scalar", "2"},
            {"plan", "full+f16", "L40S", "razorscope replay", "1.5", "abc", "a cpu", "scalar", "2"},
            {"probe", "-", "-", "razorscope probe", "2.5", "abc", "a cpu", "scalar", "2"},
            {"rate search", "full+f16", "L40S", "razorscope serve --search-rate", "9.5", "abc", "a cpu",
             "scalar", "2"},
            {"replay", "full+f16", "-", "razorscope replay", "1.5", "abc", "a cpu", "scalar", "2"},
            {"serve", "full+f16", "L40S", "razorscope replay", "1.5", "abc", "a cpu", "scalar", "2"},
            {"task", "full+f16", "-", "razorscope task needle", "1.5", "abc", "a cpu", "scalar", "2"}}));
}

}  // namespace
}  // namespace razorscope::testing
