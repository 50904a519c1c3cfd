#include <QComboBox>
#include <QSlider>
#include <QTextBrowser>

#include "gui/data/head_maps.hpp"
#include "gui/widgets/heat_map.hpp"
#include "tests/gui/opened_view.hpp"
#include "tests/gui/stored_heads.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

using namespace gui;

class HeadsViewTest : public ::testing::Test {
 protected:
  HeadsViewTest() {
    Store store = Store::open_for_writing(path_);
    full_ = store.add_replay(replay_of_probed("full+f32", 0.0));
    razor_ = store.add_replay(replay_of_probed("razor", 0.25));
    window_ = store.add_replay(replay_of_probed("window:recent=100", 0.5));
    ProbeRecord probe = probe_of();
    probe.scores.induction = {0.9, 0.1, 0.2, 0.3, 0.4, 0.4, 0.5, 0.6};
    store.add_probe(probe);
  }

  OpenedView open() { return OpenedView(make_heads_view, path_); }
  static HeatMapChart& errors(OpenedView& opened) { return opened.chart<HeatMapChart>("Head errors"); }
  static HeatMapChart& scores(OpenedView& opened) { return opened.chart<HeatMapChart>("Head scores"); }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "results.db";
  int64_t full_ = 0;
  int64_t razor_ = 0;
  int64_t window_ = 0;
};

TEST_F(HeadsViewTest, ShowsScoresBesideTheErrorsOfTheCurrentRun) {
  OpenedView opened(make_heads_view, path_);
  opened.select({{false, razor_}, {false, window_}});
  const HeadMap expected =
      error_map(replay_of_probed("window:recent=100", 0.5).result.heads, head_error_figures().front());
  EXPECT_EQ(errors(opened).map().values, expected.values);
  EXPECT_EQ(scores(opened).map().values, (std::vector<double>{0.9, 0.3, 0.4, 0.6}));
  // 14 % and 1 % of 4 heads: one by induction, (0, 0), and one by echo, (1, 0).
  EXPECT_EQ(opened.text("count"), "2 of 4 KV heads");
  EXPECT_EQ(scores(opened).outlines(), (std::vector<CellSpan>{{0, 0, 1}, {1, 0, 1}}));
  EXPECT_EQ(errors(opened).outlines(), (std::vector<CellSpan>{{0, 0, 2}, {1, 0, 2}}));
  EXPECT_EQ(errors(opened).legendTexts(), QStringList("retrieval heads"));
  EXPECT_TRUE(opened.text("summary").startsWith(QStringLiteral("Run %1: window").arg(window_)));
  EXPECT_GT(opened.colours(), 12U);
}

TEST_F(HeadsViewTest, SaysWhichRunItShowsWhereNoneIsSelected) {
  OpenedView opened(make_heads_view, path_);
  const QString summary = opened.text("summary");
  EXPECT_TRUE(summary.contains("No replay is selected")) << summary.toStdString();
  EXPECT_FALSE(errors(opened).map().empty());
}

TEST_F(HeadsViewTest, ASliderChoosesMoreHeads) {
  OpenedView opened(make_heads_view, path_);
  opened.control<QSlider>("by induction").setValue(100);  // half of the heads: (0, 0) and (1, 1)
  EXPECT_EQ(opened.text("count"), "3 of 4 KV heads");
  EXPECT_EQ(errors(opened).outlines(), (std::vector<CellSpan>{{0, 0, 2}, {1, 0, 2}, {1, 2, 2}}));
  opened.control<QComboBox>("Scores").setCurrentIndex(2);
  Q_EMIT opened.control<QComboBox>("Scores").activated(2);
  EXPECT_EQ(scores(opened).map().values, (std::vector<double>{1.0, 0.0, 1.0, 1.0}));
}

TEST_F(HeadsViewTest, AClickTellsOfAHeadInAllSelectedRuns) {
  OpenedView opened(make_heads_view, path_);
  opened.select({{false, razor_}, {false, window_}});
  opened.click(scores(opened), scores(opened).positionOf(1, 0));
  const auto page = [&] { return opened.control<QTextBrowser>("Details of a head").toPlainText(); };
  EXPECT_TRUE(page().contains("Layer 1, KV head 0")) << page().toStdString();
  EXPECT_TRUE(page().contains("rank 3 of 4"));
  EXPECT_TRUE(page().contains("A retrieval head"));
  EXPECT_TRUE(page().contains("window:recent=100"));
  EXPECT_TRUE(page().contains("razor"));
  // Query head 3 of layer 1 is the eighth: 0.5 + 7 under window, 0.25 + 7 under razor.
  opened.click(errors(opened), errors(opened).positionOf(1, 3));
  EXPECT_TRUE(page().contains("Layer 1, KV head 1, query head 3")) << page().toStdString();
  EXPECT_TRUE(page().contains("7.5"));
  EXPECT_TRUE(page().contains("7.25"));
}

TEST_F(HeadsViewTest, ExportsWhatItShows) {
  OpenedView opened(make_heads_view, path_);
  opened.select({{false, razor_}});
  const QStringList lines = opened.view().csv().split('\n');
  ASSERT_EQ(lines.size(), 1 + 4 + 8 + 1);
  EXPECT_EQ(lines[0], "map,layer,head,value,is_retrieval_head");
  EXPECT_EQ(lines[1], "induction,0,0,0.9,1");
  EXPECT_EQ(lines[5], "relative_error,0,0,0.25,1");
  EXPECT_EQ(lines[12], "relative_error,1,3,7.25,0");
  opened.view().exportTo(QString::fromStdString((folder_ / "heads.png").string()));
  EXPECT_GT(QImage(QString::fromStdString((folder_ / "heads.png").string())).width(), 800);
}

TEST_F(HeadsViewTest, StateComesBackAndJunkDoesNot) {
  OpenedView opened(make_heads_view, path_);
  const QJsonObject before = opened.view().saveState();
  opened.view().restoreState({{"scores", 7},
                              {"figure", "nonsense"},
                              {"probe", "x"},
                              {"induction", "many"},
                              {"layer", 99},
                              {"kvHead", 99}});
  opened.settle();
  EXPECT_GT(opened.colours(), 12U);
  opened.view().restoreState(before);
  EXPECT_EQ(opened.view().saveState(), before);
  QJsonObject other = before;
  other["scores"] = "echo";
  other["figure"] = "kl_nats";
  other["show"] = "errors";
  opened.view().restoreState(other);
  EXPECT_EQ(opened.view().saveState(), other);
  EXPECT_FALSE(scores(opened).isVisible());
  EXPECT_EQ(errors(opened).map().at(1, 3), 3.5);
}

TEST_F(HeadsViewTest, NumbersOfASessionThatNoModelHasMarkNothing) {
  OpenedView opened(make_heads_view, path_);
  opened.view().restoreState({{"layer", 0}, {"kvHead", 2147483647}});
  EXPECT_EQ(opened.view().saveState()["kvHead"], -1);
  opened.view().restoreState({{"layer", 1}, {"kvHead", 1}, {"queryHead", 2147483647}});
  EXPECT_EQ(opened.view().saveState()["kvHead"], 1);
  EXPECT_EQ(opened.view().saveState()["queryHead"], -1);
  opened.settle();
  EXPECT_TRUE(opened.control<QTextBrowser>("Details of a head").toPlainText().contains("Layer 1, KV head 1"));
}

TEST_F(HeadsViewTest, ADamagedRowIsSaid) {
  {
    SQLite::Database database(path_.string(), SQLite::OPEN_READWRITE);
    database.exec("UPDATE replay_heads SET layer = 2147483647 WHERE layer = 1");
  }
  OpenedView opened(make_heads_view, path_);
  EXPECT_TRUE(errors(opened).map().empty());
  EXPECT_TRUE(errors(opened).message().contains("damaged")) << errors(opened).message().toStdString();
}

TEST_F(HeadsViewTest, TheLegendIsGreyWhereOutlinesAreHidden) {
  OpenedView opened(make_heads_view, path_);
  HeatMapChart& chart = errors(opened);
  ASSERT_EQ(chart.plot().legend->itemCount(), 1);
  const auto ink = [&] {
    return qobject_cast<QCPPlottableLegendItem*>(chart.plot().legend->item(0))->textColor();
  };
  ASSERT_NE(chart.palette().color(QPalette::Disabled, QPalette::Text), chart.palette().color(QPalette::Text));
  EXPECT_EQ(ink(), chart.palette().color(QPalette::Active, QPalette::Text));
  chart.setHidden({"retrieval heads"});
  EXPECT_EQ(ink(), chart.palette().color(QPalette::Disabled, QPalette::Text));
  chart.setHidden({});
  EXPECT_EQ(ink(), chart.palette().color(QPalette::Active, QPalette::Text));
}

TEST_F(HeadsViewTest, SlidersTellTheirShares) {
  OpenedView opened(make_heads_view, path_);
  QSlider& slider = opened.control<QSlider>("by induction");
  EXPECT_EQ(slider.accessibleDescription(), share_text(0.14));
  slider.setValue(50);
  EXPECT_EQ(slider.accessibleDescription(), share_text(0.25));
}

TEST(HeadsViewEmptyTest, ARunThatDropsNothingIsNotSaidToDrop) {
  const TemporaryFolder folder;
  {
    Store store = Store::open_for_writing(folder / "results.db");
    ReplayRecord record = replay_of_probed("full");
    record.result.dropped_nothing = true;
    store.add_replay(record);
  }
  {
    OpenedView opened(make_heads_view, folder / "results.db");
    EXPECT_TRUE(opened.text("summary").contains("the filter's first: full"))
        << opened.text("summary").toStdString();
  }
  Store::open_for_writing(folder / "results.db").add_replay(replay_of_probed("window:recent=100"));
  OpenedView opened(make_heads_view, folder / "results.db");
  EXPECT_TRUE(opened.text("summary").contains("first that drops tokens: window"))
      << opened.text("summary").toStdString();
}

TEST(HeadsViewEmptyTest, SaysWhyThereIsNothing) {
  const TemporaryFolder folder;
  Store store = Store::open_for_writing(folder / "results.db");
  store.add_eval(eval_of("full"));
  OpenedView opened(make_heads_view, folder / "results.db");
  EXPECT_TRUE(opened.chart<HeatMapChart>("Head scores").message().contains("No probe"));
  EXPECT_TRUE(opened.chart<HeatMapChart>("Head errors").message().contains("is a replay"));
  OpenedView nothing(make_heads_view);
  EXPECT_TRUE(nothing.chart<HeatMapChart>("Head errors").message().contains("No database"));
}

TEST(HeadsViewEmptyTest, ProbesAloneAreShown) {
  const TemporaryFolder folder;
  Store store = Store::open_for_writing(folder / "results.db");
  store.add_probe(probe_of());
  OpenedView opened(make_heads_view, folder / "results.db");
  EXPECT_EQ(opened.chart<HeatMapChart>("Head scores").message(), QString());
  EXPECT_EQ(opened.text("count"), "2 of 4 KV heads");
}

}  // namespace
}  // namespace razorscope::testing
