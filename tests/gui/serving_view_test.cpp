#include <QComboBox>

#include "gui/data/serving_curves.hpp"
#include "gui/widgets/scatter_chart.hpp"
#include "gui/widgets/timeline_chart.hpp"
#include "tests/gui/opened_view.hpp"
#include "tests/support/stored_deployments.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

using namespace gui;

class ServingViewTest : public ::testing::Test {
 protected:
  ServingViewTest() {
    Store store = Store::open_for_writing(path_);
    for (const char* policy : {"full", "full+q8_0", "razor"}) {
      for (const double rate : {4.0, 1.0, 2.0}) {
        ServingRecord record = serving_of(policy, rate);
        record.workload.pattern = "poisson:requests=2";
        record.workload.hash = "same";
        record.result.ttft.p90 = 0.25 * rate;
        record.result.timeline[1].running = static_cast<int>(rate);
        ids_.push_back(store.add_serving(record));
      }
    }
    // Of another service level.
    ServingRecord record = serving_of("full", 8.0);
    record.setup.level = {};
    other_ = store.add_serving(record);
  }

  static ScatterChart& latency(OpenedView& opened) {
    return opened.chart<ScatterChart>("Latency against load");
  }
  static ScatterChart& throughput(OpenedView& opened) {
    return opened.chart<ScatterChart>("Throughput against load");
  }
  static TimelineChart& timeline(OpenedView& opened) { return opened.chart<TimelineChart>("Timeline"); }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "results.db";
  std::vector<int64_t> ids_;  // by policy, then by rate: 4, 1, 2
  int64_t other_ = 0;
};

TEST_F(ServingViewTest, DrawsALineAPolicyAgainstTheRate) {
  OpenedView opened(make_serving_view, path_);
  const std::vector<Series>& lines = latency(opened).series();
  ASSERT_EQ(lines.size(), 4U);  // and the service level
  EXPECT_EQ(lines[3].name, "service level");
  EXPECT_DOUBLE_EQ(lines[3].points[0].y, 2000.0);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(lines[i].points.size(), 3U);
    for (const SeriesPoint& point : lines[i].points) EXPECT_DOUBLE_EQ(point.y, 250.0 * point.x);
    EXPECT_LT(lines[i].points[0].x, lines[i].points[1].x);
  }
  EXPECT_FALSE(lines[0].hollow);
  EXPECT_TRUE(lines[1].hollow);  // of the same family
  EXPECT_EQ(throughput(opened).series().back().name, "all that arrive");
  EXPECT_DOUBLE_EQ(throughput(opened).series()[0].points[0].y, 1.5);
  EXPECT_EQ(latency(opened).legendTexts().size(), 4);
  EXPECT_GT(opened.colours(), 8U);
}

TEST_F(ServingViewTest, AClickSelectsTheRunAndShowsItsTimeline) {
  OpenedView opened(make_serving_view, path_);
  ScatterChart& chart = latency(opened);
  const SeriesPoint point = chart.series()[2].points[2];  // razor at 4 requests/s, above the others' alike
  opened.click(chart, chart.positionOf(chart.series()[0].points[2]));
  ASSERT_EQ(opened.explorer().selection().size(), 1U);
  const RunRef selected = opened.explorer().selection()[0];
  EXPECT_TRUE(selected.on_device);
  Store store = Store::open_read_only(path_);
  const std::vector<TimelinePoint> expected = store.timeline(selected.id);
  const std::vector<TimelinePoint>& shown = timeline(opened).points();
  ASSERT_EQ(shown.size(), expected.size());
  EXPECT_EQ(shown[1].running, 4);
  EXPECT_EQ(shown[1].time, expected[1].time);
  EXPECT_EQ(timeline(opened).stripes(), 4);
  EXPECT_EQ(timeline(opened).legendTexts().size(), 5);
  opened.click(throughput(opened), throughput(opened).positionOf(throughput(opened).series()[2].points[0]),
               Qt::ControlModifier);
  EXPECT_EQ(opened.explorer().selection().size(), 2U);
  EXPECT_EQ(point.x, 4.0);
}

TEST_F(ServingViewTest, TellsAllPercentilesOfARun) {
  OpenedView opened(make_serving_view, path_);
  const QString words = latency(opened).wordsOf(latency(opened).series()[2].points[2]);
  EXPECT_TRUE(words.startsWith("razor/weighted+f16 at 4 requests/s\nTTFT p50/p90/p99: "))
      << words.toStdString();
  EXPECT_TRUE(words.contains(" / 1000 / ")) << words.toStdString();
  EXPECT_TRUE(throughput(opened)
                  .wordsOf(throughput(opened).series()[0].points[0])
                  .contains("Goodput: 1.5 requests/s"));
}

TEST_F(ServingViewTest, DrawsAsManyPoliciesAsCanBeToldApartAndThoseThatAreSelected) {
  int64_t last = 0;
  Store store = Store::open_for_writing(path_);
  for (int recent = 1; recent <= 20; ++recent) {
    ServingRecord record = serving_of("window:recent=" + std::to_string(recent), 2.0);
    record.workload.pattern = "poisson:requests=2";
    record.workload.hash = "same";
    last = store.add_serving(record);
  }
  OpenedView opened(make_serving_view, path_);
  EXPECT_EQ(latency(opened).series().size(), 12U + 1U);
  EXPECT_TRUE(opened.text("note").contains("11 more policies"));
  EXPECT_EQ(opened.view().csv().count('\n'), 1 + 9 + 20);
  EXPECT_EQ(latency(opened).series()[11].name, "window:recent=17+f16");
  opened.select({{true, last}});
  ASSERT_EQ(latency(opened).series().size(), 12U + 1U);
  EXPECT_EQ(latency(opened).series()[11].name, "window:recent=20+f16");
}

TEST_F(ServingViewTest, FollowsASelectionToItsSubject) {
  OpenedView opened(make_serving_view, path_);
  EXPECT_EQ(opened.control<QComboBox>("What was served, on what").count(), 2);
  opened.select({{true, other_}});
  ASSERT_EQ(latency(opened).series().size(), 1U);  // without a service level
  EXPECT_EQ(latency(opened).series()[0].points[0].run->id, other_);
}

TEST_F(ServingViewTest, ChoicesChangeWhatIsDrawn) {
  OpenedView opened(make_serving_view, path_);
  opened.view().restoreState({{"latency", "tpot"}, {"percentile", "all"}, {"throughput", "peak_kv_use"}});
  opened.settle();
  EXPECT_EQ(latency(opened).series().size(), 9U);  // no limit of TPOT
  EXPECT_EQ(latency(opened).legendTexts().size(), 3);
  EXPECT_EQ(throughput(opened).series().size(), 3U);
  const QJsonObject state = opened.view().saveState();
  opened.view().restoreState(
      {{"latency", 1}, {"percentile", "p98"}, {"subject", QJsonObject()}, {"throughput", "x"}});
  EXPECT_EQ(opened.view().saveState(), state);
  latency(opened).setHidden({"razor/weighted+f16"});
  EXPECT_EQ(throughput(opened).hidden(), latency(opened).hidden());
}

TEST_F(ServingViewTest, ExportsTheReportsTable) {
  OpenedView opened(make_serving_view, path_);
  const QStringList lines = opened.view().csv().trimmed().split('\n');
  ASSERT_EQ(lines.size(), 10);
  EXPECT_TRUE(lines[0].startsWith("run,device,"));
  opened.view().exportTo(QString::fromStdString((folder_ / "serving.svg").string()));
  EXPECT_GT(std::filesystem::file_size(folder_ / "serving.svg"), 5000U);
}

class ServingRefreshTest : public ServingViewTest {
 protected:
  /// Another program adds a run.
  void add(OpenedView& opened, double rate) {
    ServingRecord record = serving_of("full", rate);
    record.workload.pattern = "poisson:requests=2";
    record.workload.hash = "same";
    Store::open_for_writing(path_).add_serving(record);
    const auto before = opened.explorer().snapshot();
    opened.explorer().refresh();
    ASSERT_TRUE(QTest::qWaitFor([&] { return opened.explorer().snapshot() != before; }, 10'000));
    opened.settle();
  }
  static QCPRange x(Chart& chart) { return chart.plot().xAxis->range(); }
};

TEST_F(ServingRefreshTest, AZoomStaysWhereRunsAreAdded) {
  OpenedView opened(make_serving_view, path_);
  opened.select({{true, ids_[0]}});
  const QCPRange all = x(throughput(opened));
  const QCPRange part(1.5, 2.5);
  const QCPRange time(0.1, 0.2);
  latency(opened).plot().xAxis->setRange(part);
  timeline(opened).plot().xAxis->setRange(time);
  add(opened, 16.0);
  EXPECT_EQ(latency(opened).series()[0].points.size(), 4U);
  EXPECT_EQ(x(latency(opened)), part);
  EXPECT_EQ(x(timeline(opened)), time);
  EXPECT_GT(x(throughput(opened)).upper, 16.0) << "nobody has zoomed there";
  EXPECT_GT(x(throughput(opened)).upper, all.upper);
  // Another run has another time, and another subject other rates.
  opened.select({{true, ids_[4]}});
  EXPECT_NE(x(timeline(opened)), time);
  EXPECT_EQ(x(latency(opened)), part);
  opened.select({{true, other_}});
  EXPECT_NE(x(latency(opened)), part);
}

TEST(ServingViewEmptyTest, SaysWhyThereIsNothing) {
  const TemporaryFolder folder;
  {
    Store store = Store::open_for_writing(folder / "results.db");
    store.add_replay(record_of("full"));
  }
  OpenedView opened(make_serving_view, folder / "results.db");
  EXPECT_TRUE(opened.chart<ScatterChart>("Latency against load").message().contains("None of these runs"));
  EXPECT_FALSE(opened.chart<TimelineChart>("Timeline").message().isEmpty());
  OpenedView nothing(make_serving_view);
  EXPECT_TRUE(nothing.chart<ScatterChart>("Latency against load").message().contains("No database"));
}

TEST(ServingViewEmptyTest, RequestsThatArriveAtOnceHaveATimelineAlone) {
  const TemporaryFolder folder;
  {
    Store store = Store::open_for_writing(folder / "results.db");
    ServingRecord record = serving_of("full", 2.0);
    record.workload.rate = std::nullopt;
    store.add_serving(record);
  }
  OpenedView opened(make_serving_view, folder / "results.db");
  EXPECT_TRUE(opened.chart<ScatterChart>("Latency against load").message().contains("at once"));
  EXPECT_EQ(opened.chart<TimelineChart>("Timeline").points().size(), 2U);
}

}  // namespace
}  // namespace razorscope::testing
