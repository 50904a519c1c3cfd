#include <QProcess>
#include <nlohmann/json.hpp>

#include "gui/data/run_columns.hpp"
#include "gui/data/tradeoff_points.hpp"
#include "tests/gui/gui_support.hpp"

// What views show is what the command line prints for the same database.

namespace razorscope::gui {
namespace {

nlohmann::json asked(const QStringList& words) {
  QProcess process;
  process.start(QStringLiteral(RAZORSCOPE_PROGRAM), words);
  EXPECT_TRUE(process.waitForFinished(60'000));
  EXPECT_EQ(process.exitCode(), 0) << process.readAllStandardError().toStdString();
  return nlohmann::json::parse(process.readAllStandardOutput().toStdString());
}

class SameNumbers : public testing::WithDatabase {
 protected:
  nlohmann::json report() const {
    return asked({QStringLiteral("report"), QStringLiteral("--db"), QString::fromStdString(path().string()),
                  QStringLiteral("--format"), QStringLiteral("json")});
  }

  /// Every figure of a row that both have, by the same key. Returns how many.
  int compare(const nlohmann::json& row, const gui::Run& run, const std::set<std::string>& but = {}) const {
    int figures = 0;
    for (const RunColumn& column : run_columns()) {
      if (!row.contains(column.key) || but.contains(column.key)) continue;
      const nlohmann::json& printed = row.at(column.key);
      ++figures;
      if (!column.is_number()) {
        EXPECT_EQ(printed.get<std::string>(), column.text(snapshot(), run).toStdString()) << column.key;
        continue;
      }
      const std::optional<double> shown = column.number(snapshot(), run);
      EXPECT_EQ(printed.is_null(), !shown) << column.key;
      if (shown && printed.is_number()) {
        EXPECT_EQ(printed.get<double>(), *shown) << column.key;
      }
    }
    return figures;
  }
};

TEST_F(SameNumbers, Replays) {
  int rows = 0;
  const nlohmann::json printed = report();
  for (const nlohmann::json& group : printed.at("groups")) {
    for (const nlohmann::json& row : group.at("policies")) {
      const gui::Run* run = snapshot().find({false, row.at("run").get<int64_t>()});
      ASSERT_NE(run, nullptr);
      EXPECT_GE(compare(row, *run, {"requested_policy"}), 13);
      ++rows;
    }
  }
  EXPECT_EQ(rows, 6);
}

TEST_F(SameNumbers, EvaluationsWithTheirIntervals) {
  int rows = 0;
  const nlohmann::json printed = report();
  for (const nlohmann::json& group : printed.at("closed_loop")) {
    for (const nlohmann::json& row : group.at("policies")) {
      const gui::Run* run = snapshot().find({false, row.at("run").get<int64_t>()});
      ASSERT_NE(run, nullptr);
      EXPECT_GE(compare(row, *run, {"requested_policy"}), 8);
      const auto interval =
          run_columns()[static_cast<size_t>(run_column(QStringLiteral("nll_difference")))].interval(
              snapshot(), *run);
      ASSERT_TRUE(interval);
      EXPECT_EQ(row.at("nll_difference_low").get<double>(), interval->low);
      ++rows;
    }
  }
  EXPECT_EQ(rows, 2);
}

TEST_F(SameNumbers, Tasks) {
  int rows = 0;
  const nlohmann::json printed = report();
  for (const nlohmann::json& group : printed.at("tasks")) {
    for (const nlohmann::json& row : group.at("policies")) {
      const gui::Run* run = snapshot().find({false, row.at("run").get<int64_t>()});
      ASSERT_NE(run, nullptr);
      EXPECT_GE(compare(row, *run, {"requested_policy"}), 7);
      ++rows;
    }
  }
  EXPECT_EQ(rows, 2);
}

TEST_F(SameNumbers, Serving) {
  int rows = 0;
  const nlohmann::json printed = report();
  for (const nlohmann::json& group : printed.at("serving")) {
    for (const nlohmann::json& row : group.at("policies")) {
      const gui::Run* run = snapshot().find({true, row.at("run").get<int64_t>()});
      ASSERT_NE(run, nullptr);
      EXPECT_GE(compare(row, *run, {"steps"}), 6);  // of the simulation, there
      const RunColumn& p99 = run_columns()[static_cast<size_t>(run_column(QStringLiteral("ttft_p99_ms")))];
      EXPECT_EQ(row.at("ttft_ms").at("p99").get<double>(), p99.number(snapshot(), *run).value());
      ++rows;
    }
  }
  EXPECT_EQ(rows, 2);
}

TEST_F(SameNumbers, FrontIsThatOfTheDatabase) {
  const nlohmann::json front =
      asked({QStringLiteral("sql"), QStringLiteral("--db"), QString::fromStdString(path().string()),
             QStringLiteral("--format"), QStringLiteral("json"),
             QStringLiteral("SELECT run_id FROM pareto WHERE kind = 'replay'")});
  std::set<int64_t> printed;
  for (const nlohmann::json& row : front.at("rows")) printed.insert(row.at("run_id").get<int64_t>());
  const RunColumn& bytes = run_columns()[static_cast<size_t>(run_column(QStringLiteral("bytes_physical")))];
  const RunColumn& error =
      run_columns()[static_cast<size_t>(run_column(QStringLiteral("relative_error_mean")))];
  std::set<int64_t> drawn;
  for (const TradeoffPoint& point : tradeoff_points(snapshot(), explorer.visibleRuns(), -1, bytes, error)) {
    if (point.on_front) drawn.insert(snapshot().runs[point.place].ref.id);
  }
  EXPECT_EQ(drawn, printed);
  EXPECT_GE(drawn.size(), 3U);
}

TEST_F(SameNumbers, FrontOfCompressionIsTheSame) {
  const RunColumn& bytes =
      run_columns()[static_cast<size_t>(run_column(QStringLiteral("bytes_physical_relative")))];
  const RunColumn& compression =
      run_columns()[static_cast<size_t>(run_column(QStringLiteral("compression")))];
  const RunColumn& error =
      run_columns()[static_cast<size_t>(run_column(QStringLiteral("relative_error_mean")))];
  std::set<size_t> fronts[2];
  for (const TradeoffPoint& point : tradeoff_points(snapshot(), explorer.visibleRuns(), -1, bytes, error)) {
    if (point.on_front) fronts[0].insert(point.place);
  }
  for (const TradeoffPoint& point :
       tradeoff_points(snapshot(), explorer.visibleRuns(), -1, compression, error)) {
    if (point.on_front) fronts[1].insert(point.place);
  }
  EXPECT_EQ(fronts[0], fronts[1]);
}

}  // namespace
}  // namespace razorscope::gui
