#include <SQLiteCpp/SQLiteCpp.h>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdexcept>
#include <string>
#include <thread>

#include "experiments/store/schema.hpp"
#include "experiments/store/store.hpp"
#include "models/base/mapped_file.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

namespace fs = std::filesystem;

constexpr int runs = 3;
constexpr int heads = 400;

/// As the first schema's program wrote it: a replay of full+f16, one at equal bytes beside it, one of another
/// trace where full+f16 is missing.
void write_version_1(const fs::path& path) {
  SQLite::Database database(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  database.exec(schema_migrations()[0]);
  database.exec(R"sql(
PRAGMA journal_mode = WAL;
INSERT INTO provenance (id, program_version, git_commit, cpu, kernel_target, compute_type, threads, os)
  VALUES (1, '0.1', 'abc', 'a cpu', 'scalar', 'f32', 2, 'an os');
INSERT INTO models VALUES (1, 'tiny', 'm1', 'llama', 2, 3, 1, 64, 2048, 'rope');
INSERT INTO texts VALUES (1, 'harbour.txt', 't1');
INSERT INTO traces VALUES (1, 'c1', 1, 1, 1600, '/a'), (2, 'c2', 1, NULL, 1600, '/b');
INSERT INTO policies VALUES (1, 'full+f16', 'full', '', 'f16', '{}'),
  (2, 'window:sinks=4,recent=508+f16', 'window', '', 'f16', '{}');
INSERT INTO runs VALUES
  (1, 'h1', 'replay', 1, 1, 1, 1536, 64, 1, 1, NULL, 'fixed parameters', 'razorscope replay', '2025-01-31T12:00:00Z', 1.5),
  (2, 'h2', 'replay', 1, 1, 2, 1536, 64, -1, 1, 300, 'equal bytes', 'razorscope replay', '2025-01-31T12:00:00Z', 1.5),
  (7, 'h3', 'replay', 2, 1, 2, 1536, 64, 1, 1, 300, 'equal bytes', 'razorscope replay', '2025-01-31T12:00:00Z', 1.5);
INSERT INTO replay_results SELECT id, 0.25, 0.5, 0.75, 0.125, 0.375, 0.1, 0.0625, NULL, 900.5, 950, 1000, 400, 401, 2, 30, 50,
  1200, 1150, 9000, 256.5, 1, 0, 0.5 FROM runs;
INSERT INTO probes VALUES (1, 1, 200, 4, 1, 'sum-prior', 'vocabulary', 'p1', 1, '2025-01-31T12:00:00Z');
INSERT INTO probe_heads VALUES (1, 0, 0, 0, 0.25, 0.5);
)sql");
  database.exec(fmt::format(
      "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
      "INSERT INTO head_errors SELECT id, i, 0, 0, 0.5, 0.75, 0.125, 0.375, 0.1, 0.0625 FROM runs, n",
      heads - 1));
  database.exec(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = 1", store_application_id));
}

/// What the second version's program added: an evaluation of two texts and a task.
constexpr const char* rows_of_version_2 = R"sql(
INSERT INTO texts VALUES (2, 'letters.txt', 't2');
INSERT INTO runs (id, config_hash, kind, model_id, policy_id, requested_policy, prefix_tokens, steps, seed, provenance_id,
  comparison, command_line, started_utc, wall_seconds) VALUES
  (8, 'h4', 'eval', 1, 2, 'window:sinks=4,recent=508+f16', 1536, 256, 1, 1, 'fixed parameters', 'razorscope eval',
   '2025-02-28T12:00:00Z', 2.5),
  (9, 'h5', 'task', 1, 2, 'window:sinks=4,recent=508+f16', 1024, 40, 1, 1, 'fixed parameters', 'razorscope task needle',
   '2025-02-28T12:00:00Z', 3.5);
INSERT INTO run_texts VALUES (8, 0, 2), (8, 1, 1), (9, 0, 1);
INSERT INTO eval_results (run_id, scored_rows, units, unit, nll_nats, full_nll_nats, nll_difference_nats, kl_to_full_nats,
  top1_agreement, nominal_bytes, logical_bytes, physical_bytes, end_physical_bytes, bytes_read_per_step, token_by_token,
  compute_seconds) VALUES (8, 256, 8, 'text', 2.75, 2.5, 0.25, 0.125, 0.875, 900.5, 950, 1000, 1200, 800.5, 0, 1.5);
INSERT INTO task_results VALUES (9, 'needle', 0, 40, 30, 0.75, 0.6, 0.9, 0.95, 1, 900.5, 950, 1000);
)sql";

/// What the third version's program added: a plan, a workload served, the search for its rate, a replay's
/// caches.
constexpr const char* rows_of_version_3 = R"sql(
INSERT INTO devices VALUES (1, 'd1', 'L40S', 'NVIDIA', 48000000000, 1, 'GDDR6', 8.6e11, 3.6e14, NULL, NULL, 0, 'vendor', 's',
  'borrowed', 'A100', '{}');
INSERT INTO deployment_runs VALUES
  (1, 'p1', 'plan', 1, 1, 1, 1, 'bf16', 'vllm', 0.9, 1e9, 2048, 1, 1, 'razorscope plan', '2025-03-31T12:00:00Z', 4.5),
  (2, 's1', 'serve', 1, 1, 1, 1, 'bf16', 'vllm', 0.9, 1e9, 2048, 1, 1, 'razorscope serve', '2025-03-31T12:00:00Z', 5.5);
INSERT INTO plans VALUES (1, 4096, 128, 8, 1, 4.8e10, 1.6e10, 2e10, 9000, 5e8, 5e8, 4096, 40, 39, 100000, 20, 15, 3, 0, 1, 1,
  NULL, NULL, 300, 2, 'borrowed', 0, 0);
INSERT INTO rate_searches VALUES (1, 'r1', 2, 0.9, 0.05, 'found', 2.5, 'razorscope serve --search-rate', '2025-03-31T12:00:00Z', 6.5);
INSERT INTO rate_search_probes VALUES (1, 2);
INSERT INTO device_replays VALUES (1, 2, 1, 'llama-3.1-8b', 'bf16', 1, 1536, 4e10, 1.6e10, 1e9, 2e8, 1e8, NULL, 10, 1, 5, 400,
  'borrowed');
INSERT INTO device_replay_occupancy VALUES (1, 0, 0, 0), (1, 1, 10, 2e8);
)sql";

/// As the program of a schema version left it.
void write_version(const fs::path& path, int version) {
  write_version_1(path);
  SQLite::Database database(path.string(), SQLite::OPEN_READWRITE);
  database.exec("PRAGMA foreign_keys = ON");
  for (int next = 1; next < version; ++next) {
    database.exec(schema_migrations()[static_cast<size_t>(next)]);
    if (next == 1) database.exec(rows_of_version_2);
    if (next == 2) database.exec(rows_of_version_3);
  }
  database.exec(fmt::format("PRAGMA user_version = {}", version));
}

/// Of the first version's rows, in a file of any version: head_errors was a table and became a view.
void expect_nothing_lost(const fs::path& path) {
  SQLite::Database database(path.string(), SQLite::OPEN_READWRITE);
  EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
  EXPECT_FALSE(SQLite::Statement(database, "PRAGMA foreign_key_check").executeStep());
  const auto count = [&](const std::string& table) {
    return database.execAndGet("SELECT count(*) FROM " + table).getInt();
  };
  EXPECT_EQ(count("runs WHERE kind = 'replay'"), runs);
  EXPECT_EQ(count("replay_results"), runs);
  EXPECT_EQ(count("head_errors"), runs * heads);
  EXPECT_EQ(count("probe_heads"), 1);
  EXPECT_EQ(count("traces"), 2);
  EXPECT_EQ(database.execAndGet("SELECT sum(relative_error) FROM head_errors").getDouble(),
            0.5 * runs * heads);
}

TEST(StoreMigrationTest, LeavesReleasedVersionsAsTheyAre) {
  EXPECT_EQ(sha256_hex(schema_migrations()[0]),
            "273b3930e88ded969486ab8942f6be55dc48ceac95f00fe6753299bb4bd1c098");
  EXPECT_EQ(sha256_hex(schema_migrations()[1]),
            "7fb28fae3f9dda93724470b5cdb5d472cce1469841b55c2bf74b954db1c2bd08");
  EXPECT_EQ(sha256_hex(schema_migrations()[2]),
            "f4d59df299cea8f4c245941616f925f44ab434f87a810dc041f2c4f0207c1262");
}

TEST(StoreMigrationTest, KeepsEveryRowOfAnOldFile) {
  for (int version = 1; version < schema_version(); ++version) {
    SCOPED_TRACE(version);
    const TemporaryFolder folder;
    const fs::path path = folder / "old.db";
    write_version(path, version);
    Store store = Store::open_for_writing(path);
    EXPECT_EQ(ask(path, "PRAGMA user_version"), schema_version());
    expect_nothing_lost(path);

    const std::vector<TradeoffRow> rows = store.tradeoff();
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].run_id, 7);  // without a text
    EXPECT_EQ(rows[0].equal_bytes_target, 300);
    EXPECT_FALSE(rows[0].equal_bytes_share.has_value());
    EXPECT_FALSE(rows[0].full_f16_bytes.has_value());
    EXPECT_EQ(rows[1].policy, "full+f16");
    EXPECT_FALSE(rows[1].equal_bytes_share.has_value());
    EXPECT_EQ(rows[1].full_f16_bytes, 1000);
    EXPECT_EQ(rows[2].run_id, 2);
    EXPECT_EQ(rows[2].equal_bytes_share, 0.3);
    EXPECT_EQ(rows[2].requested_policy, "window:sinks=4,recent=508+f16");
    EXPECT_EQ(rows[2].policy, rows[2].requested_policy);
    EXPECT_EQ(rows[2].relative_error_p99, 0.5);
    EXPECT_EQ(rows[2].peak_bytes, 9000);
    EXPECT_EQ(store.head_errors(2).size(), static_cast<size_t>(heads));
    EXPECT_EQ(store.find_run("h2"), 2);
    EXPECT_EQ(store.provenance_of_runs().size(), version == 1 ? 3U : 5U);
    EXPECT_EQ(store.head_ranking().size(), 1U);
    EXPECT_EQ(ask(path, "SELECT seed FROM runs WHERE id = 2"), -1);
    EXPECT_EQ(
        ask(path,
            "SELECT count(*) FROM replay_results WHERE regret_mean IS NULL AND read_tokens_mean IS NULL"),
        3);
    EXPECT_EQ(ask(path, "SELECT count(*) FROM provenance WHERE kind = 'probe' AND command_line IS NULL"), 1);
  }
}

TEST(StoreMigrationTest, KeepsWhatLaterVersionsAdded) {
  const TemporaryFolder folder;
  const fs::path path = folder / "old.db";
  write_version(path, 3);
  Store store = Store::open_for_writing(path);
  ASSERT_EQ(store.closed_loop().size(), 1U);
  EXPECT_EQ(store.closed_loop().front().text, "letters.txt, harbour.txt");
  ASSERT_EQ(store.tasks().size(), 1U);
  EXPECT_EQ(store.tasks().front().correct, 30);
  ASSERT_EQ(store.capacity().size(), 1U);
  EXPECT_EQ(store.capacity().front().max_batch, 40);
  EXPECT_EQ(store.device_replay_occupancy(1).size(), 2U);
  EXPECT_EQ(ask(path, "SELECT peak_kv_bytes FROM replays_on_devices WHERE shape = 'llama-3.1-8b'"),
            200'000'000);
  EXPECT_EQ(ask(path, "SELECT count(*) FROM provenance"), 3 + 2 + 2 + 1 + 1);
  EXPECT_EQ(ask(path, "SELECT sum(cpu = 'a cpu') FROM provenance"), 9);
}

TEST(StoreMigrationTest, ReadsAnExplanationWithoutItsAttention) {
  for (const int version : {2, 5}) {
    const TemporaryFolder folder;
    const fs::path path = folder / "old.db";
    write_version(path, version);
    SQLite::Database(path.string(), SQLite::OPEN_READWRITE).exec(R"sql(
INSERT INTO runs (id, config_hash, kind, model_id, policy_id, requested_policy, prefix_tokens, steps, seed, provenance_id,
  comparison, command_line, started_utc, wall_seconds) VALUES
  (20, 'e1', 'explain', 1, 2, 'window:sinks=4,recent=508+f16', 3, 0, 1, 1, 'fixed parameters', 'razorscope explain',
   '2025-02-28T12:00:00Z', 2.5);
INSERT INTO run_texts VALUES (20, 0, 1);
INSERT INTO explanations VALUES (20, 'ab', '[0,1,2]', 'why', ' yes', ' no', 1, 2, 0.5, NULL, -7.5, NULL, 2, 1, 'swdskw',
  '[[0,0,1,2]]', 900.5, 950, 1000);
)sql");
    Store store = Store::open_for_writing(path);
    ASSERT_EQ(store.explanations().size(), 1U);
    const std::optional<StoredExplanation> stored = store.explanation(20);
    ASSERT_TRUE(stored);
    EXPECT_EQ(stored->text, "ab");
    EXPECT_EQ(stored->row.text, "harbour.txt");
    EXPECT_EQ(stored->explanation.pieces, (std::vector<std::string>{"", "a", "b"}));
    EXPECT_EQ(stored->explanation.full.log_odds, -7.5);
    EXPECT_EQ(stored->explanation.policies.front().fate(1, 0, 1, 3), TokenFate::kept);
    ASSERT_EQ(stored->explanation.policies.front().later.size(), 1U);
    EXPECT_EQ(stored->explanation.policies.front().later.front().step, 2);
    EXPECT_FALSE(stored->explanation.attention);
  }
}

TEST(StoreMigrationTest, LeavesTablesThatReferToEachOther) {
  const TemporaryFolder folder;
  const fs::path path = folder / "old.db";
  write_version_1(path);
  Store store = Store::open_for_writing(path);
  const int64_t run = store.add_eval(eval_of("window:recent=508"));
  EXPECT_GT(run, 7);
  SQLite::Database database(path.string(), SQLite::OPEN_READWRITE);
  EXPECT_EQ(database.execAndGet("SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%runs\\_2%' ESCAPE '\\'")
                .getInt(),
            0);
  EXPECT_EQ(
      database
          .execAndGet("SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name LIKE 'runs\\_of%' "
                      "ESCAPE '\\'")
          .getInt(),
      4);
  database.exec("PRAGMA foreign_keys = ON; DELETE FROM runs WHERE id = 7");
  EXPECT_EQ(database.execAndGet("SELECT count(*) FROM head_errors").getInt(), 2 * heads);
  EXPECT_EQ(database.execAndGet("SELECT count(*) FROM replay_results").getInt(), 2);
  EXPECT_THROW(database.exec("UPDATE runs SET kind = 'dream'"), SQLite::Exception);
}

TEST(StoreMigrationTest, MakesTheSameSchemaAsANewFile) {
  const TemporaryFolder folder;
  { const Store fresh = Store::open_for_writing(folder / "new.db"); }
  const auto schema = [&](const char* name) {
    SQLite::Database database((folder / name).string());
    return std::string(
        database
            .execAndGet(
                "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema ORDER BY type, name)")
            .getString());
  };
  for (int version = 1; version < schema_version(); ++version) {
    const std::string name = fmt::format("{}.db", version);
    write_version(folder / name, version);
    { const Store old = Store::open_for_writing(folder / name); }
    EXPECT_EQ(schema(name.c_str()), schema("new.db")) << "from version " << version;
  }
}

TEST(StoreMigrationTest, ChangesNothingWhenKilledBeforeItsEnd) {
  const TemporaryFolder folder;
  const fs::path path = folder / "old.db";
  write_version_1(path);
  const pid_t child = start_child([&] {
    SQLite::Database database(path.string(), SQLite::OPEN_READWRITE);
    // So small that pages are written before the commit.
    database.exec("PRAGMA cache_size = 1; PRAGMA foreign_keys = ON; BEGIN IMMEDIATE");
    database.exec(schema_migrations()[1]);
    _exit(0);
  });
  ASSERT_TRUE(succeeded(child));
  EXPECT_EQ(ask(path, "PRAGMA user_version"), 1);
  expect_nothing_lost(path);
  { const Store store = Store::open_for_writing(path); }
  EXPECT_EQ(ask(path, "PRAGMA user_version"), schema_version());
  expect_nothing_lost(path);
}

TEST(StoreMigrationTest, EndsWholeOrNotAtAllWhenKilledAtAnyMoment) {
  const TemporaryFolder folder;
  for (int round = 0; round < 6; ++round) {
    const fs::path path = folder / fmt::format("{}.db", round);
    write_version_1(path);
    const pid_t child = start_child([&] { Store::open_for_writing(path); });
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * round));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    expect_nothing_lost(path);
    { const Store store = Store::open_for_writing(path); }
    EXPECT_EQ(ask(path, "PRAGMA user_version"), schema_version());
    expect_nothing_lost(path);
  }
}

TEST(StoreMigrationTest, IsDoneOnceByProgramsThatOpenAtTheSameMoment) {
  const TemporaryFolder folder;
  const fs::path path = folder / "old.db";
  write_version_1(path);
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    children.push_back(start_child([&, i] {
      Store::open_for_writing(path).add_eval(eval_of(fmt::format("window:recent={}", 100 + i)));
    }));
  }
  for (const pid_t child : children) EXPECT_TRUE(succeeded(child));
  EXPECT_EQ(ask(path, "SELECT count(*) FROM replay_results"), runs);
  EXPECT_EQ(ask(path, "SELECT count(*) FROM eval_results"), 6);
}

}  // namespace
}  // namespace razorscope::testing
