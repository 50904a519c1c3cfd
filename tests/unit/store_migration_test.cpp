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

void expect_nothing_lost(const fs::path& path) {
  SQLite::Database database(path.string(), SQLite::OPEN_READWRITE);
  EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
  EXPECT_FALSE(SQLite::Statement(database, "PRAGMA foreign_key_check").executeStep());
  const auto count = [&](const std::string& table) {
    return database.execAndGet("SELECT count(*) FROM " + table).getInt();
  };
  EXPECT_EQ(count("runs"), runs);
  EXPECT_EQ(count("replay_results"), runs);
  EXPECT_EQ(count("head_errors"), runs * heads);
  EXPECT_EQ(count("probe_heads"), 1);
  EXPECT_EQ(count("traces"), 2);
  EXPECT_EQ(database.execAndGet("SELECT sum(relative_error) FROM head_errors").getDouble(),
            0.5 * runs * heads);
}

TEST(StoreMigrationTest, LeavesTheFirstVersionAsItWasReleased) {
  EXPECT_EQ(sha256_hex(schema_migrations()[0]),
            "273b3930e88ded969486ab8942f6be55dc48ceac95f00fe6753299bb4bd1c098");
}

TEST(StoreMigrationTest, KeepsEveryRowOfAnOldFile) {
  const TemporaryFolder folder;
  const fs::path path = folder / "old.db";
  write_version_1(path);
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
  EXPECT_EQ(store.provenance_of_runs().size(), 3U);
  EXPECT_EQ(store.head_ranking().size(), 1U);
  EXPECT_EQ(ask(path, "SELECT seed FROM runs WHERE id = 2"), -1);
  EXPECT_EQ(ask(path, "SELECT count(*) FROM replay_results WHERE regret_mean IS NULL AND read_tokens_mean IS NULL"), 3);
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
  write_version_1(folder / "old.db");
  { const Store old = Store::open_for_writing(folder / "old.db"); }
  { const Store fresh = Store::open_for_writing(folder / "new.db"); }
  const auto schema = [&](const char* name) {
    SQLite::Database database((folder / name).string());
    return std::string(
        database
            .execAndGet(
                "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema ORDER BY type, name)")
            .getString());
  };
  EXPECT_EQ(schema("old.db"), schema("new.db"));
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
