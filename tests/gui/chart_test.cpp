#include <QHelpEvent>
#include <QImage>
#include <QTest>
#include <QWheelEvent>
#include <gmock/gmock.h>

#include "gui/widgets/scatter_chart.hpp"
#include "gui/widgets/theme.hpp"
#include "models/base/error.hpp"
#include "tests/gui/gui_support.hpp"

namespace razorscope::gui {
namespace {

class ScatterChartTest : public ::testing::Test {
 protected:
  void SetUp() override {
    chart.resize(640, 480);
    Series razor{
        .name = QStringLiteral("razor"), .paint = policy_style("razor").paint, .marker = Marker::circle};
    razor.points = {{1.0, 0.5, Interval{0.4, 0.7}, RunRef{false, 1}, QStringLiteral("first")},
                    {2.0, 0.25, {}, RunRef{false, 2}, QStringLiteral("second")}};
    Series window{
        .name = QStringLiteral("window"), .paint = policy_style("window").paint, .marker = Marker::triangle};
    window.points = {{4.0, 0.0, {}, RunRef{false, 3}, QStringLiteral("third")}};
    chart.setAxisLabels(QStringLiteral("bytes"), QStringLiteral("error"));
    chart.setSeries({razor, window}, true);
    chart.show();
    ASSERT_TRUE(QTest::qWaitForWindowExposed(&chart));
    QTest::qWait(30);
  }

  QPoint placeOf(size_t series, size_t point) const {
    return chart.positionOf(chart.series()[series].points[point]).toPoint();
  }
  int graphs() { return chart.plot().graphCount(); }

  testing::TemporaryFolder folder;
  ScatterChart chart{QStringLiteral("Chart")};
};

TEST_F(ScatterChartTest, DrawsASeriesEachWithItsLegend) {
  EXPECT_EQ(graphs(), 2);
  EXPECT_EQ(chart.legendTexts(), (QStringList{QStringLiteral("razor"), QStringLiteral("window")}));
  const QImage image = chart.plot().grab().toImage();
  const QColor razor = colour(policy_style("razor").paint, is_dark(chart.palette()));
  int painted = 0;
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) painted += image.pixelColor(x, y) == razor ? 1 : 0;
  }
  EXPECT_GT(painted, 60);
}

TEST_F(ScatterChartTest, WheelZoomsDragPansDoubleClickShowsAll) {
  QCustomPlot& plot = chart.plot();
  const QCPRange before = plot.xAxis->range();
  const QPoint middle = plot.axisRect()->center();
  QWheelEvent wheel(middle, plot.mapToGlobal(middle), {}, {0, 120}, Qt::NoButton, Qt::NoModifier,
                    Qt::NoScrollPhase, false);
  QApplication::sendEvent(&plot, &wheel);
  const QCPRange zoomed = plot.xAxis->range();
  EXPECT_LT(zoomed.size(), before.size());

  QTest::mousePress(&plot, Qt::LeftButton, {}, middle);
  QTest::mouseMove(&plot, middle + QPoint(60, 0));
  QTest::mouseRelease(&plot, Qt::LeftButton, {}, middle + QPoint(60, 0));
  EXPECT_LT(plot.xAxis->range().lower, zoomed.lower);

  QTest::mouseDClick(&plot, Qt::LeftButton, {}, middle);
  EXPECT_DOUBLE_EQ(plot.xAxis->range().lower, before.lower);
  EXPECT_DOUBLE_EQ(plot.xAxis->range().upper, before.upper);
}

TEST_F(ScatterChartTest, KeysZoomMoveAndShowAll) {
  QCustomPlot& plot = chart.plot();
  const QCPRange before = plot.xAxis->range();
  QTest::keyClick(&chart, Qt::Key_Plus);
  EXPECT_LT(plot.xAxis->range().size(), before.size());
  QTest::keyClick(&chart, Qt::Key_Right);
  QTest::keyClick(&chart, Qt::Key_Home);
  EXPECT_DOUBLE_EQ(plot.xAxis->range().lower, before.lower);
}

TEST_F(ScatterChartTest, KnowsWhatLiesUnderTheMouse) {
  const SeriesPoint* point = chart.nearest(placeOf(0, 1) + QPoint(3, 3));
  ASSERT_NE(point, nullptr);
  EXPECT_EQ(point->words, QStringLiteral("second"));
  EXPECT_EQ(chart.nearest(placeOf(0, 1) + QPoint(60, 60)), nullptr);
}

TEST_F(ScatterChartTest, ClickTellsTheRun) {
  QList<RunRef> runs;
  QList<bool> toggled;
  QObject::connect(&chart, &ScatterChart::runClicked, &chart, [&](const RunRef& run, bool toggles) {
    runs += run;
    toggled += toggles;
  });
  QTest::mouseClick(&chart.plot(), Qt::LeftButton, {}, placeOf(0, 0));
  QTest::mouseClick(&chart.plot(), Qt::LeftButton, Qt::ControlModifier, placeOf(0, 1));
  EXPECT_EQ(runs, (QList<RunRef>{{false, 1}, {false, 2}}));
  EXPECT_EQ(toggled, (QList<bool>{false, true}));
}

TEST_F(ScatterChartTest, ClickOnTheLegendHidesAndShows) {
  auto* item = chart.plot().legend->item(0);
  const QPoint place = item->rect().center();
  QTest::mouseClick(&chart.plot(), Qt::LeftButton, {}, place);
  EXPECT_THAT(chart.hidden(), ::testing::ElementsAre(QStringLiteral("razor")));
  EXPECT_FALSE(chart.plot().graph(0)->visible());
  EXPECT_EQ(chart.nearest(placeOf(0, 0)), nullptr);
  QTest::qWait(30);
  QTest::mouseClick(&chart.plot(), Qt::LeftButton, {}, chart.plot().legend->item(0)->rect().center());
  EXPECT_TRUE(chart.hidden().empty());
}

TEST_F(ScatterChartTest, LogarithmicAxesLeaveOutWhatHasNoPlace) {
  chart.setLogarithmic(Qt::Vertical, true);
  EXPECT_EQ(chart.withoutPlace(), 1U);
  EXPECT_GT(chart.plot().yAxis->range().lower, 0.0);
  chart.setLogarithmic(Qt::Vertical, false);
  EXPECT_EQ(chart.withoutPlace(), 0U);
}

TEST_F(ScatterChartTest, SelectedRunsHaveRings) {
  chart.setSelected({{false, 2}});
  EXPECT_EQ(graphs(), 3);
  chart.setSelected({});
  EXPECT_EQ(graphs(), 2);
}

TEST_F(ScatterChartTest, SaysWhyItIsEmpty) {
  chart.setMessage(QStringLiteral("No run."));
  EXPECT_FALSE(chart.plot().isVisible());
  EXPECT_EQ(chart.message(), QStringLiteral("No run."));
  chart.setMessage({});
  EXPECT_TRUE(chart.plot().isVisible());
}

TEST_F(ScatterChartTest, FollowsThePalette) {
  chart.setPalette(dark_palette());
  QTest::qWait(30);
  const QImage image = chart.plot().grab().toImage();
  EXPECT_LT(image.pixelColor(3, 3).lightness(), 80);
  EXPECT_GT(chart.plot().xAxis->labelColor().lightness(), 200);
}

TEST_F(ScatterChartTest, ManyPointsAreThinnedAndCounted) {
  Series many{.name = QStringLiteral("many"), .paint = policy_style("full").paint};
  for (int i = 0; i < 20'000; ++i)
    many.points.push_back({i % 141 * 1.0, i % 137 * 1.0, {}, RunRef{false, i}, QStringLiteral("x")});
  chart.setSeries({many}, true);
  EXPECT_GT(chart.behindOthers(), 10'000U);
  EXPECT_LT(chart.plot().graph(0)->dataCount(), 10'000);
}

TEST_F(ScatterChartTest, IsExportedAsPictureDrawingDocumentAndFigures) {
  const auto path = [&](const char* name) { return QString::fromStdString((folder / name).string()); };
  export_picture(chart, path("a.png"), ExportFormat::png);
  const QImage image(path("a.png"));
  EXPECT_EQ(image.size(), chart.pictureSize() * 2);
  std::set<QRgb> colours;
  for (int x = 0; x < image.width(); x += 3) {
    for (int y = 0; y < image.height(); y += 3) colours.insert(image.pixel(x, y));
  }
  EXPECT_GT(colours.size(), 5U);

  export_picture(chart, path("a.svg"), ExportFormat::svg);
  const QByteArray svg = testing::bytes_of(path("a.svg"));
  for (const char* text : {"<svg", ">razor<", ">window<", ">bytes<", ">error<"})
    EXPECT_TRUE(svg.contains(text)) << text;

  export_picture(chart, path("a.pdf"), ExportFormat::pdf);
  EXPECT_TRUE(testing::bytes_of(path("a.pdf")).startsWith("%PDF-"));

  export_picture(chart, path("a.csv"), ExportFormat::csv);
  EXPECT_EQ(testing::bytes_of(path("a.csv")),
            "series,bytes,error,low,high,run\nrazor,1,0.5,0.4,0.7,1\nrazor,2,0.25,,,2\nwindow,4,0,,,3\n");
}

TEST_F(ScatterChartTest, ExportsThatCannotBeAreRefused) {
  EXPECT_THROW(export_format(QStringLiteral("a.jpg"), {ExportFormat::png}), InputError);
  EXPECT_EQ(export_format(QStringLiteral("a.PNG"), {ExportFormat::png}), ExportFormat::png);
  EXPECT_THROW(export_picture(chart, QStringLiteral("/no/such/folder/a.png"), ExportFormat::png),
               std::runtime_error);
}

}  // namespace
}  // namespace razorscope::gui
