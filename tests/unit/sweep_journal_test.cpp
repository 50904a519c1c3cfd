#include "experiments/store/sweep_journal.hpp"

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "experiments/store/store.hpp"

namespace razorscope {
namespace {

class SweepJournalTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(testing::TempDir()) /
            (std::string("journal-") + testing::UnitTest::GetInstance()->current_test_info()->name() + ".db");
    remove();
  }
  void TearDown() override { remove(); }
  void remove() const {
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path_.string() + end);
  }

  static std::vector<CellRow> some_cells(int count) {
    std::vector<CellRow> cells;
    for (int i = 0; i < count; ++i) {
      CellRow cell;
      cell.config_hash = "hash " + std::to_string(i);
      cell.command = "replay";
      cell.settings_json = "{}";
      cell.policy = i == 0 ? "" : "full+f16";
      cell.estimated_seconds = 2.0;
      cells.push_back(cell);
    }
    return cells;
  }
  static std::vector<CellState> states(SweepJournal& journal, const std::vector<int64_t>& ids) {
    std::vector<CellState> states;
    for (const CellRow& cell : journal.cells(ids)) states.push_back(cell.state);
    return states;
  }

  std::filesystem::path path_;
};

using enum CellState;
using testing::ElementsAre;

TEST_F(SweepJournalTest, ACellIsClaimedByOne) {
  SweepJournal journal(path_);
  SweepJournal other(path_);
  const std::vector<int64_t> ids = journal.enter("s", "toml", some_cells(3));
  const int64_t mine = journal.add_runner("here", 1, "a");
  const int64_t theirs = other.add_runner("there", 1, "a");
  EXPECT_TRUE(journal.claim({ids[0], ids[1]}, mine, "line"));
  EXPECT_FALSE(other.claim({ids[1], ids[2]}, theirs, "line"));
  EXPECT_THAT(states(journal, ids), ElementsAre(running, running, pending));
  EXPECT_TRUE(other.claim({ids[2]}, theirs, "line"));
  EXPECT_EQ(journal.runners()[0].cells, 2);
}

TEST_F(SweepJournalTest, TwoThreadsNeverClaimTheSame) {
  SweepJournal journal(path_);
  const std::vector<int64_t> ids = journal.enter("s", "", some_cells(60));
  std::vector<int> claimed(2, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      SweepJournal own(path_);
      const int64_t runner = own.add_runner("here", static_cast<int64_t>(t), "a");
      for (const int64_t id : ids) claimed[t] += own.claim({id}, runner, "line") ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(claimed[0] + claimed[1], 60);
}

TEST_F(SweepJournalTest, ADeadRunnersCellsArePendingAgain) {
  SweepJournal journal(path_);
  const std::vector<int64_t> ids = journal.enter("s", "", some_cells(3));
  const int64_t dead = journal.add_runner("here", 1, "a");
  journal.claim({ids[0]}, dead, "line");
  journal.claim({ids[1]}, dead, "line");
  journal.fail({ids[1]}, 1.0, 1, "no");
  journal.release(dead);
  EXPECT_THAT(states(journal, ids), ElementsAre(pending, failed, pending));
  EXPECT_TRUE(journal.runners().empty());
}

TEST_F(SweepJournalTest, FailuresRestUntilTheyAreAskedFor) {
  SweepJournal journal(path_);
  const std::vector<int64_t> ids = journal.enter("s", "", some_cells(2));
  const int64_t runner = journal.add_runner("here", 1, "a");
  journal.claim(ids, runner, "the line");
  journal.fail(ids, 3.0, 2, "why");
  const CellRow cell = journal.cells(ids)[1];
  EXPECT_EQ(cell.message, "why");
  EXPECT_EQ(cell.command_line, "the line");
  EXPECT_EQ(cell.exit_code, 2);
  EXPECT_EQ(cell.attempts, 1);
  EXPECT_DOUBLE_EQ(cell.wall_seconds, 1.5);  // they shared a process
  EXPECT_FALSE(journal.claim(ids, runner, "line"));
  journal.retry_failed(ids);
  EXPECT_TRUE(journal.claim(ids, runner, "line"));
  EXPECT_EQ(journal.cells(ids)[0].attempts, 2);
  EXPECT_EQ(journal.cells(ids)[0].message, "");
}

TEST_F(SweepJournalTest, WithoutAStoredRunNothingIsDone) {
  SweepJournal journal(path_);
  const std::vector<int64_t> ids = journal.enter("s", "", some_cells(1));
  journal.claim(ids, journal.add_runner("here", 1, "a"), "line");
  journal.finish(ids, 1.0, "nothing there");
  EXPECT_THAT(states(journal, ids), ElementsAre(failed));
  EXPECT_EQ(journal.cells(ids)[0].message, "nothing there");
}

TEST_F(SweepJournalTest, AnotherSweepOfTheSameCellsShowsTheirStates) {
  SweepJournal journal(path_);
  const std::vector<int64_t> first = journal.enter("first", "", some_cells(3));
  const int64_t runner = journal.add_runner("here", 1, "a");
  journal.claim({first[2]}, runner, "line");
  journal.fail({first[2]}, 1.0, 1, "no");
  const std::vector<int64_t> second = journal.enter("second", "", some_cells(4));
  EXPECT_EQ(std::vector<int64_t>(second.begin(), second.begin() + 3), first);
  EXPECT_EQ(states(journal, second)[2], failed);
  journal.enter("first", "", some_cells(1));  // the file asks for less now

  Store store = Store::open_read_only(path_);
  ASSERT_EQ(store.sweeps().size(), 2U);
  EXPECT_EQ(store.sweeps()[0].cells, 1);
  EXPECT_EQ(store.sweeps()[1].cells, 4);
  EXPECT_EQ(store.sweeps()[1].failed, 1);
  EXPECT_DOUBLE_EQ(store.sweeps()[1].left_seconds, 6.0);
  EXPECT_EQ(store.sweep_cells("second").size(), 4U);
  EXPECT_TRUE(store.sweep_cells("third").empty());
}

}  // namespace
}  // namespace razorscope
