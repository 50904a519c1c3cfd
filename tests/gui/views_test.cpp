#include <QClipboard>
#include <QComboBox>
#include <QHeaderView>
#include <QJsonArray>
#include <QLabel>
#include <QPlainTextEdit>
#include <QTableView>
#include <gmock/gmock.h>

#include "experiments/store/head_intervals.hpp"
#include "gui/data/run_table_model.hpp"
#include "gui/data/tradeoff_points.hpp"
#include "gui/views/view.hpp"
#include "gui/widgets/scatter_chart.hpp"
#include "models/base/error.hpp"
#include "tests/gui/gui_support.hpp"

namespace razorscope::gui {
namespace {

using testing::wait_for;

class ViewsTest : public testing::WithDatabase {
 protected:
  std::unique_ptr<View> shown(View* (*make)(Explorer&, QWidget*)) {
    std::unique_ptr<View> view(make(explorer, nullptr));
    view->resize(1000, 700);
    view->show();
    EXPECT_TRUE(QTest::qWaitForWindowExposed(view.get()));
    EXPECT_TRUE(settled(*view));
    return view;
  }
  static bool settled(const View& view) {
    QTest::qWait(20);
    return wait_for([&] { return !view.isBusy(); });
  }
  QString exported(View& view, const char* name) {
    const QString file = QString::fromStdString((folder / name).string());
    view.exportTo(file);
    return QString::fromUtf8(testing::bytes_of(file));
  }
};

TEST_F(ViewsTest, TradeoffHasASeriesAFamilyAndTheFront) {
  const auto view = shown(make_tradeoff_view);
  auto* chart = view->findChild<ScatterChart*>();
  EXPECT_EQ(chart->legendTexts(), (QStringList{QStringLiteral("front"), QStringLiteral("razor"),
                                               QStringLiteral("window"), QStringLiteral("full")}));
  ASSERT_EQ(chart->series().size(), 4U);
  EXPECT_EQ(chart->series()[1].points.size(), 3U);
  EXPECT_TRUE(chart->message().isEmpty());
  const QString csv = exported(*view, "a.csv");
  EXPECT_THAT(csv.toStdString(), ::testing::HasSubstr("\nrazor,0.3"));
}

TEST_F(ViewsTest, TradeoffSelectsWhatIsClicked) {
  const auto view = shown(make_tradeoff_view);
  auto* chart = view->findChild<ScatterChart*>();
  const SeriesPoint& point = chart->series()[1].points[0];
  QTest::mouseClick(&chart->plot(), Qt::LeftButton, {}, chart->positionOf(point).toPoint());
  EXPECT_EQ(explorer.currentRun(), point.run);
}

TEST_F(ViewsTest, TradeoffFollowsTheFilterAndSaysWhyItIsEmpty) {
  const auto view = shown(make_tradeoff_view);
  auto* chart = view->findChild<ScatterChart*>();
  RunFilter filter;
  filter.chosen[Facet::family] = {QStringLiteral("window")};
  explorer.setFilter(filter);
  ASSERT_TRUE(settled(*view));
  EXPECT_EQ(chart->legendTexts(), (QStringList{QStringLiteral("front"), QStringLiteral("window")}));
  filter.search = QStringLiteral("nothing");
  explorer.setFilter(filter);
  ASSERT_TRUE(settled(*view));
  EXPECT_THAT(chart->message().toStdString(), ::testing::HasSubstr("filter"));
  filter = {};
  filter.chosen[Facet::kind] = {QStringLiteral("serve")};
  explorer.setFilter(filter);
  ASSERT_TRUE(settled(*view));
  EXPECT_THAT(chart->message().toStdString(), ::testing::HasSubstr("None of these runs"));
}

TEST_F(ViewsTest, TradeoffShowsIntervalsOfEvaluations) {
  const auto view = shown(make_tradeoff_view);
  view->restoreState({{QStringLiteral("figure"), QStringLiteral("kl_to_full")},
                      {QStringLiteral("bytes"), QStringLiteral("bytes_physical")}});
  auto* chart = view->findChild<ScatterChart*>();
  ASSERT_EQ(chart->series().size(), 3U);
  const SeriesPoint& point = chart->series()[1].points.front();
  EXPECT_DOUBLE_EQ(point.y, 0.125);
  ASSERT_TRUE(point.interval);
  EXPECT_DOUBLE_EQ(point.interval->high, 0.25);
  EXPECT_EQ(chart->plot().plottableCount(), 5);  // the front, two families, and their intervals
}

TEST_F(ViewsTest, TradeoffShowsIntervalsOfReplaysOverTheirHeads) {
  const auto view = shown(make_tradeoff_view);
  const auto* chart = view->findChild<ScatterChart*>();
  Store store = Store::open_read_only(path());
  int intervals = 0;
  for (const Series& series : chart->series()) {
    for (const SeriesPoint& point : series.points) {
      if (!point.run) continue;  // of the front
      const auto expected = head_intervals(store.head_errors(point.run->id)).relative_error;
      ASSERT_TRUE(expected && point.interval) << series.name.toStdString();
      EXPECT_EQ(point.interval->low, expected->low);
      EXPECT_EQ(point.interval->high, expected->high);
      ++intervals;
    }
  }
  EXPECT_EQ(intervals, 6);
}

TEST_F(ViewsTest, TradeoffKeepsItsZoomWhereIntervalsFollow) {
  const std::unique_ptr<View> view(make_tradeoff_view(explorer, nullptr));
  view->resize(1000, 700);
  view->show();
  auto* chart = view->findChild<ScatterChart*>();
  ASSERT_TRUE(wait_for([&] { return !chart->series().empty(); }));
  chart->plot().yAxis->setRange(0.1, 0.2);
  ASSERT_TRUE(wait_for([&] { return chart->series()[1].points[0].interval.has_value(); }));
  EXPECT_EQ(chart->plot().yAxis->range(), QCPRange(0.1, 0.2));
}

TEST_F(ViewsTest, TradeoffHasALogarithmicAxisWhereItIsOfUse) {
  const auto view = shown(make_tradeoff_view);
  auto* chart = view->findChild<ScatterChart*>();
  EXPECT_FALSE(chart->isLogarithmic(Qt::Vertical));  // all but one between 0.2 and 0.5
  EXPECT_TRUE(view->saveState()[QLatin1String("logY")].isNull());
  chart->setLogarithmic(Qt::Vertical, true);
  const QJsonObject chosen = view->saveState();
  EXPECT_TRUE(chosen[QLatin1String("logY")].toBool());
  explorer.setFilter({});
  view->restoreState({});
  EXPECT_FALSE(chart->isLogarithmic(Qt::Vertical));
  view->restoreState(chosen);
  EXPECT_TRUE(chart->isLogarithmic(Qt::Vertical));

  const auto points = [](std::initializer_list<double> figures) {
    std::vector<TradeoffPoint> made;
    for (const double figure : figures) made.push_back({.y = figure});
    return made;
  };
  EXPECT_TRUE(spread_over_decades(points({0.0, 0.001, 0.002, 0.003, 0.5})));
  EXPECT_FALSE(spread_over_decades(points({0.0, 0.001, 0.2, 0.3, 0.5})));
  EXPECT_FALSE(spread_over_decades(points({0.0})));
  EXPECT_FALSE(spread_over_decades({}));
}

TEST_F(ViewsTest, TradeoffShowsWhatIsTriedWhereItCanBeCompared) {
  const auto view = shown(make_tradeoff_view);
  auto* chart = view->findChild<ScatterChart*>();
  TradeoffRow tried = snapshot().data.replay.front();
  tried.relative_error_mean = 0.35;
  explorer.setTrial(tried);
  ASSERT_TRUE(settled(*view));
  EXPECT_EQ(chart->legendTexts().back(), QStringLiteral("tried"));
  tried.steps += 1;
  explorer.setTrial(tried);
  ASSERT_TRUE(settled(*view));
  EXPECT_NE(chart->legendTexts().back(), QStringLiteral("tried"));
}

TEST_F(ViewsTest, RunsAreSharedWithTheSelection) {
  const auto view = shown(make_runs_view);
  auto* table = view->findChild<QTableView*>(QStringLiteral("runsTable"));
  explorer.selectOnly({false, 3});
  ASSERT_TRUE(settled(*view));
  const QModelIndexList rows = table->selectionModel()->selectedRows();
  ASSERT_EQ(rows.size(), 1);
  EXPECT_EQ(rows[0].data(RunTableModel::refRole).value<RunRef>(), (RunRef{false, 3}));
  table->selectRow(0);
  EXPECT_EQ(explorer.currentRun(), (RunRef{false, 1}));
  table->selectAll();
  EXPECT_EQ(explorer.selection().size(), 12U);
}

TEST_F(ViewsTest, RunsAreCopiedAndExported) {
  const auto view = shown(make_runs_view);
  auto* table = view->findChild<QTableView*>(QStringLiteral("runsTable"));
  table->selectRow(1);
  table->setFocus();
  QTest::keyClick(table, Qt::Key_C, Qt::ControlModifier);
  const QStringList lines = QApplication::clipboard()->text().split(u'\n', Qt::SkipEmptyParts);
  ASSERT_EQ(lines.size(), 2);
  EXPECT_TRUE(lines[0].startsWith(QStringLiteral("Kind\tPolicy\t")));
  EXPECT_TRUE(lines[1].startsWith(QStringLiteral("replay\twindow:recent=60+f16\t")));
  EXPECT_EQ(exported(*view, "runs.csv").count(u'\n'), 13);
  EXPECT_THROW(view->exportTo(QStringLiteral("runs.png")), InputError);
}

TEST_F(ViewsTest, RunsKeepColumnsOrderAndGroups) {
  QJsonObject state;
  {
    const auto view = shown(make_runs_view);
    view->restoreState(
        {{QStringLiteral("columns"),
          QJsonArray{
              QJsonObject{{QStringLiteral("key"), QStringLiteral("relative_error_mean")},
                          {QStringLiteral("width"), 90}},
              QJsonObject{{QStringLiteral("key"), QStringLiteral("label")}, {QStringLiteral("width"), 200}}}},
         {QStringLiteral("sort"),
          QJsonArray{QJsonObject{{QStringLiteral("key"), QStringLiteral("relative_error_mean")},
                                 {QStringLiteral("descending"), true}}}}});
    state = view->saveState();
  }
  const auto view = shown(make_runs_view);
  view->restoreState(state);
  EXPECT_EQ(view->saveState(), state);
  EXPECT_TRUE(exported(*view, "a.csv").startsWith(QStringLiteral("relative_error_mean,label\n0.5,")));
}

TEST_F(ViewsTest, HeaderClicksOrder) {
  const auto view = shown(make_runs_view);
  auto* table = view->findChild<QTableView*>(QStringLiteral("runsTable"));
  QHeaderView* header = table->horizontalHeader();
  const auto click = [&](const char* key, Qt::KeyboardModifiers modifiers) {
    const int column = run_column(QLatin1String(key));
    QTest::mouseClick(header->viewport(), Qt::LeftButton, modifiers,
                      QPoint(header->sectionViewportPosition(column) + header->sectionSize(column) / 2,
                             header->height() / 2));
  };
  const auto* model = qobject_cast<RunTableModel*>(table->model());
  click("kind", {});
  ASSERT_EQ(model->sortKeys().size(), 1U);
  click("label", Qt::ShiftModifier);
  ASSERT_EQ(model->sortKeys().size(), 2U);
  click("kind", {});
  ASSERT_EQ(model->sortKeys().size(), 1U);
  EXPECT_EQ(model->sortKeys()[0].order, Qt::DescendingOrder);
}

TEST_F(ViewsTest, ComparesTheTwoSelectedRuns) {
  const auto view = shown(make_compare_view);
  auto* chart = view->findChild<ScatterChart*>();
  EXPECT_THAT(chart->message().toStdString(), ::testing::HasSubstr("Select two runs"));
  explorer.select({{false, 2}, {false, 5}});
  ASSERT_TRUE(settled(*view));
  EXPECT_TRUE(chart->message().isEmpty()) << chart->message().toStdString();
  EXPECT_THAT(exported(*view, "a.csv").toStdString(),
              ::testing::HasSubstr("relative_error_mean,2,5,0.5,0.2,"));
  explorer.select({{false, 2}, {false, 7}});
  ASSERT_TRUE(settled(*view));
  EXPECT_THAT(chart->message().toStdString(), ::testing::HasSubstr("one kind"));
}

TEST_F(ViewsTest, ComparesWithAnotherDatabase) {
  testing::fill_database(folder / "other.db");
  const auto view = shown(make_compare_view);
  view->restoreState({{QStringLiteral("other"), QString::fromStdString((folder / "other.db").string())}});
  ASSERT_TRUE(settled(*view));
  EXPECT_THAT(view->findChild<QLabel*>(QStringLiteral("comparison"))->text().toStdString(),
              ::testing::HasSubstr("A: results.db, B: other.db; 12 pairs of runs: 0 changed"));
}

TEST_F(ViewsTest, SqlAnswersStatementsAndSelectsRuns) {
  const auto view = shown(make_sql_view);
  view->restoreState(
      {{QStringLiteral("sql"),
        QStringLiteral("SELECT run_id, policy FROM tradeoff WHERE relative_error_mean < :most ORDER BY 1")},
       {QStringLiteral("settings"), QStringLiteral("most=0.25")}});
  ASSERT_TRUE(settled(*view));
  EXPECT_EQ(view->csv().count(u'\n'), 3);
  auto* table = view->findChild<QTableView*>();
  QTest::mouseClick(table->viewport(), Qt::LeftButton, {},
                    table->visualRect(table->model()->index(1, 0)).center());
  EXPECT_EQ(explorer.currentRun(), (RunRef{false, 5}));
  view->restoreState({{QStringLiteral("sql"), QStringLiteral("DROP TABLE runs")}});
  ASSERT_TRUE(settled(*view));
  EXPECT_FALSE(view->findChild<QLabel*>(QStringLiteral("sqlStatus"))->text().isEmpty());
  EXPECT_EQ(testing::ask(path(), "SELECT count(*) FROM runs"), 10);
}

TEST_F(ViewsTest, SqlHasTheUsualQuestions) {
  const auto view = shown(make_sql_view);
  auto* questions = view->findChild<QComboBox*>(QStringLiteral("questions"));
  ASSERT_GE(questions->count(), 20);
  for (int i = 0; i < questions->count(); ++i) {
    questions->setCurrentIndex(i);
    Q_EMIT questions->activated(i);
    ASSERT_TRUE(settled(*view));
    const QString status = view->findChild<QLabel*>(QStringLiteral("sqlStatus"))->text();
    EXPECT_TRUE(status.contains(QStringLiteral(" rows in ")) || status.startsWith(QStringLiteral("No row")))
        << status.toStdString();
  }
}

}  // namespace
}  // namespace razorscope::gui
