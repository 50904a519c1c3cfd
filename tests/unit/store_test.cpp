#include "experiments/store/store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "experiments/store/head_intervals.hpp"
#include "experiments/store/policy_label.hpp"
#include "experiments/store/report.hpp"
#include "experiments/store/schema.hpp"
#include "models/base/error.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/stored_runs.hpp"

namespace razorscope {
namespace {

namespace fs = std::filesystem;
using namespace testing;  // NOLINT(google-build-using-namespace): of tests/support

/// A folder of its own for every test.
class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "store_test_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    fs::permissions(folder_, fs::perms(0755));
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  fs::path file(const std::string& name = "results.db") const { return folder_ / name; }

  fs::path folder_;
};

/// Everything that belongs to a run is there, or nothing.
void expect_whole(const fs::path& path, int heads) {
  SQLite::Database database(path.string(), SQLite::OPEN_READWRITE);
  EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
  EXPECT_FALSE(SQLite::Statement(database, "PRAGMA foreign_key_check").executeStep());
  EXPECT_EQ(
      database.execAndGet("SELECT count(*) FROM runs WHERE id NOT IN (SELECT run_id FROM replay_results)")
          .getInt(),
      0);
  EXPECT_EQ(database
                .execAndGet(fmt::format(
                    "SELECT count(*) FROM runs WHERE {} != (SELECT count(*) FROM replay_heads WHERE "
                    "run_id = runs.id)",
                    heads))
                .getInt(),
            0);
}

TEST_F(StoreTest, MakesFoldersAndSchema) {
  const fs::path path = folder_ / "a" / "b" / "results.db";
  { const Store store = Store::open_for_writing(path); }
  EXPECT_EQ(ask(path, "PRAGMA user_version"), schema_version());
  EXPECT_EQ(ask(path, "PRAGMA application_id"), store_application_id);
  SQLite::Database database(path.string());
  EXPECT_EQ(database.execAndGet("PRAGMA journal_mode").getString(), "wal");
  EXPECT_TRUE(Store::open_read_only(path).tradeoff().empty());
}

TEST_F(StoreTest, IsNeverSeenHalfMade) {
  for (int round = 0; round < 20; ++round) {
    const fs::path path = file(fmt::format("{}.db", round));
    const pid_t child = start_child([&] { const Store store = Store::open_for_writing(path); });
    std::string message;
    do {
      message = message_of([&] { EXPECT_TRUE(Store::open_read_only(path).tradeoff().empty()); });
      EXPECT_TRUE(message == "no error" || message.ends_with("there is no such file") ||
                  message.find("is an empty file") != std::string::npos)
          << message;
    } while (message != "no error" && !HasFailure());
    EXPECT_TRUE(succeeded(child));
  }
}

TEST_F(StoreTest, DoesNotReadWhatAKilledWriterLeftHalfWritten) {
  {
    Store::open_for_writing(file()).add_replay(record_of("full", 400));
    SQLite::Database writer(file().string(), SQLite::OPEN_READWRITE);
    writer.exec("PRAGMA journal_mode = DELETE");  // as on a network's file system
    // So small that pages are written before the commit.
    writer.exec(
        "PRAGMA cache_size = 1; BEGIN; UPDATE replay_heads SET lost_mass = 9, kl_nats = 9; DELETE FROM "
        "replay_results");
    fs::copy_file(file(), file("killed.db"));
    fs::copy_file(file("results.db-journal"), file("killed.db-journal"));
  }
  expect_message("runtime", {"killed.db", "-journal"}, [&] { Store::open_read_only(file("killed.db")); });
  EXPECT_EQ(Store::open_for_writing(file("killed.db")).tradeoff().size(), 1U);
  EXPECT_EQ(Store::open_read_only(file("killed.db")).tradeoff().size(), 1U);
  expect_whole(file("killed.db"), 400);
}

TEST_F(StoreTest, OpensWhatItMadeAndAnEmptyFile) {
  std::ofstream(file("empty.db")).close();
  Store::open_for_writing(file("empty.db")).add_replay(record_of("full"));
  EXPECT_EQ(Store::open_for_writing(file("empty.db")).tradeoff().size(), 1U);
}

TEST_F(StoreTest, RefusesValuesAndKeysThatMakeNoSense) {
  // A NaN becomes NULL, which NOT NULL refuses; nothing else of the run stays.
  Store store = Store::open_for_writing(file());
  ReplayRecord record = record_of("window:recent=100");
  record.result.kl_mean = std::nan("");
  expect_message("runtime", {file().string(), "kl_mean_nats"}, [&] { store.add_replay(record); });
  record.result.kl_mean = 0.0;
  record.result.heads.back().lost_mass = std::nan("");
  expect_message("runtime", {"lost_mass"}, [&] { store.add_replay(record); });
  EXPECT_EQ(ask(file(),
                "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM policies) + (SELECT count(*) "
                "FROM replay_heads)"),
            0);
  const int64_t run = store.add_replay(record_of("window:recent=100"));
  SQLite::Database database(file().string(), SQLite::OPEN_READWRITE);
  database.exec("PRAGMA foreign_keys = ON");
  EXPECT_THROW(database.exec("DELETE FROM policies"), SQLite::Exception);
  EXPECT_THROW(database.exec("INSERT INTO replay_heads VALUES (99, 0, 0, 0, 0, 0, 0, 0, 0, 0)"),
               SQLite::Exception);
  EXPECT_THROW(database.exec("UPDATE runs SET steps = 'many'"), SQLite::Exception);
  database.exec(fmt::format("DELETE FROM runs WHERE id = {}", run));
  EXPECT_EQ(database.execAndGet("SELECT count(*) FROM replay_heads").getInt(), 0);
}

TEST_F(StoreTest, ChecksForeignKeysWhenItWrites) {
  Store store = Store::open_for_writing(file());
  SQLite::Database(file().string(), SQLite::OPEN_READWRITE)
      .exec("CREATE TRIGGER stray AFTER INSERT ON runs BEGIN UPDATE runs SET policy_id = 999; END");
  expect_message("runtime", {"FOREIGN KEY"}, [&] { store.add_replay(record_of("full")); });
}

TEST_F(StoreTest, ReplacesARunOfTheSameConfiguration) {
  Store store = Store::open_for_writing(file());
  const int64_t first = store.add_replay(record_of("window:recent=508"));
  ReplayRecord again = record_of("window:recent=508+f16", 4, 0.3);
  again.provenance.threads = 8;
  again.provenance.target = "avx2";
  EXPECT_EQ(store.add_replay(again), first);
  ASSERT_EQ(store.tradeoff().size(), 1U);
  EXPECT_EQ(store.tradeoff().front().relative_error_mean, 0.3);
  EXPECT_EQ(store.head_errors(first).size(), 4U);
  ASSERT_EQ(store.provenance_of_runs().size(), 1U);
  EXPECT_EQ(store.provenance_of_runs().front().provenance, again.provenance);
  EXPECT_EQ(store.find_run(config_hash(again)), first);
}

TEST_F(StoreTest, KeepsRunsApartThatDifferInWhatCounts) {
  Store store = Store::open_for_writing(file());
  store.add_replay(record_of("window:recent=508"));
  const auto add = [&](const std::function<void(ReplayRecord&)>& change) {
    ReplayRecord record = record_of("window:recent=508");
    change(record);
    EXPECT_FALSE(store.find_run(config_hash(record)).has_value());
    store.add_replay(record);
  };
  add([](ReplayRecord& r) { r.policy = Policy::parse("window:recent=509"); });
  add([](ReplayRecord& r) { r.prefix = 1000; });
  add([](ReplayRecord& r) { r.steps = 32; });
  add([](ReplayRecord& r) { r.trace.content_hash = "c2"; });
  add([](ReplayRecord& r) {
    r.model.sha256 = "m2";
    r.trace.content_hash = "c3";
  });
  add([](ReplayRecord& r) { r.provenance.compute = "bf16"; });
  EXPECT_EQ(store.tradeoff().size(), 7U);
  EXPECT_EQ(ask(file(), "SELECT count(*) FROM policies"), 2);
  EXPECT_EQ(ask(file(), "SELECT count(*) FROM models"), 2);
  EXPECT_EQ(ask(file(), "SELECT count(*) FROM texts"), 1);
  EXPECT_EQ(ask(file(), "SELECT count(*) FROM traces"), 3);
  EXPECT_EQ(ask(file(), "SELECT count(*) FROM programs"), 2);
}

TEST_F(StoreTest, TellsModelsAndTextsWithoutHashApartByWhatIsKnown) {
  Store store = Store::open_for_writing(file());
  for (const auto& [name, trace] :
       std::vector<std::pair<std::string, std::string>>{{"a", "c1"}, {"b", "c2"}, {"a", "c3"}}) {
    ReplayRecord record = record_of("full");
    record.model.sha256 = "";
    record.model.shape.name = name;
    record.text = {name, ""};
    record.trace.content_hash = trace;
    store.add_replay(record);
  }
  ReplayRecord without_text = record_of("full");
  without_text.text = {};
  without_text.trace.content_hash = "c4";
  store.add_replay(without_text);
  EXPECT_EQ(ask(file(), "SELECT count(*) FROM models WHERE sha256 IS NULL"), 2);
  EXPECT_EQ(ask(file(), "SELECT count(*) FROM texts"), 2);
  EXPECT_EQ(store.tradeoff().size(), 4U);
  EXPECT_EQ(store.tradeoff().back().text, "");
}

TEST_F(StoreTest, GivesBackWhatWasStored) {
  Store store = Store::open_for_writing(file());
  ReplayRecord record = record_of("razor/weighted:recent=252");
  record.comparison = equal_bytes;
  record.equal_bytes_target = 4'000'000'000;
  record.result.output_error_mean = 0.01;
  record.result.dropped_nothing = true;
  const int64_t run = store.add_replay(record);
  ReplayRecord full = record_of("full");
  full.result.compressed.keys = 9000;
  full.steps = 32;  // its bytes count for other numbers of steps too
  store.add_replay(full);
  ReplayRecord elsewhere = record_of("full");
  elsewhere.trace.content_hash = "c2";
  elsewhere.result.compressed.keys = 70000;
  store.add_replay(elsewhere);

  Store reader = Store::open_read_only(file());
  std::vector<TradeoffRow> rows = reader.tradeoff();
  read_head_intervals(reader, rows);
  ASSERT_EQ(rows.size(), 3U);
  const auto row =
      std::find_if(rows.begin(), rows.end(), [&](const TradeoffRow& r) { return r.run_id == run; });
  ASSERT_NE(row, rows.end());
  EXPECT_EQ(row->full_f16_bytes, 9000 + 1001 + 20 + 30 + 400);
  // The row made without a database is the same but for what only the database knows.
  TradeoffRow direct = tradeoff_rows({record}).front();
  direct.run_id = row->run_id;
  direct.full_f16_bytes = row->full_f16_bytes;
  EXPECT_EQ(report_json({direct}), report_json({*row}));
  ASSERT_TRUE(row->intervals.relative_error);
  // Of heads with 0.25, 1.25, ... 5.25 (t quantile of 5 degrees of freedom: 2.570582).
  const auto half = 2.5705818356363141 * std::sqrt(3.5 / 6.0);
  EXPECT_NEAR(row->intervals.relative_error->low, 2.75 - half, 1e-12);
  EXPECT_NEAR(row->intervals.relative_error->high, 2.75 + half, 1e-12);
  EXPECT_EQ(row->equal_bytes_target, 4'000'000'000);
  EXPECT_EQ(row->model_sha256, "m1");
  EXPECT_EQ(row->trace_hash, "c1");
  EXPECT_EQ(row->kv_heads, 1);
  EXPECT_EQ(row->physical_bytes, 2451);
  EXPECT_EQ(row->logical_bytes, 2051);
  EXPECT_EQ(ask(file(), fmt::format("SELECT end_logical_bytes FROM replay_results WHERE run_id = {}", run)),
            5000);
  EXPECT_EQ(ask(file(), fmt::format("SELECT seed FROM runs WHERE id = {}", run)), -1);

  const std::vector<HeadErrors> heads = store.head_errors(run);
  ASSERT_EQ(heads.size(), 6U);
  EXPECT_EQ(heads[4].layer, 1);
  EXPECT_EQ(heads[4].query_head, 1);
  EXPECT_EQ(heads[4].relative_error, 4.25);
  EXPECT_EQ(heads[4].kl, 2.0);
  const std::vector<RunProvenance> provenance = store.provenance_of_runs();
  ASSERT_EQ(provenance.size(), 3U);
  EXPECT_EQ(provenance.front().command_line, "razorscope replay");
  EXPECT_EQ(provenance.front().provenance, record.provenance);
  EXPECT_EQ(provenance.front().policy, record.policy.name());
}

TEST_F(StoreTest, RanksTheHeadsOfAProbe) {
  Store store = Store::open_for_writing(file());
  const int64_t probe = store.add_probe(probe_of());
  EXPECT_EQ(store.add_probe(probe_of()), probe);
  ProbeRecord of_ids = probe_of();
  of_ids.scores.token_source = "ids";
  of_ids.block = {1, 2};
  const int64_t second = store.add_probe(of_ids);
  of_ids.block = {1, 3};
  EXPECT_NE(store.add_probe(of_ids), second);
  std::vector<RankedHead> heads = store.head_ranking();
  ASSERT_EQ(heads.size(), 12U);
  heads.resize(4);
  const auto is = [&](size_t at, int layer, int head, double echo, double induction, int echo_rank) {
    EXPECT_EQ(heads[at].layer, layer);
    EXPECT_EQ(heads[at].kv_head, head);
    EXPECT_EQ(heads[at].echo, echo);
    EXPECT_EQ(heads[at].induction, induction);
    EXPECT_EQ(heads[at].echo_rank, echo_rank);
    EXPECT_EQ(heads[at].induction_rank, static_cast<int>(at) + 1);
  };
  is(0, 0, 0, 0.2, 0.9, 4);
  is(1, 1, 0, 0.8, 0.5, 1);  // equal induction: the lower head first
  is(2, 1, 1, 0.6, 0.5, 2);
  is(3, 0, 1, 0.4, 0.3, 3);
}

TEST_F(StoreTest, HeadsThatNoModelHasAreDamage) {
  int files = 0;
  const auto damaged_by = [&](const char* sql, const auto& read) {
    SCOPED_TRACE(sql);
    const fs::path path = file(fmt::format("{}.db", ++files));
    Store store = Store::open_for_writing(path);
    const int64_t run = store.add_replay(record_of("full"));
    store.add_probe(probe_of());
    SQLite::Database database(path.string(), SQLite::OPEN_READWRITE);
    database.exec(sql);
    expect_message("runtime", {path.string(), "damaged", "head"}, [&] { read(store, run); });
  };
  const auto errors = [](Store& store, int64_t run) { store.head_errors(run); };
  const auto ranking = [](Store& store, int64_t) { store.head_ranking(); };
  damaged_by("UPDATE replay_heads SET layer = 4294967296 WHERE layer = 1", errors);
  damaged_by("UPDATE replay_heads SET layer = -1 WHERE layer = 1", errors);
  damaged_by("UPDATE replay_heads SET kv_head = 4096", errors);
  damaged_by("UPDATE replay_heads SET query_head = 2147483647 WHERE query_head = 2", errors);
  damaged_by("UPDATE probe_heads SET layer = 2147483647 WHERE layer = 1", ranking);
  damaged_by("UPDATE probe_heads SET kv_head = -1", ranking);
}

TEST_F(StoreTest, RefusesFilesThatAreNotItsOwn) {
  const auto read = [&](const std::string& name) {
    return [this, name] { Store::open_read_only(file(name)); };
  };
  const auto write = [&](const std::string& name) {
    return [this, name] { Store::open_for_writing(file(name)); };
  };
  expect_message("input", {file("missing.db").string(), "no such file"}, read("missing.db"));
  EXPECT_FALSE(fs::exists(file("missing.db")));
  std::ofstream(file("empty.db")).close();
  expect_message("input", {"empty.db", "empty"}, read("empty.db"));
  fs::create_directory(file("folder.db"));
  expect_message("input", {"folder.db", "folder"}, read("folder.db"));
  expect_message("input", {"folder.db", "folder"}, write("folder.db"));
  for (const size_t size : {5U, 511U, 100000U}) {
    const std::string name = fmt::format("garbage{}.db", size);
    std::ofstream(file(name)) << std::string(size, 'x');
    expect_message("input", {name, "not a SQLite database"}, read(name));
    expect_message("input", {name, "not a SQLite database"}, write(name));
    EXPECT_EQ(fs::file_size(file(name)), size);
  }
  {
    SQLite::Database foreign(file("foreign.db").string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    foreign.exec("CREATE TABLE notes (text TEXT)");
  }
  {
    SQLite::Database foreign(file("marked.db").string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    foreign.exec("PRAGMA application_id = 7");
  }
  for (const std::string name : {"foreign.db", "marked.db"}) {
    expect_message("input", {name, "another application"}, read(name));
    expect_message("input", {name, "another application"}, write(name));
  }
  SQLite::Database foreign(file("foreign.db").string());
  EXPECT_EQ(foreign.execAndGet("PRAGMA journal_mode").getString(), "delete");
}

TEST_F(StoreTest, RefusesANewerSchema) {
  { const Store store = Store::open_for_writing(file()); }
  SQLite::Database(file().string(), SQLite::OPEN_READWRITE)
      .exec(fmt::format("PRAGMA user_version = {}", schema_version() + 1));
  expect_message("input", {file().string(), fmt::format("version {}", schema_version() + 1), "newer"},
                 [&] { Store::open_read_only(file()); });
  expect_message("input", {"newer"}, [&] { Store::open_for_writing(file()); });
}

TEST_F(StoreTest, WaitsAMomentForADatabaseThatIsJustBeingMade) {
  const auto path = folder_ / "young.db";
  {
    SQLite::Database blank(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    blank.exec("PRAGMA journal_mode = WAL");
  }
  std::thread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    Store::open_for_writing(path);
  });
  EXPECT_TRUE(Store::open_read_only(path).tradeoff().empty());
  writer.join();
}

TEST_F(StoreTest, ReadsNamesThatSqliteWouldTakeForUris) {
  const fs::path odd = folder_ / "file:a?mode=memory#100%.db";
  Store::open_for_writing(odd).add_replay(record_of("full"));
  EXPECT_TRUE(fs::exists(odd));
  EXPECT_EQ(Store::open_read_only(odd).tradeoff().size(), 1U);
}

TEST_F(StoreTest, IsNotWrittenToWhenOpenedReadOnly) {
  Store::open_for_writing(file()).add_replay(record_of("full"));
  EXPECT_THROW(Store::open_read_only(file()).add_replay(record_of("window")), std::logic_error);
}

TEST_F(StoreTest, ReadsAFileInAFolderThatCannotBeWrittenTo) {
  const fs::path odd = folder_ / "100% of?#.db";
  Store::open_for_writing(odd).add_replay(record_of("full"));
  fs::permissions(odd, fs::perms(0444));
  fs::permissions(folder_, fs::perms(0555));
  const pid_t child = start_child([&] {
    // The superuser may write anywhere.
    if (geteuid() == 0 && setuid(65534) != 0) _exit(0);
    if (Store::open_read_only(odd).tradeoff().size() != 1) throw std::runtime_error("a run is missing");
    const std::string message = message_of([&] { Store::open_for_writing(odd); });
    if (message.find("runtime: " + odd.string()) != 0 || message.find("read-only") == std::string::npos)
      throw std::runtime_error(message);
    const std::string no_file = message_of([&] { Store::open_for_writing(odd.parent_path() / "new.db"); });
    if (no_file.find("runtime: ") != 0 || no_file.find("not writable") == std::string::npos)
      throw std::runtime_error(no_file);
    const std::string no_folder =
        message_of([&] { Store::open_for_writing(odd.parent_path() / "new" / "new.db"); });
    if (no_folder.find("cannot make the folder") == std::string::npos) throw std::runtime_error(no_folder);
  });
  EXPECT_TRUE(succeeded(child));
  fs::permissions(folder_, fs::perms(0755));
}

TEST_F(StoreTest, SaysThatAnotherProcessHoldsTheLock) {
  Store store = Store::open_for_writing(file(), std::chrono::milliseconds(50));
  SQLite::Database other(file().string(), SQLite::OPEN_READWRITE);
  other.exec("BEGIN IMMEDIATE");
  expect_message("runtime", {file().string(), "another process kept it locked for 0.05 s"},
                 [&] { store.add_replay(record_of("full")); });
  EXPECT_TRUE(Store::open_read_only(file()).tradeoff().empty());  // readers do not wait
  other.exec("ROLLBACK");
  store.add_replay(record_of("full"));
}

TEST_F(StoreTest, KeepsNothingOfARunThatDoesNotFitOnTheDisk) {
  Store::open_for_writing(file()).add_replay(record_of("full"));
  const pid_t child = start_child([&] {
    const rlimit limit = {200'000, 200'000};
    std::signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    const std::string message =
        message_of([&] { Store::open_for_writing(file()).add_replay(record_of("window", 20'000)); });
    if (message.find("runtime: " + file().string()) != 0 ||
        message.find("nothing of this was stored") == std::string::npos)
      throw std::runtime_error(message);
  });
  EXPECT_TRUE(succeeded(child));
  expect_whole(file(), 6);
  EXPECT_EQ(Store::open_read_only(file()).tradeoff().size(), 1U);
}

TEST_F(StoreTest, LeavesNoHalfRunWhenKilledInATransaction) {
  Store::open_for_writing(file()).add_replay(record_of("full"));
  const pid_t child = start_child([&] {
    SQLite::Database database(file().string(), SQLite::OPEN_READWRITE);
    database.exec(
        "PRAGMA cache_size = 1; BEGIN IMMEDIATE");  // so small that pages are written before the commit
    database.exec(
        "INSERT INTO runs SELECT 77, 'half', kind, trace_id, model_id, policy_id, requested_policy, "
        "prefix_tokens, steps, seed, settings_json, provenance_id, comparison, equal_bytes_target, "
        "equal_bytes_share, full_f16_bytes, command_line, started_utc, wall_seconds FROM runs");
    database.exec(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
        "INSERT INTO replay_heads SELECT 77, i, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0 FROM n");
    _exit(0);
  });
  EXPECT_TRUE(succeeded(child));
  expect_whole(file(), 6);
  EXPECT_EQ(Store::open_read_only(file()).tradeoff().size(), 1U);
}

TEST_F(StoreTest, LeavesNoHalfRunWhenKilledAtAnyMoment) {
  constexpr int heads = 2000;
  for (int round = 0; round < 5; ++round) {
    const pid_t child = start_child([&] {
      Store store = Store::open_for_writing(file());
      for (int i = 1;; ++i)
        store.add_replay(record_of(fmt::format("window:recent={}", 1000 * (round + 1) + i % 50), heads));
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(60 + 37 * round));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    { const Store reopened = Store::open_for_writing(file()); }
    expect_whole(file(), heads);
  }
  EXPECT_FALSE(Store::open_read_only(file()).tradeoff().empty());
}

constexpr int writes_each = 15;

void write_runs(const fs::path& path, int writer) {
  Store store = Store::open_for_writing(path);
  for (int i = 0; i < writes_each; ++i)
    store.add_replay(record_of(fmt::format("window:recent={}", 100 * (writer + 1) + i)));
}

TEST_F(StoreTest, LetsThreadsMakeAndFillOneFile) {
  std::vector<std::string> problems(4);
  std::vector<std::thread> writers;
  writers.reserve(problems.size());
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      problems[static_cast<size_t>(writer)] = message_of([&] { write_runs(file(), writer); });
    });
  }
  for (std::thread& writer : writers) writer.join();
  for (const std::string& problem : problems) EXPECT_EQ(problem, "no error");
  EXPECT_EQ(Store::open_read_only(file()).tradeoff().size(), 4U * writes_each);
  expect_whole(file(), 6);
}

TEST_F(StoreTest, LetsProcessesMakeOneFileAtTheSameMoment) {
  for (int round = 0; round < 15; ++round) {
    const fs::path path = file(fmt::format("{}.db", round));
    int gate[2];
    ASSERT_EQ(pipe(gate), 0);
    std::vector<pid_t> writers;
    writers.reserve(12);
    for (int writer = 0; writer < 12; ++writer) {
      writers.push_back(start_child([&] {
        close(gate[1]);
        char none = 0;
        if (read(gate[0], &none, 1) != 0)
          throw std::runtime_error("the gate is broken");  // opens when its other end closes
        Store::open_for_writing(path).tradeoff();
        Store::open_read_only(path).tradeoff();
      }));
    }
    close(gate[0]);
    close(gate[1]);
    for (const pid_t writer : writers) EXPECT_TRUE(succeeded(writer));
  }
}

TEST_F(StoreTest, LetsProcessesMakeAndFillOneFileWhileItIsRead) {
  for (int round = 0; round < 2; ++round) {
    const fs::path path = file(fmt::format("{}.db", round));
    std::vector<pid_t> writers;
    writers.reserve(12);
    for (int writer = 0; writer < 4; ++writer)
      writers.push_back(start_child([&] { write_runs(path, writer); }));
    Store reader = Store::open_for_writing(path);
    size_t seen = 0;
    for (int i = 0; i < 20; ++i) {
      const size_t now = reader.tradeoff().size();
      EXPECT_GE(now, seen);
      seen = now;
    }
    for (const pid_t writer : writers) EXPECT_TRUE(succeeded(writer));
    EXPECT_EQ(reader.tradeoff().size(), 4U * writes_each);
    expect_whole(path, 6);
  }
}

TEST(ConfigHashTest, LeavesOutWhatDoesNotChangeFigures) {
  const ReplayRecord record = record_of("window:recent=508");
  EXPECT_EQ(config_hash(record).size(), 32U);
  ReplayRecord same = record;
  same.provenance = {"0.2", "def", "b", "avx512", "f32", 64, "other"};
  same.started_utc = "later";
  same.comparison = equal_bytes;
  EXPECT_EQ(config_hash(same), config_hash(record));
  ReplayRecord other = record;
  other.model.sha256 = "";
  EXPECT_NE(config_hash(other), config_hash(record));
}

TEST(PolicyLabelTest, LeavesOutDefaults) {
  const auto label = [](const std::string& policy) { return policy_label(Policy::parse(policy).name()); };
  EXPECT_EQ(label("full"), "full+f16");
  EXPECT_EQ(label("window"), "window+f16");
  EXPECT_EQ(label("window/slot-positions"), "window/slot-positions+f16");
  EXPECT_EQ(label("window:recent=508+f32"), "window:recent=508+f32");
  EXPECT_EQ(label("razor:sinks=4,recent=252"), "razor/weighted:recent=252+f16");
  EXPECT_EQ(label("razor:choose=bytes,budget=0.25"), "razor/weighted:choose=bytes+f16");
  EXPECT_EQ(label("razor/scope:epsilon=0.01"), "razor/scope:epsilon=0.01+f16");
  EXPECT_EQ(label("full+k=f32+v=f16"), "full+k=f32+v=f16");
  EXPECT_EQ(label("full+kivi4/chunk/prefix"), "full+kivi4/chunk/prefix");
  EXPECT_EQ(label("razor:heads=\"a,b \"\"c\"\".json\""), "razor/weighted:heads=\"a,b \"\"c\"\".json\"+f16");
  EXPECT_EQ(policy_label("quantum:spin=1+f8"), "quantum:spin=1+f8");
}

TEST(PolicyLabelTest, MeansTheSamePolicy) {
  for (const SelectionEntry& entry : selection_registry()) {
    std::vector<std::string> variants = entry.variants;
    if (variants.empty()) variants = {""};
    for (const std::string& variant : variants) {
      const Policy policy = Policy::parse(variant.empty() ? entry.name : entry.name + "/" + variant);
      EXPECT_EQ(Policy::parse(policy_label(policy.name())), policy);
      EXPECT_LE(policy_label(policy.name()).size(), policy.name().size());
    }
  }
}

std::vector<TradeoffRow> sample_rows() {
  std::vector<ReplayRecord> records;
  for (const std::string policy : {"window:recent=508", "razor/scope:bound=norm-bound", "full", "full+f32",
                                   "razor:recent=9000", "razor/scope:form=tail,epsilon=0.01"}) {
    records.push_back(record_of(policy));
    records.back().result.compressed.keys = 100'000 * records.size();
  }
  records[4].result.dropped_nothing = true;
  records[2].result.dropped_nothing = true;
  records[0].result.output_error_mean = 0.01;
  ReplayRecord other = record_of("window:recent=100");
  other.comparison = equal_bytes;
  other.equal_bytes_target = 2 << 20;
  records.push_back(other);
  return tradeoff_rows(records);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// Fields of one line of CSV.
std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += line[++i];
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += line[i];
    }
  }
  return fields;
}

TEST(ReportTest, GroupsAndSorts) {
  const std::vector<ReportGroup> groups = report_groups(sample_rows());
  ASSERT_EQ(groups.size(), 2U);
  std::vector<std::string> order;
  for (const TradeoffRow& row : groups[0]) order.push_back(policy_label(row.policy));
  EXPECT_EQ(order, (std::vector<std::string>{"full+f32", "full+f16", "razor/scope:epsilon=0.01,form=tail+f16",
                                             "razor/weighted:recent=9000+f16",
                                             "razor/scope:bound=norm-bound+f16", "window:recent=508+f16"}));
  EXPECT_EQ(groups[1].front().comparison, equal_bytes);
}

TEST(ReportTest, KeepsTheOrderOfEqualRows) {
  std::vector<ReplayRecord> records;
  for (const std::string policy : {"window:recent=3", "window:recent=1", "window:recent=2"})
    records.push_back(record_of(policy));
  const ReportGroup group = report_groups(tradeoff_rows(records)).front();
  EXPECT_EQ(policy_label(group[0].policy), "window:recent=3+f16");
  EXPECT_EQ(policy_label(group[2].policy), "window:recent=2+f16");
}

TEST(ReportTest, NotesWhatDroppedNothingAndWhatScopesPromise) {
  const std::vector<std::string> notes = report_notes(report_groups(sample_rows()).front());
  ASSERT_EQ(notes.size(), 3U);
  EXPECT_EQ(notes[0],
            "razor/weighted:recent=9000+f16: dropped nothing: at this length it equals full with its codec");
  EXPECT_NE(notes[1].find("epsilon 0.01 for the sum"), std::string::npos) << notes[1];
  EXPECT_NE(notes[1].find("largest tail 0.375: above epsilon"), std::string::npos) << notes[1];
  EXPECT_NE(notes[1].find("bound=calibrated promises nothing"), std::string::npos) << notes[1];
  EXPECT_NE(notes[2].find("largest dropped weight 1e-07"), std::string::npos) << notes[2];
  EXPECT_NE(notes[2].find("within epsilon"), std::string::npos) << notes[2];
  EXPECT_NE(notes[2].find("proven"), std::string::npos) << notes[2];
}

TEST(ReportTest, WritesAlignedTables) {
  const std::string text = format_report(sample_rows(), ReportFormat::table);
  const std::vector<std::string> lines = lines_of(text);
  EXPECT_EQ(lines[0],
            "tiny, \"quoted\" model, harbour.txt, prefix 1536 tokens, fixed parameters; n = 64 queries x 6 "
            "heads (2 layers of 3)");
  for (size_t i = 3; i <= 9; ++i) EXPECT_EQ(lines[i].size(), lines[2].size()) << lines[i];
  EXPECT_NE(lines[2].find("after W_O"), std::string::npos);
  EXPECT_NE(text.find("equal bytes (at most 2.0 MiB)"), std::string::npos);
  EXPECT_NE(text.find("100.0"), std::string::npos);
}

TEST(ReportTest, WritesMarkdownTables) {
  std::vector<TradeoffRow> rows = sample_rows();
  rows[0].model = rows[1].model = "a|b\nc";
  const std::string text = format_report(rows, ReportFormat::markdown);
  EXPECT_NE(text.find("### a\\|b?c, harbour.txt"), std::string::npos);
  for (const std::string& line : lines_of(text)) {
    if (!line.starts_with("| ")) continue;
    EXPECT_EQ(std::count(line.begin(), line.end(), '|'), 13) << line;
  }
}

TEST(ReportTest, WritesCsvWithTheSameColumnsOnEachLine) {
  std::vector<TradeoffRow> rows = sample_rows();
  rows.back().model = "";
  const std::vector<std::string> lines = lines_of(format_report(rows, ReportFormat::csv));
  ASSERT_EQ(lines.size(), 1 + rows.size());
  const std::vector<std::string> names = fields_of(lines[0]);
  const auto column = [&](const std::string& name) {
    return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  for (const std::string& line : lines) EXPECT_EQ(fields_of(line).size(), names.size()) << line;
  EXPECT_EQ(fields_of(lines[1])[0], "tiny, \"quoted\" model");
  EXPECT_EQ(fields_of(lines[1])[column("policy")], "full+f32");
  EXPECT_EQ(fields_of(lines[1])[column("queries")], "64");
  EXPECT_EQ(fields_of(lines[1])[column("heads")], "6");
  EXPECT_EQ(fields_of(lines[1])[column("output_error_mean")], "");
  EXPECT_EQ(std::stod(fields_of(lines[1])[column("relative_error_mean")]), 0.25);
  EXPECT_NE(fields_of(lines[3])[column("policy")].find("sinks=0,epsilon=0.01"), std::string::npos)
      << lines[3];
}

TEST(ReportTest, WritesJson) {
  const nlohmann::json report = nlohmann::json::parse(format_report(sample_rows(), ReportFormat::json));
  ASSERT_EQ(report["groups"].size(), 2U);
  const nlohmann::json& group = report["groups"][0];
  EXPECT_EQ(group["prefix"], 1536);
  EXPECT_EQ(group["heads"], 6);
  const nlohmann::json& first = group["policies"][0];
  for (const char* key :
       {"policy", "relative_error_mean", "relative_error_p99", "relative_error_max", "lost_mass_mean",
        "kl_mean", "bytes_nominal", "bytes_logical", "bytes_physical", "kept_tokens_mean"}) {
    EXPECT_TRUE(first.contains(key)) << key;
  }
  EXPECT_TRUE(first["output_error_mean"].is_null());
  std::vector<TradeoffRow> odd = sample_rows();
  odd.front().model = "\xff";
  EXPECT_NO_THROW(format_report(odd, ReportFormat::json));
}

TEST(ReportTest, HandlesNoRowsAndUnknownFormats) {
  EXPECT_EQ(format_report({}, ReportFormat::table), "No runs are stored.\n");
  EXPECT_EQ(lines_of(format_report({}, ReportFormat::csv)).size(), 1U);
  EXPECT_EQ(nlohmann::json::parse(format_report({}, ReportFormat::json))["groups"].size(), 0U);
  EXPECT_EQ(report_format("md"), ReportFormat::markdown);
  expect_message("input", {"--format", "jsn", "json", "csv"}, [] { report_format("jsn"); });
}

TEST(ProvenanceTest, KnowsThisProgramAndMachine) {
  const Provenance provenance = current_provenance(Compute::f32);
  EXPECT_FALSE(provenance.program_version.empty());
  EXPECT_FALSE(provenance.commit.empty());
  EXPECT_FALSE(provenance.cpu.empty());
  EXPECT_FALSE(provenance.target.empty());
  EXPECT_EQ(provenance.compute, "f32");
  EXPECT_GE(provenance.threads, 1);
  EXPECT_NE(provenance.os.find("Linux"), std::string::npos);
  EXPECT_EQ(utc_now().size(), std::string("2025-01-31T12:00:00Z").size());
}

}  // namespace
}  // namespace razorscope
