#pragma once

#include <QTimer>
#include <optional>
#include <vector>

#include "experiments/store/figures/palette.hpp"
#include "gui/data/run.hpp"
#include "gui/widgets/chart.hpp"
#include "sim/closed_loop/bootstrap.hpp"

namespace razorscope::gui {

/// A value in a chart.
struct SeriesPoint {
  double x = 0.0;
  double y = 0.0;
  std::optional<Interval> interval = {};  // of y, 95 %
  std::optional<RunRef> run = {};
  QString words = {};  // what hovering tells, unless the chart is told how to find it out
};

/// Values that belong together: a line of the legend.
struct Series {
  enum class Shape { points, line, steps };

  QString name;
  Paint paint;
  Marker marker = Marker::circle;
  Shape shape = Shape::points;
  Qt::PenStyle dash = Qt::SolidLine;
  bool has_markers = true;
  double size = 8.0;      // of markers, pixels
  bool hollow = false;    // the markers
  bool in_legend = true;  // else it goes with another one of its name
  double width = 1.6;     // of the line
  std::vector<SeriesPoint> points = {};
};

/// Values on two axes, as points or lines, with their intervals. Runs that are selected have rings. Of many
/// points in one place one is drawn, and how many that leaves out is said.
class ScatterChart : public Chart {
  Q_OBJECT

 public:
  explicit ScatterChart(const QString& name, QWidget* parent = nullptr);

  /// What hovering over a run tells, made when it is asked for.
  void setDescribe(std::function<QString(const SeriesPoint&)> describe) { describe_ = std::move(describe); }
  /// Replaces all, each series by x; shows all of it where `fit`, else stays where the user has zoomed to.
  void setSeries(std::vector<Series> series, bool fit);
  const std::vector<Series>& series() const { return series_; }
  void setSelected(std::vector<RunRef> runs);

  /// The nearest value within a finger's breadth of a place of the plot.
  const SeriesPoint* nearest(const QPointF& position) const;
  QString wordsOf(const SeriesPoint& point) const;
  QPointF positionOf(const SeriesPoint& point) const;
  /// Points that have no place on the axes as they are, and that are hidden behind others.
  size_t withoutPlace() const { return without_place_; }
  size_t behindOthers() const { return behind_others_; }

 Q_SIGNALS:
  void runClicked(const razorscope::gui::RunRef& run, bool toggles);
  /// How many points are drawn has changed.
  void drawnChanged();

 private:
  void draw();
  void drawSeries(const Series& series, bool thin);
  void drawSelection();
  void fitAxes();
  bool hasPlace(const SeriesPoint& point) const;
  QString text() const;
  size_t size() const;

  std::vector<Series> series_;
  std::vector<RunRef> selected_;  // in their order
  std::function<QString(const SeriesPoint&)> describe_;
  size_t without_place_ = 0;
  size_t behind_others_ = 0;
  std::set<std::pair<int, int>> taken_;  // cells of the plot in which a point is drawn
  QTimer redraw_;                        // after zooming, where points were left out
};

}  // namespace razorscope::gui
