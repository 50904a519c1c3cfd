#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sstream>

#include "experiments/store/compare/comparison.hpp"
#include "sim/closed_loop/task.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

TEST(DifferenceTest, CombinesIntervalsSideBySide) {
  const Interval interval = difference_interval(1.0, {0.7, 1.4}, 2.0, {1.7, 2.3});
  EXPECT_DOUBLE_EQ(interval.low, 1.0 - std::hypot(0.3, 0.4));
  EXPECT_DOUBLE_EQ(interval.high, 1.0 + std::hypot(0.3, 0.3));
  // Newcombe (1998), table II (a), method 10: 56/70 against 48/80 gives 0.2 [0.0524, 0.3339].
  const Interval shares =
      difference_interval(48.0 / 80, wilson_interval(48, 80), 56.0 / 70, wilson_interval(56, 70));
  EXPECT_NEAR(shares.low, 0.0524, 5e-5);
  EXPECT_NEAR(shares.high, 0.3339, 5e-5);
}

TEST(DifferenceTest, TakesStudentsT) {
  // t(0.975, 4) = 2.776445; the mean is 3, the standard error sqrt(2.5 / 5).
  const Interval interval = mean_interval({1, 2, 3, 4, 5}).value();
  EXPECT_NEAR(interval.low, 3.0 - 2.776445 * std::sqrt(0.5), 1e-6);
  EXPECT_NEAR(interval.high, 3.0 + 2.776445 * std::sqrt(0.5), 1e-6);
  EXPECT_FALSE(mean_interval({1.0}).has_value());
}

TEST(DifferenceTest, ChangesBeyondItsInterval) {
  EXPECT_TRUE((FigureDifference{.a = 1, .b = 2, .interval = Interval{0.5, 1.5}}).changed());
  EXPECT_FALSE((FigureDifference{.a = 1, .b = 2, .interval = Interval{-0.5, 2.5}}).changed());
  EXPECT_TRUE((FigureDifference{.a = 1, .b = 2}).changed());
  EXPECT_FALSE((FigureDifference{.a = 1, .b = 1 + 1e-8}).changed());  // rounding
  EXPECT_TRUE((FigureDifference{.a = 1, .b = 1 + 1e-8, .kind = IntervalKind::exact}).changed());
}

ReplayRecord replay_with(double error) {
  ReplayRecord record = record_of("window:recent=508", 6, error);
  return record;
}

void fill(Store& store) {
  store.add_replay(replay_with(0.25));
  store.add_replay(record_of("full", 6, 0.01));
  store.add_eval(eval_of("window:recent=508"));
  store.add_task(task_of("window:recent=508", 30));
}

Comparison compared(Store& a, Store& b) {
  const auto data = [](Store& store) {
    ReportData runs;
    runs.replay = store.tradeoff();
    runs.closed_loop = store.closed_loop();
    runs.tasks = store.tasks();
    return runs;
  };
  return compare_stores(a, data(a), b, data(b));
}

const ComparedRun& run_of(const Comparison& comparison, std::string_view section) {
  for (const ComparedRun& run : comparison.runs) {
    if (section == run.section) return run;
  }
  throw std::out_of_range("no such run");
}

const FigureDifference& figure_of(const ComparedRun& run, std::string_view name) {
  for (const FigureDifference& figure : run.figures) {
    if (name == figure.figure) return figure;
  }
  throw std::out_of_range("no such figure");
}

class CompareTest : public ::testing::Test {
 protected:
  CompareTest() {
    fill(a_);
    fill(b_);
  }
  TemporaryFolder folder_;
  Store a_ = Store::open_for_writing(folder_ / "a.db");
  Store b_ = Store::open_for_writing(folder_ / "b.db");
};

TEST_F(CompareTest, FindsNoDifferenceToItself) {
  for (Store* other : {&a_, &b_}) {
    const Comparison comparison = compared(a_, *other);
    EXPECT_EQ(comparison.pairs(), 4U);
    EXPECT_FALSE(comparison.differs());
    EXPECT_FALSE(comparison.programs_differ());
    for (const ComparedRun& run : comparison.runs) {
      EXPECT_FALSE(run.by_name);
      EXPECT_FALSE(run.figures.empty());
      for (const FigureDifference& figure : run.figures) EXPECT_EQ(figure.difference(), 0.0) << figure.figure;
    }
  }
}

TEST_F(CompareTest, FindsAChangedReplayByItsHeads) {
  b_.add_replay(replay_with(0.5));  // each head by 0.25 more: no spread
  const Comparison comparison = compared(a_, b_);
  EXPECT_EQ(comparison.changes(), 1U);
  const FigureDifference& error = figure_of(run_of(comparison, "replay"), "relative_error_mean");
  EXPECT_EQ(error.kind, IntervalKind::heads);
  EXPECT_DOUBLE_EQ(error.difference(), 0.25);
  EXPECT_NEAR(error.interval.value().low, 0.25, 1e-12);
  EXPECT_TRUE(error.changed());

  // The same mean, but heads that disagree on the direction.
  ReplayRecord scattered = replay_with(0.25);
  scattered.result.relative_error_mean = 0.5;
  for (size_t i = 0; i < scattered.result.heads.size(); ++i)
    scattered.result.heads[i].relative_error += i % 2 == 0 ? 2 : -1.5;
  b_.add_replay(scattered);
  EXPECT_EQ(compared(a_, b_).changes(), 0U);
}

TEST_F(CompareTest, JudgesEvaluationsAndTasksByBothIntervals) {
  b_.add_eval(eval_of("window:recent=508", 0.3));  // 0.25 [0.125, 0.5] against 0.3 [0.15, 0.6]
  b_.add_task(task_of("window:recent=508", 10));   // of 40
  const Comparison comparison = compared(a_, b_);
  const FigureDifference& kl = figure_of(run_of(comparison, "eval"), "kl_to_full_nats");
  EXPECT_EQ(kl.kind, IntervalKind::unpaired);
  EXPECT_FALSE(kl.changed());
  EXPECT_DOUBLE_EQ(kl.interval.value().high, 0.3 - 0.25 + std::hypot(0.3, 0.125));
  const FigureDifference& accuracy = figure_of(run_of(comparison, "tasks"), "accuracy");
  EXPECT_EQ(accuracy.kind, IntervalKind::newcombe);
  EXPECT_DOUBLE_EQ(accuracy.difference(), -0.5);
  EXPECT_LT(accuracy.interval.value().high, 0.0);
  EXPECT_TRUE(accuracy.changed());
}

TEST_F(CompareTest, PairsByNamesWhereTheConfigurationDiffers) {
  EvalRecord other = eval_of("full");
  a_.add_eval(other);
  other.model.sha256 = "m2";
  b_.add_eval(other);
  b_.add_replay(record_of("razor"));
  const Comparison comparison = compared(a_, b_);
  EXPECT_EQ(comparison.pairs(), 5U);
  EXPECT_EQ(comparison.only_a(), 0U);
  EXPECT_EQ(comparison.only_b(), 1U);
  EXPECT_TRUE(comparison.differs());
  EXPECT_EQ(std::count_if(comparison.runs.begin(), comparison.runs.end(),
                          [](const auto& run) { return run.by_name; }),
            1);

  // Two that bear the same names cannot be told apart.
  other.model.sha256 = "m3";
  b_.add_eval(other);
  EXPECT_EQ(compared(a_, b_).only_b(), 3U);
}

TEST_F(CompareTest, TellsProgramsApart) {
  ReplayRecord record = replay_with(0.25);
  record.provenance.commit = "def";
  record.provenance.target = "avx2";
  b_.add_replay(record);
  const Comparison comparison = compared(a_, b_);
  EXPECT_FALSE(comparison.differs());
  EXPECT_TRUE(comparison.programs_differ());
  EXPECT_NE(format_comparison(comparison, ReportFormat::table).find("are not the same in both"),
            std::string::npos);
}

TEST_F(CompareTest, IsWrittenInEachFormat) {
  b_.add_replay(replay_with(0.5));
  b_.add_replay(record_of("razor"));
  const Comparison comparison = compared(a_, b_);
  const nlohmann::json json = nlohmann::json::parse(format_comparison(comparison, ReportFormat::json));
  EXPECT_EQ(json["pairs"].size(), 4U);
  EXPECT_EQ(json["only_b"].size(), 1U);
  EXPECT_EQ(json["changed"], 1);
  EXPECT_EQ(json["differs"], true);
  EXPECT_EQ(json["pairs"][0]["figures"][0]["interval"], "paired heads");
  std::istringstream csv(format_comparison(comparison, ReportFormat::csv));
  size_t lines = 0;
  for (std::string line; std::getline(csv, line);) ++lines;
  EXPECT_EQ(lines, 1U + 2 * 5 + 6 + 2 + 1);  // header, replays, evaluation, task, the one only in B
  const std::string text = format_comparison(comparison, ReportFormat::table);
  for (const char* part :
       {"4 pairs of runs: 1 changed; 0 runs only in A, 1 only in B", "+0.25", "Only in B: 1 runs"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  EXPECT_NE(format_comparison(comparison, ReportFormat::html).find("<h2 id=\"comparison\">"),
            std::string::npos);
  EXPECT_TRUE(format_comparison(comparison, ReportFormat::markdown).starts_with("## Comparison"));
}

}  // namespace
}  // namespace razorscope::testing
