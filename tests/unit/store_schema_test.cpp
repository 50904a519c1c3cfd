#include <SQLiteCpp/SQLiteCpp.h>
#include <algorithm>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "experiments/store/schema.hpp"
#include "experiments/store/store.hpp"
#include "tests/support/stored_deployments.hpp"
#include "tests/support/stored_explanations.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

/// A file as this program makes it, walked by what SQLite knows of it.
class StoreSchemaTest : public ::testing::Test {
 protected:
  std::vector<std::string> strings(const std::string& sql) {
    SQLite::Statement statement(database_, sql);
    std::vector<std::string> out;
    while (statement.executeStep()) out.push_back(statement.getColumn(0).getString());
    return out;
  }

  TemporaryFolder folder_;
  Store store_ = Store::open_for_writing(folder_ / "results.db");
  SQLite::Database database_{(folder_ / "results.db").string(), SQLite::OPEN_READWRITE};
};

/// Figures that have no unit: counts, ranks, indices, flags, shares, scores, seeds and keys.
const std::set<std::string> unitless = {
    // keys
    "id", "run_id", "eval_run_id", "replay_run_id", "model_id", "text_id", "trace_id", "policy_id",
    "device_id", "provenance_id", "probe_id", "search_id", "device_replay_id", "sweep_id", "cell_id",
    "runner_id", "pid", "attention_id",
    // indices and ranks
    "layer", "query_head", "kv_head", "ordinal", "echo_rank", "induction_rank", "verdict_begin_token",
    "verdict_end_token",
    // counts
    "layers", "query_heads", "kv_heads", "head_size", "steps", "eval_steps", "replay_steps", "repeats",
    "threads", "protected_heads", "scored_rows", "units", "n", "correct", "needle_n", "multi_query_n",
    "replays", "texts", "batch", "max_batch", "max_batch_admitting", "kv_blocks", "sequences",
    "max_sequences", "tp", "engines", "prefill_engines", "decode_engines", "requests", "completed",
    "preemptions", "attempts", "cells", "done", "failed", "pending", "running", "waiting", "mean_running",
    "mean_waiting", "probes", "token_budget",
    // flags
    "dropped_nothing", "token_by_token", "query_aware", "model_can", "memory_is_nominal", "prefix_cache",
    "fits", "assumes_heads", "beyond_model", "is_retrieval_head",
    // shares, relative errors and scores
    "relative_error", "relative_error_max", "relative_error_mean", "relative_error_p99", "output_error_mean",
    "lost_mass", "lost_mass_max", "lost_mass_mean", "largest_dropped_weight", "regret_mean", "top1_agreement",
    "accuracy", "full_accuracy", "low", "high", "needle_accuracy", "multi_query_accuracy", "depth", "echo",
    "induction", "wanted_share", "tolerance", "utilisation", "goodput_share", "kv_use", "peak_kv_use",
    "mean_kv_use", "memory_utilisation", "compute_utilisation", "accumulated_f32", "asked_f16",
    // seeds
    "seed",
    // texts that views compute, whose type SQLite does not know
    "kind", "text", "names", "text_ids", "id_of", "started_utc", "finished_utc",
    // codes
    "exit_code"};

bool names_its_unit(const std::string& column) {
  std::istringstream words(column);
  const std::set<std::string> units = {"bytes", "nats", "ms", "second", "seconds", "tokens"};
  for (std::string word; std::getline(words, word, '_');) {
    if (units.contains(word)) return true;
  }
  return false;
}

TEST_F(StoreSchemaTest, HasOnlyStrictTables) {
  EXPECT_GT(strings("SELECT name FROM sqlite_schema WHERE type = 'table'").size(), 20U);
  EXPECT_EQ(
      strings("SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main' AND name NOT LIKE "
              "'sqlite%' AND NOT strict"),
      std::vector<std::string>());
}

TEST_F(StoreSchemaTest, NamesTheUnitOfEveryFigureThatHasOne) {
  const std::string columns =
      "SELECT things.name || '.' || columns.name FROM sqlite_schema AS things JOIN "
      "pragma_table_info(things.name) AS columns WHERE things.type IN ('table', 'view') AND columns.type != "
      "'TEXT'";
  std::set<std::string> seen;
  for (const std::string& column : strings(columns)) {
    const std::string name = column.substr(column.find('.') + 1);
    EXPECT_TRUE(names_its_unit(name) != unitless.contains(name)) << column;
    seen.insert(name);
  }
  for (const std::string& name : unitless)
    EXPECT_TRUE(seen.contains(name)) << name << " is no column any more";
}

TEST_F(StoreSchemaTest, RefersOnlyToWhatIsThere) {
  const int64_t run = store_.add_replay(record_of("full"));
  store_.add_eval(eval_of("full"));
  store_.add_task(task_of("full"));
  store_.add_explanation(explanation_of("full"));
  store_.add_probe(probe_of());
  const int64_t served = store_.add_serving(serving_of("full", 2.0));
  EXPECT_EQ(run, 1);
  RateSearchRecord search;
  search.run_id = served;
  search.probe_runs = {served};
  search.outcome = "found";
  store_.add_rate_search(search);
  EXPECT_EQ(strings("PRAGMA foreign_key_check"), std::vector<std::string>());
  // A key that names another table's row is declared as one.
  EXPECT_EQ(
      strings("SELECT tables.name || '.' || columns.name FROM sqlite_schema AS tables "
              "JOIN pragma_table_info(tables.name) AS columns "
              "LEFT JOIN pragma_foreign_key_list(tables.name) AS keys ON keys.\"from\" = columns.name "
              "WHERE tables.type = 'table' AND columns.name LIKE '%\\_id' ESCAPE '\\' AND keys.id IS NULL"),
      std::vector<std::string>());
}

TEST_F(StoreSchemaTest, FindsEveryRowThatRefersToAnotherByAnIndex) {
  // Else each row that is removed or replaced would walk the whole table that refers to it.
  for (const std::string& column :
       strings("SELECT DISTINCT tables.name || '.' || keys.\"from\" FROM sqlite_schema AS tables "
               "JOIN pragma_foreign_key_list(tables.name) AS keys WHERE tables.type = 'table'")) {
    const size_t dot = column.find('.');
    const std::string table = column.substr(0, dot);
    const std::string key = column.substr(dot + 1);
    const std::vector<std::string> plan = [&] {
      SQLite::Statement statement(database_,
                                  "EXPLAIN QUERY PLAN SELECT 1 FROM " + table + " WHERE " + key + " = 1");
      std::vector<std::string> out;
      while (statement.executeStep()) out.push_back(statement.getColumn(3).getString());
      return out;
    }();
    ASSERT_FALSE(plan.empty());
    EXPECT_TRUE(plan.front().starts_with("SEARCH")) << column << ": " << plan.front();
  }
}

TEST_F(StoreSchemaTest, HasViewsThatNeedNoRow) {
  const std::vector<std::string> views =
      strings("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name");
  for (const char* name :
       {"tradeoff", "pareto", "head_errors", "retrieval_heads", "capacity", "goodput", "provenance",
        "provenance_of_runs", "provenance_of_deployment_runs", "head_ranking", "closed_loop", "tasks",
        "ladder", "explained_answers", "max_rates", "replays_on_devices", "texts_of_runs"}) {
    EXPECT_TRUE(std::find(views.begin(), views.end(), name) != views.end()) << name;
  }
  for (const std::string& view : views)
    EXPECT_EQ(strings("SELECT count(*) FROM " + view), std::vector<std::string>{"0"}) << view;
}

}  // namespace
}  // namespace razorscope::testing
