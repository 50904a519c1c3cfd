#include <SQLiteCpp/SQLiteCpp.h>
#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "experiments/store/file_system.hpp"
#include "experiments/store/merge.hpp"
#include "experiments/store/schema.hpp"
#include "experiments/store/store.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/stored_deployments.hpp"
#include "tests/support/stored_explanations.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

namespace fs = std::filesystem;

/// A result of any kind, by number: kinds alternate, and all share models, texts, traces or devices.
void store_result(Store& store, int number) {
  const std::string policy = fmt::format("window:recent={}", 100 + number);
  switch (number % 6) {
    case 0: {
      const int64_t run = store.add_replay(record_of(policy, 2 + number));
      DeviceReplayResult on_device;
      on_device.shape = "made up";
      on_device.occupancy = {{0.0, 1.0}, {0.5, 2.0 + number}};
      store.add_device_replay(run, serving_of(policy, 1.0).deployment, on_device);
      return;
    }
    case 1:
      store.add_eval(eval_of(policy, 0.125 * number));
      return;
    case 2:
      store.add_task(task_of(policy, number % 40));
      return;
    case 3: {
      RateSearchRecord search;
      search.run_id = store.add_serving(serving_of(policy, 1.0));
      search.probe_runs = {search.run_id, store.add_serving(serving_of(policy, 2.0))};
      search.wanted_share = 0.9;
      search.outcome = "found";
      store.add_rate_search(search);
      return;
    }
    case 4: {
      auto plan = on_device<PlanRecord>(policy);
      plan.row.max_batch = number;
      store.add_plan(plan);
      return;
    }
    default: {
      ReplayRecord nameless = record_of(policy);  // as other programs' traces are
      nameless.model.sha256 = nameless.text.sha256 = "";
      nameless.trace.content_hash = "c2";
      store.add_replay(nameless);
    }
  }
}

/// What is stored, whatever the ids and the order in which it came: lines of JSON.
std::vector<std::string> contents(const fs::path& path) {
  SQLite::Database database(path.string(), SQLite::OPEN_READONLY);
  EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
  EXPECT_FALSE(SQLite::Statement(database, "PRAGMA foreign_key_check").executeStep());
  std::vector<std::string> lines;
  for (const char* sql :
       {"SELECT 'run', r.config_hash, m.name, m.sha256, p.canonical_name, t.content_hash, tt.name, r.seed, "
        "v.cpu, "
        "(SELECT json_group_array(json_array(layer, query_head, relative_error)) FROM replay_heads WHERE "
        "run_id = r.id), "
        "(SELECT relative_error_mean FROM replay_results WHERE run_id = r.id), "
        "(SELECT kl_to_full_nats FROM eval_results WHERE run_id = r.id), "
        "(SELECT correct FROM task_results WHERE run_id = r.id), "
        "(SELECT count(*) FROM task_answers WHERE run_id = r.id), "
        "(SELECT group_concat(texts.name) FROM run_texts JOIN texts ON texts.id = text_id WHERE run_id = "
        "r.id) "
        "FROM runs r JOIN models m ON m.id = r.model_id JOIN policies p ON p.id = r.policy_id "
        "JOIN programs v ON v.id = r.provenance_id LEFT JOIN traces t ON t.id = r.trace_id "
        "LEFT JOIN texts tt ON tt.id = t.text_id",
        "SELECT 'deployment', r.config_hash, r.kind, d.content_hash, m.name, p.canonical_name, "
        "(SELECT rate_per_second FROM serving_runs WHERE run_id = r.id), "
        "(SELECT json_group_array(kv_use) FROM serving_timeline WHERE run_id = r.id), "
        "(SELECT max_batch FROM plans WHERE run_id = r.id) "
        "FROM deployment_runs r JOIN devices d ON d.id = r.device_id JOIN models m ON m.id = r.model_id "
        "JOIN policies p ON p.id = r.policy_id",
        "SELECT 'search', s.config_hash, r.config_hash, (SELECT group_concat(config_hash) FROM (SELECT "
        "config_hash "
        "FROM rate_search_probes p JOIN deployment_runs ON id = p.run_id WHERE search_id = s.id ORDER BY 1)) "
        "FROM rate_searches s JOIN deployment_runs r ON r.id = s.run_id",
        "SELECT 'on device', r.config_hash, d.content_hash, (SELECT json_group_array(kv_bytes) FROM "
        "device_replay_occupancy WHERE device_replay_id = x.id) "
        "FROM device_replays x JOIN runs r ON r.id = x.run_id JOIN devices d ON d.id = x.device_id",
        "SELECT 'rows', (SELECT count(*) FROM models), (SELECT count(*) FROM texts), (SELECT count(*) FROM "
        "policies), "
        "(SELECT count(*) FROM programs), (SELECT count(*) FROM devices)"}) {
    SQLite::Statement query(database, sql);
    while (query.executeStep()) {
      std::string line;
      for (int i = 0; i < query.getColumnCount(); ++i) line += query.getColumn(i).getString() + '|';
      lines.push_back(line);
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

void store_results(const fs::path& path, const std::vector<int>& numbers) {
  Store store = Store::open_for_writing(path);
  for (const int number : numbers) store_result(store, number);
}

MergeCounts merge(const fs::path& into, const fs::path& from) { return merge_database(into, from); }

void execute(const fs::path& path, const std::string& sql) {
  SQLite::Database database(path.string(), SQLite::OPEN_READWRITE, 10'000);
  database.exec(sql);
}

TEST(StoreMergeTest, MakesWhatStoringAllInOneFileMakes) {
  const TemporaryFolder folder;
  store_results(folder / "all.db", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  store_results(folder / "a.db", {11, 6, 7, 3});
  store_results(folder / "b.db", {9, 2, 1, 0, 4, 5, 10, 8});
  const MergeCounts first = merge(folder / "into.db", folder / "a.db");
  EXPECT_GT(first.added, 10);
  EXPECT_EQ(first.replaced + first.kept, 0);
  merge(folder / "into.db", folder / "b.db");
  EXPECT_EQ(contents(folder / "into.db"), contents(folder / "all.db"));
  const MergeCounts again = merge(folder / "into.db", folder / "a.db");
  EXPECT_EQ(again.added, 0);
  EXPECT_GT(again.replaced, 0);
  EXPECT_EQ(contents(folder / "into.db"), contents(folder / "all.db"));
}

TEST(StoreMergeTest, AnyShardsInAnyOrderMakeTheSameRows) {
  std::mt19937 random(1);
  const auto below = [&](int limit) { return std::uniform_int_distribution(0, limit - 1)(random); };
  for (int round = 0; round < 4; ++round) {
    const TemporaryFolder folder;
    std::vector<int> all;
    for (int i = 0; i < 3; ++i) {
      std::vector<int> numbers;
      for (int n = below(6); n > 0; --n) numbers.push_back(below(12));
      store_results(folder / fmt::format("{}.db", i), numbers);
      all.insert(all.end(), numbers.begin(), numbers.end());
    }
    std::vector<int> order = {0, 1, 2, below(3)};
    std::shuffle(order.begin(), order.end(), random);
    for (const int i : order) merge(folder / "into.db", folder / fmt::format("{}.db", i));
    store_results(folder / "all.db", all);
    EXPECT_EQ(contents(folder / "into.db"), contents(folder / "all.db"));
  }
}

TEST(StoreMergeTest, ReplacesTheSameRunAndKeepsItsId) {
  const TemporaryFolder folder;
  int64_t id = 0;
  {
    Store store = Store::open_for_writing(folder / "into.db");
    store.add_replay(record_of("full"));
    id = store.add_replay(record_of("window:recent=100", 6, 0.25));
    ReplayRecord newer = record_of("window:recent=100", 4, 0.5);
    newer.command_line = "razorscope again";
    Store::open_for_writing(folder / "from.db").add_replay(newer);
  }
  merge(folder / "into.db", folder / "from.db");
  Store store = Store::open_read_only(folder / "into.db");
  ASSERT_EQ(store.tradeoff().size(), 2U);
  EXPECT_EQ(store.tradeoff()[1].run_id, id);
  EXPECT_EQ(store.tradeoff()[1].relative_error_mean, 0.5);
  EXPECT_EQ(store.head_errors(id).size(), 4U);
  EXPECT_EQ(store.provenance_of_runs()[1].command_line, "razorscope again");
}

TEST(StoreMergeTest, CarriesTheAttentionOfExplanations) {
  const TemporaryFolder folder;
  const fs::path into = folder / "into.db";
  {
    Store store = Store::open_for_writing(into);
    store.add_explanation(explanation_of("full", "who"));
    store.add_explanation(explanation_of("full", "why"));
    ExplainRecord bare = explanation_of("window:recent=4", "why");
    bare.attention.reset();
    store.add_explanation(bare);
  }
  {
    // Other ids: the question that both know is the first here and the second there.
    Store store = Store::open_for_writing(folder / "from.db");
    store.add_explanation(explanation_of("window:recent=2", "why"));
    store.add_explanation(explanation_of("window:recent=2", "when"));
    store.add_explanation(explanation_of("window:recent=4", "why"));
  }
  merge(into, folder / "from.db");
  EXPECT_EQ(merge(into, folder / "from.db").added, 0);
  EXPECT_EQ(ask(into, "SELECT count(*) FROM explanation_attention"), 3);
  Store store = Store::open_read_only(into);
  const std::vector<ExplanationRow> rows = store.explanations();
  ASSERT_EQ(rows.size(), 5U);
  for (const ExplanationRow& row : rows) {
    SCOPED_TRACE(row.question + " of " + row.policy);
    const std::optional<StoredExplanation> stored = store.explanation(row.run_id);
    ASSERT_TRUE(stored && stored->explanation.attention);
    EXPECT_EQ(stored->explanation.attention->question, attention_to(row.question)->question);
    EXPECT_EQ(stored->explanation.attention->asked, attention_to(row.question)->asked);
  }
}

TEST(StoreMergeTest, UnlearnsNothing) {
  const TemporaryFolder folder;
  EvalRecord record = eval_of("window:recent=100");
  record.full_f16_bytes = 777;
  Store::open_for_writing(folder / "into.db").add_eval(record);
  record.full_f16_bytes.reset();
  record.model.shape.context = 0;
  Store::open_for_writing(folder / "from.db").add_eval(record);
  merge(folder / "into.db", folder / "from.db");
  EXPECT_EQ(ask(folder / "into.db", "SELECT full_f16_bytes FROM runs"), 777);
  EXPECT_EQ(ask(folder / "into.db", "SELECT context_tokens FROM models"), 2048);
}

/// Tables of a schema that nobody has written yet.
const char* const invented = R"sql(
CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT UNIQUE, score INTEGER) STRICT;
CREATE UNIQUE INDEX teams_without_city ON teams (name) WHERE city IS NULL;
CREATE TABLE "odd ""names" ("group" TEXT PRIMARY KEY NOT NULL, team_id INTEGER REFERENCES teams) STRICT, WITHOUT ROWID;
CREATE TABLE jobs (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, state TEXT NOT NULL, message TEXT,
  team_id INTEGER REFERENCES teams) STRICT;
CREATE TABLE job_runs (job_id INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE, run_id INTEGER NOT NULL REFERENCES runs,
  PRIMARY KEY (job_id, run_id)) STRICT, WITHOUT ROWID;
CREATE TABLE job_notes (job_id INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE, note TEXT) STRICT;
CREATE TABLE note_words (job_id INTEGER REFERENCES job_notes ON DELETE CASCADE, word TEXT) STRICT;
CREATE TABLE events (id INTEGER PRIMARY KEY, team_id INTEGER REFERENCES teams, what TEXT) STRICT;
CREATE TABLE lines (what TEXT) STRICT;
)sql";

/// A run, and rows of all invented tables, whose ids begin somewhere else in each file.
void store_invented(const fs::path& path, const std::string& policy, int first_id, const std::string& state) {
  const int64_t run = Store::open_for_writing(path).add_replay(record_of(policy));
  execute(path, invented);
  execute(path, fmt::format(R"sql(
INSERT INTO teams VALUES ({0}, 'reds', 'Oslo', {0}), ({0} + 1, 'reds', NULL, {0}), ({0} + 2, 'blues', NULL, NULL);
INSERT INTO "odd ""names" VALUES ('a', {0} + 1), ('only {1}', NULL);
INSERT INTO jobs VALUES ({0}, 'shared', '{2}', 'of {1}', {0} + 2), ({0} + 9, 'of {1}', 'done', NULL, NULL);
INSERT INTO job_runs VALUES ({0}, {3}), ({0} + 9, {3});
INSERT INTO job_notes VALUES ({0}, 'note of {1}');
INSERT INTO note_words VALUES ({0}, 'note'), ({0}, '{1}');
INSERT INTO events VALUES ({0}, {0} + 1, 'kick-off'), ({0} + 1, NULL, '{1}');
INSERT INTO lines VALUES ('same'), ('{1}');
)sql",
                            first_id, policy, state, run));
}

std::string text_of(const fs::path& path, const std::string& sql) {
  SQLite::Database database(path.string(), SQLite::OPEN_READONLY);
  return database.execAndGet(sql).getString();
}

TEST(StoreMergeTest, MergesTablesThatItDoesNotKnow) {
  const TemporaryFolder folder;
  const fs::path into = folder / "into.db";
  store_invented(into, "window:recent=100", 1, "failed");
  store_invented(folder / "from.db", "full", 50, "done");
  const MergeCounts counts = merge(into, folder / "from.db");
  EXPECT_EQ(counts.kept, 0);
  EXPECT_EQ(merge(into, folder / "from.db").added, 0);
  EXPECT_EQ(ask(into, "SELECT count(*) FROM teams"), 3);
  EXPECT_EQ(text_of(into, "SELECT group_concat(score) FROM teams WHERE name = 'reds'"), "50,50");
  EXPECT_EQ(text_of(into, "SELECT group_concat(\"group\" || ifnull(team_id, '')) FROM \"odd \"\"names\""),
            "a2,only full,only window:recent=100");
  EXPECT_EQ(text_of(into, "SELECT state || message || team_id FROM jobs WHERE hash = 'shared'"),
            "doneof full3");
  EXPECT_EQ(ask(into, "SELECT count(*) FROM jobs"), 3);
  EXPECT_EQ(
      text_of(into,
              "SELECT group_concat(canonical_name) FROM jobs JOIN job_runs ON job_id = jobs.id JOIN runs ON "
              "runs.id = run_id JOIN policies ON policies.id = policy_id WHERE hash = 'shared'"),
      "full+f16");
  EXPECT_EQ(text_of(into, "SELECT group_concat(note) FROM job_notes"), "note of full");
  EXPECT_EQ(text_of(into, "SELECT group_concat(word) FROM note_words"), "note,full");
  EXPECT_EQ(text_of(into, "SELECT group_concat(what || ifnull(team_id, '')) FROM events"),
            "kick-off2,window:recent=100,full");
  EXPECT_EQ(ask(into, "SELECT count(*) FROM lines"), 3);
}

TEST(StoreMergeTest, WhatIsDoneStaysDone) {
  for (const auto& [mine, theirs, merged] :
       std::vector<std::array<std::string, 3>>{{"done", "pending", "done"},
                                               {"done", "failed", "done"},
                                               {"failed", "running", "failed"},
                                               {"pending", "running", "running"},
                                               {"running", "done", "done"}}) {
    const TemporaryFolder folder;
    store_invented(folder / "into.db", "full", 1, mine);
    store_invented(folder / "from.db", "window:recent=100", 50, theirs);
    const MergeCounts counts = merge(folder / "into.db", folder / "from.db");
    EXPECT_EQ(text_of(folder / "into.db", "SELECT state FROM jobs WHERE hash = 'shared'"), merged);
    // What belongs to the row stays with it.
    const std::string of = mine == merged ? "full" : "window:recent=100";
    EXPECT_EQ(text_of(folder / "into.db", "SELECT group_concat(note) FROM job_notes"), "note of " + of);
    EXPECT_EQ(text_of(folder / "into.db", "SELECT message FROM jobs WHERE hash = 'shared'"), "of " + of);
    EXPECT_EQ(ask(folder / "into.db", "SELECT count(*) FROM job_runs"), 3);
    EXPECT_EQ(counts.kept, mine == merged ? 1 : 0);
  }
}

TEST(StoreMergeTest, RefusesTablesInACircle) {
  const TemporaryFolder folder;
  store_results(folder / "into.db", {0});
  execute(folder / "into.db",
          "CREATE TABLE a (id INTEGER PRIMARY KEY, b REFERENCES b); CREATE TABLE b (id INTEGER "
          "PRIMARY KEY, a REFERENCES a)");
  store_results(folder / "from.db", {0});
  EXPECT_THROW(merge(folder / "into.db", folder / "from.db"), std::logic_error);
}

TEST(StoreMergeTest, RefusesWhatIsNoShardAndChangesNothing) {
  const TemporaryFolder folder;
  const fs::path into = folder / "into.db";
  store_results(into, {0, 1, 2});
  const std::vector<std::string> before = contents(into);
  const auto refuses = [&](const std::string& kind, const fs::path& from, const std::string& word) {
    expect_message(kind, {from.string(), word}, [&] { merge(into, from); });
    EXPECT_EQ(contents(into), before);
  };
  refuses("input", folder / "none.db", "no such file");
  EXPECT_FALSE(fs::exists(folder / "none.db"));
  refuses("input", into, "to merge into");
  fs::create_symlink(into, folder / "link.db");
  refuses("input", folder / "link.db", "to merge into");
  refuses("input", folder.path(), "folder");
  refuses("input", folder.write("garbage.db", std::string(5000, 'x')), "not a SQLite database");
  {
    SQLite::Database((folder / "other.db").string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE)
        .exec("CREATE TABLE t (x)");
  }
  refuses("input", folder / "other.db", "another application");
  store_results(folder / "newer.db", {3});
  execute(folder / "newer.db", fmt::format("PRAGMA user_version = {}", schema_version() + 1));
  refuses("input", folder / "newer.db", "schema version");
  store_results(folder / "altered.db", {3});
  execute(folder / "altered.db", "ALTER TABLE texts ADD COLUMN author TEXT");
  refuses("input", folder / "altered.db", "texts");
  store_results(folder / "orphan.db", {0});
  execute(folder / "orphan.db", "PRAGMA foreign_keys = OFF; DELETE FROM models");
  refuses("runtime", folder / "orphan.db", "damaged");
}

TEST(StoreMergeTest, RefusesDamagedPagesAndChangesNothing) {
  const TemporaryFolder folder;
  const fs::path into = folder / "into.db";
  store_results(into, {1});
  const std::vector<std::string> before = contents(into);
  store_results(folder / "whole.db", {0, 6, 12, 18, 1, 2, 3});
  execute(folder / "whole.db", "PRAGMA wal_checkpoint(TRUNCATE)");
  const std::string whole = read_bytes(folder / "whole.db");
  int refused = 0;
  for (size_t page = 1; page * 4096 < whole.size(); page += 7) {
    std::string damaged = whole;
    for (size_t i = 0; i < 4096; i += 3) damaged[page * 4096 + i] = static_cast<char>(i * 37);
    const fs::path path = folder.write("damaged.db", damaged);
    try {
      merge(into, path);
    } catch (const std::runtime_error& problem) {
      ++refused;
      EXPECT_NE(std::string(problem.what()).find("damaged.db"), std::string::npos) << problem.what();
      EXPECT_EQ(contents(into), before);
    }
  }
  EXPECT_GT(refused, 3);
  const fs::path cut = folder.write("cut.db", std::string_view(whole).substr(0, whole.size() / 2));
  expect_message("runtime", {cut.string(), "damaged"}, [&] { merge(into, cut); });
  EXPECT_EQ(contents(into), before);
}

TEST(FileSystemTest, KnowsWhatSeveralMachinesMaySee) {
  for (const int64_t kind :
       {0x6969L, 0xFF534D42L, 0x0BD00BD0L, static_cast<int64_t>(static_cast<int32_t>(0xFE534D42))})
    EXPECT_TRUE(is_network_file_system(kind)) << kind;
  for (const int64_t kind : {0xEF53L, 0x58465342L, 0x01021994L, 0x794C7630L})
    EXPECT_FALSE(is_network_file_system(kind)) << kind;
  EXPECT_FALSE(lies_on_network("/nonexistent"));
}

TEST(StoreMergeTest, BringsAnOldShardUpToDate) {
  const TemporaryFolder folder;
  {
    SQLite::Database database((folder / "old.db").string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    database.exec(schema_migrations()[0]);
    database.exec(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = 1", store_application_id));
    database.exec("INSERT INTO models VALUES (7, 'tiny', 'm1', 'llama', 2, 3, 1, 64, 2048, 'rope')");
  }
  merge(folder / "into.db", folder / "old.db");
  EXPECT_EQ(ask(folder / "into.db", "SELECT count(*) FROM models"), 1);
}

TEST(StoreMergeTest, AnEmptyShardIsOneWithoutRows) {
  const TemporaryFolder folder;
  store_results(folder / "into.db", {1});
  EXPECT_EQ(merge(folder / "into.db", folder.write("empty.db", "")).added, 0);
}

TEST(StoreMergeTest, ReadsAShardThatIsBeingWritten) {
  const TemporaryFolder folder;
  store_results(folder / "from.db", {});
  const pid_t writer = start_child([&] {
    Store store = Store::open_for_writing(folder / "from.db");
    for (int i = 0;; ++i) store.add_replay(record_of(fmt::format("window:recent={}", 100 + i), 64));
  });
  int64_t runs = 0;
  for (int i = 0; i < 6; ++i) {
    merge(folder / "into.db", folder / "from.db");
    const int64_t now = ask(folder / "into.db", "SELECT count(*) FROM runs");
    EXPECT_GE(now, runs);
    EXPECT_EQ(ask(folder / "into.db", "SELECT count(*) FROM replay_heads"), 64 * now);
    runs = now;
  }
  kill(writer, SIGKILL);
  waitpid(writer, nullptr, 0);
  EXPECT_GT(runs, 0);
  merge(folder / "into.db", folder / "from.db");  // recovers the killed writer's log
  EXPECT_EQ(contents(folder / "into.db"), contents(folder / "from.db"));
}

TEST(StoreMergeTest, IsWholeOrNothingWhenKilled) {
  const TemporaryFolder folder;
  std::vector<int> many;
  for (int i = 0; i < 60; ++i) many.push_back(i);
  store_results(folder / "from.db", many);
  const std::vector<std::string> all = contents(folder / "from.db");
  for (int round = 0; round < 5; ++round) {
    const fs::path into = folder / fmt::format("{}.db", round);
    store_results(into, {});
    const std::vector<std::string> nothing = contents(into);
    const pid_t child = start_child([&] { merge(into, folder / "from.db"); });
    std::this_thread::sleep_for(std::chrono::milliseconds(10 * round));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const std::vector<std::string> now = contents(into);
    EXPECT_TRUE(now == nothing || now == all);
  }
}

TEST(StoreMergeTest, SeveralMergeIntoOneAtTheSameMoment) {
  const TemporaryFolder folder;
  std::vector<pid_t> children;
  std::vector<int> all;
  for (int i = 0; i < 4; ++i) {
    store_results(folder / fmt::format("{}.db", i), {3 * i, 3 * i + 1, 3 * i + 2});
    all.insert(all.end(), {3 * i, 3 * i + 1, 3 * i + 2});
  }
  for (int i = 0; i < 4; ++i)
    children.push_back(start_child([&, i] { merge(folder / "into.db", folder / fmt::format("{}.db", i)); }));
  for (const pid_t child : children) EXPECT_TRUE(succeeded(child));
  store_results(folder / "all.db", all);
  EXPECT_EQ(contents(folder / "into.db"), contents(folder / "all.db"));
}

}  // namespace
}  // namespace razorscope::testing
