#include <QAbstractItemModelTester>
#include <gmock/gmock.h>

#include "gui/data/comparison_model.hpp"
#include "gui/data/facet_model.hpp"
#include "gui/data/run_table_model.hpp"
#include "gui/data/sql_answer.hpp"
#include "gui/data/sweep_cells_model.hpp"
#include "models/base/error.hpp"
#include "tests/gui/gui_support.hpp"

namespace razorscope::gui {
namespace {

constexpr auto fatal = QAbstractItemModelTester::FailureReportingMode::Fatal;

class ItemModels : public testing::WithDatabase {
 protected:
  static int column(const char* key) { return run_column(QLatin1String(key)); }
  void choose(Facet facet, const QString& name) {
    RunFilter filter;
    filter.chosen[facet] = {name};
    explorer.setFilter(filter);
  }
};

TEST_F(ItemModels, RunTableKeepsTheContract) {
  RunTableModel model(explorer);
  const QAbstractItemModelTester tester(&model, fatal);
  EXPECT_EQ(model.rowCount(), 12);
  choose(Facet::family, QStringLiteral("razor"));
  EXPECT_EQ(model.rowCount(), 5);
  model.setSortKeys(
      {{column("kind"), Qt::DescendingOrder}, {column("relative_error_mean"), Qt::AscendingOrder}});
  model.setGroupColumn(column("label"));
  explorer.setFilter({});
  explorer.refresh();
  ASSERT_TRUE(testing::wait_for([&] { return !explorer.worker().isBusy(); }));
  model.setGroupColumn(-1);
  EXPECT_EQ(model.rowCount(), 12);
  explorer.close();
  EXPECT_EQ(model.rowCount(), 0);
}

TEST_F(ItemModels, RunTableSortsByManyColumnsWithTheUnknownLast) {
  RunTableModel model(explorer);
  const int error = column("relative_error_mean");
  const auto errors = [&] {
    std::vector<double> values;
    for (int row = 0; row < model.rowCount(); ++row) {
      const QVariant value = model.index(row, error).data(RunTableModel::valueRole);
      values.push_back(value.isValid() ? value.toDouble() : -1.0);
    }
    return values;
  };
  model.setSortKeys({{error, Qt::DescendingOrder}});
  EXPECT_THAT(errors(), ::testing::ElementsAre(0.5, 0.4, 0.3, 0.25, 0.2, 0.001, -1, -1, -1, -1, -1, -1));
  model.setSortKeys({{error, Qt::AscendingOrder}});
  EXPECT_THAT(errors(), ::testing::ElementsAre(0.001, 0.2, 0.25, 0.3, 0.4, 0.5, -1, -1, -1, -1, -1, -1));
  choose(Facet::kind, QStringLiteral("replay"));
  model.setSortKeys({{column("bytes_physical"), Qt::AscendingOrder}, {error, Qt::AscendingOrder}});
  EXPECT_THAT(errors(), ::testing::ElementsAre(0.5, 0.4, 0.25, 0.3, 0.2, 0.001));
  EXPECT_THAT(model.headerData(error, Qt::Horizontal).toString().toStdString(), ::testing::HasSubstr("▲2"));
}

TEST_F(ItemModels, GroupsHaveMeansWithIntervals) {
  RunTableModel model(explorer);
  choose(Facet::kind, QStringLiteral("replay"));
  model.setGroupColumn(column("label"));
  EXPECT_EQ(model.rowCount(), 6);
  model.setGroupColumn(column("model"));
  ASSERT_EQ(model.rowCount(), 1);
  EXPECT_EQ(model.index(0, column("model")).data().toString(), QStringLiteral("tiny, \"quoted\" model (6)"));
  const double mean = (0.001 + 0.5 + 0.3 + 0.4 + 0.2 + 0.25) / 6.0;
  EXPECT_DOUBLE_EQ(model.index(0, column("relative_error_mean")).data(RunTableModel::valueRole).toDouble(),
                   mean);
  // 2.571 (Student's t of 5 degrees) times .1723 over the root of 6.
  EXPECT_EQ(model.index(0, column("relative_error_mean")).data().toString(), QStringLiteral("0.275 ± 0.181"));
  EXPECT_EQ(model.index(0, column("label")).data().toString(), QStringLiteral("several"));
  EXPECT_EQ(model.runsOfRow(0).size(), 6U);
  const QStringList csv = model.asCsv({0}, {column("relative_error_mean")}).split(u'\n');
  EXPECT_EQ(csv[0],
            QStringLiteral("runs,relative_error_mean,relative_error_mean_low,relative_error_mean_high"));
  const QStringList cells = csv[1].split(u',');
  ASSERT_EQ(cells.size(), 4);
  EXPECT_EQ(cells[0], QStringLiteral("6"));
  EXPECT_NEAR(cells[3].toDouble() - mean, mean - cells[2].toDouble(), 1e-12);
  EXPECT_NEAR(cells[3].toDouble() - mean, 0.181, 0.001);
}

TEST_F(ItemModels, RowsAreCopiedAsTextOfThreeKinds) {
  RunTableModel model(explorer);
  model.setSortKeys({{column("relative_error_mean"), Qt::AscendingOrder}});
  const std::vector<int> columns = {column("label"), column("model"), column("relative_error_mean")};
  EXPECT_EQ(
      model.asCsv({0}, columns),
      QStringLiteral("label,model,relative_error_mean\nfull+f16,\"tiny, \"\"quoted\"\" model\",0.001\n"));
  EXPECT_EQ(model.asTsv({0}, columns),
            QStringLiteral("Policy\tModel\tError\nfull+f16\ttiny, \"quoted\" model\t0.001\n"));
  EXPECT_EQ(model.asMarkdown({1}, {columns[0], columns[2]}),
            QStringLiteral("| Policy | Error |\n| --- | --: |\n| razor/weighted:recent=124+f16 | 0.2 |\n"));
}

TEST_F(ItemModels, BarsSpanTheColumn) {
  RunTableModel model(explorer);
  model.setSortKeys({{column("relative_error_mean"), Qt::AscendingOrder}});
  const int error = column("relative_error_mean");
  EXPECT_DOUBLE_EQ(model.index(0, error).data(RunTableModel::barRole).toDouble(), 0.0);
  EXPECT_DOUBLE_EQ(model.index(5, error).data(RunTableModel::barRole).toDouble(), 1.0);
  EXPECT_FALSE(model.index(11, error).data(RunTableModel::barRole).isValid());
}

TEST_F(ItemModels, FacetsKeepTheContractAndFilter) {
  FacetModel model(explorer);
  const QAbstractItemModelTester tester(&model, fatal);
  const QModelIndexList found = model.match(model.index(0, 0), Qt::DisplayRole, QStringLiteral("razor"), 1,
                                            Qt::MatchExactly | Qt::MatchRecursive);
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0].siblingAtColumn(FacetModel::countColumn).data().toInt(), 5);
  EXPECT_EQ(found[0].data(Qt::AccessibleTextRole).toString(), QStringLiteral("Policy razor, 5 runs"));
  EXPECT_TRUE(model.setData(found[0], Qt::Checked, Qt::CheckStateRole));
  EXPECT_EQ(explorer.visibleRuns().size(), 5U);
  EXPECT_EQ(found[0].data(Qt::CheckStateRole).toInt(), Qt::Checked);
  EXPECT_TRUE(model.setData(found[0], Qt::Unchecked, Qt::CheckStateRole));
  EXPECT_TRUE(explorer.filter().empty());
  EXPECT_FALSE(model.setData(model.index(0, 0), Qt::Checked, Qt::CheckStateRole));
  model.chooseOnly(found[0]);
  EXPECT_EQ(explorer.visibleRuns().size(), 5U);
  explorer.close();
  EXPECT_EQ(model.rowCount(), 0);
}

TEST_F(ItemModels, SqlAnswersKeepTheContract) {
  const std::atomic<bool> stop = false;
  SqlAnswerModel model;
  const QAbstractItemModelTester tester(&model, fatal);
  model.setAnswer(std::make_shared<const SqlAnswer>(ask_sql(
      path(), "SELECT run_id, policy, relative_error_mean, NULL AS none FROM tradeoff", {}, 100, stop)));
  ASSERT_EQ(model.rowCount(), 6);
  model.sort(2, Qt::DescendingOrder);
  EXPECT_EQ(model.index(0, 2).data().toString(), QStringLiteral("0.5"));
  model.sort(1, Qt::AscendingOrder);
  EXPECT_EQ(model.index(0, 1).data().toString(), QStringLiteral("full+f16"));
  EXPECT_EQ(model.runOf(0), (RunRef{false, 1}));
  EXPECT_EQ(model.index(0, 3).data().toString(), QString());
  EXPECT_TRUE(
      model.csv().startsWith(QStringLiteral("run_id,policy,relative_error_mean,none\n1,full+f16,0.001,\n")));
  model.setAnswer(nullptr);
  EXPECT_EQ(model.columnCount(), 0);
}

TEST_F(ItemModels, SqlAnswersAreCutAndRefused) {
  const std::atomic<bool> stop = false;
  const SqlAnswer cut = ask_sql(path(), "SELECT * FROM head_errors", {}, 10, stop);
  EXPECT_EQ(cut.rows.size(), 10U);
  EXPECT_TRUE(cut.is_cut);
  EXPECT_THROW(ask_sql(path(), "DELETE FROM runs", {}, 10, stop), InputError);
  EXPECT_THROW(ask_sql(path(), "SELECT nonsense FROM tradeoff", {}, 10, stop), InputError);
  const std::atomic<bool> stopped = true;
  EXPECT_ANY_THROW(ask_sql(
      path(), "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n", {},
      10, stopped));
}

TEST(SweepCells, KeepTheContractWithFailuresFirst) {
  SweepCellsModel model;
  const QAbstractItemModelTester tester(&model, fatal);
  std::vector<CellRow> cells(3);
  cells[0].state = CellState::done;
  cells[0].wall_seconds = 1.21;
  cells[1].state = CellState::pending;
  cells[2].state = CellState::failed;
  cells[2].attempts = 2;
  cells[2].policy = "window/original-positions:sinks=4,recent=60,when=every-step+f16";
  cells[2].settings_json = R"({"prefix": "256", "steps": "32"})";
  cells[2].message = "no such, file";
  model.setCells(cells);
  EXPECT_EQ(model.index(0, SweepCellsModel::stateColumn).data().toString(),
            QStringLiteral("failed (2 tries)"));
  EXPECT_EQ(model.index(0, SweepCellsModel::policyColumn).data().toString(),
            QStringLiteral("window:recent=60+f16"));
  EXPECT_EQ(model.index(0, SweepCellsModel::settingsColumn).data().toString(),
            QStringLiteral("prefix 256, steps 32"));
  EXPECT_EQ(model.index(2, SweepCellsModel::secondsColumn).data().toString(), QStringLiteral("1.2"));
  EXPECT_THAT(model.csv().toStdString(), ::testing::HasSubstr("\"no such, file\""));
  model.setCells({});
  EXPECT_EQ(model.rowCount(), 0);
}

TEST(SweepCells, TimeLeftFollowsThePaceSoFar) {
  std::vector<CellRow> cells(4);
  for (CellRow& cell : cells) cell.estimated_seconds = 10.0;
  EXPECT_EQ(seconds_left(cells, 5.0, 0.0), std::nullopt);
  cells[0].state = CellState::done;
  cells[1].state = CellState::running;
  // 10 estimated seconds took 5, so that the 30 that are left take 15.
  EXPECT_DOUBLE_EQ(seconds_left(cells, 5.0, 0.0).value(), 15.0);
  // What was done before this start tells nothing about its pace.
  EXPECT_EQ(seconds_left(cells, 5.0, 10.0), std::nullopt);
}

TEST_F(ItemModels, ComparisonsKeepTheContract) {
  ComparisonModel model;
  const QAbstractItemModelTester tester(&model, fatal);
  Store store = Store::open_read_only(path());
  const ComparedFigures compared = compare_two_runs(store, snapshot(), {false, 2}, {false, 3});
  model.setFigures(compared.figures);
  ASSERT_GT(model.rowCount(), 3);
  const auto error =
      std::find_if(compared.figures.begin(), compared.figures.end(), [](const ComparedFigure& figure) {
        return std::string_view(figure.difference.figure) == "relative_error_mean";
      });
  ASSERT_NE(error, compared.figures.end());
  EXPECT_DOUBLE_EQ(error->difference.difference(), 0.3 - 0.5);
  EXPECT_DOUBLE_EQ(error->relative().value(), (0.3 - 0.5) / 0.5);
  EXPECT_EQ(error->difference.kind, IntervalKind::heads);
  EXPECT_THAT(model.csv().toStdString(), ::testing::HasSubstr(",relative_error_mean,2,3,0.5,0.3,"));

  const ComparedFigures mixed = compare_two_runs(store, snapshot(), {false, 2}, {false, 7});
  EXPECT_TRUE(mixed.figures.empty());
  EXPECT_THAT(mixed.summary.toStdString(), ::testing::HasSubstr("one kind"));
}

TEST_F(ItemModels, DatabasesAreComparedRunByRun) {
  const std::filesystem::path other = folder / "other.db";
  testing::fill_database(other);
  testing::ask(other,
               "UPDATE replay_results SET physical_bytes = physical_bytes + 64 WHERE run_id = 3 RETURNING 1");
  const ComparedFigures compared = compare_databases(path(), other);
  EXPECT_THAT(compared.summary.toStdString(), ::testing::HasSubstr("1 changed; 0 only in A, 0 only in B"));
  ASSERT_FALSE(compared.figures.empty());
  EXPECT_EQ(compared.figures.front().a_run, (RunRef{false, 3}));
}

}  // namespace
}  // namespace razorscope::gui
