#include "gui/widgets/scatter_chart.hpp"

#include <algorithm>
#include <cmath>

#include "gui/data/format.hpp"
#include "gui/widgets/legend.hpp"
#include "gui/widgets/theme.hpp"

namespace razorscope::gui {
namespace {

constexpr size_t most_points = 2000;     // that are drawn whatever lies behind others
constexpr int cell_pixels = 14;          // of a point among many: some thousand fit into a window
constexpr double finger = 12.0;          // pixels
constexpr double largest_value = 1e200;  // an axis of the library ends at 1e250

QCPScatterStyle scatter_style(const Series& series, const QColor& colour, const QColor& page) {
  const auto shape = [&] {
    switch (series.marker) {
      case Marker::square:
        return QCPScatterStyle::ssSquare;
      case Marker::triangle:
        return QCPScatterStyle::ssTriangle;
      case Marker::diamond:
        return QCPScatterStyle::ssDiamond;
      case Marker::wedge:
        return QCPScatterStyle::ssTriangleInverted;
      default:
        return QCPScatterStyle::ssCircle;
    }
  }();
  return QCPScatterStyle(shape, QPen(colour, series.hollow ? 1.4 : 1.0),
                         QBrush(series.hollow ? page : colour), series.size);
}

}  // namespace

ScatterChart::ScatterChart(const QString& name, QWidget* parent) : Chart(name, parent) {
  setHover([this](const QPointF& position) {
    const SeriesPoint* point = nearest(position);
    return point == nullptr ? QString() : wordsOf(*point);
  });
  setCsv([this] { return text(); });
  setFit([this] { fitAxes(); });
  redraw_.setSingleShot(true);
  redraw_.setInterval(80);
  connect(&redraw_, &QTimer::timeout, this, &ScatterChart::draw);
  connect(this, &Chart::hiddenChanged, this, &ScatterChart::draw);
  connect(this, &Chart::logarithmicChanged, this, &ScatterChart::draw);
  connect(this, &Chart::restyled, this, &ScatterChart::draw);
  for (QCPAxis* axis : {plot().xAxis, plot().yAxis}) {
    connect(axis, qOverload<const QCPRange&>(&QCPAxis::rangeChanged), this, [this] {
      if (size() > most_points) redraw_.start();
    });
  }
  connect(this, &Chart::clicked, this, [this](const QPointF& position, Qt::KeyboardModifiers modifiers) {
    const SeriesPoint* point = nearest(position);
    if (point != nullptr && point->run)
      Q_EMIT runClicked(*point->run, modifiers.testFlag(Qt::ControlModifier));
  });
}

size_t ScatterChart::size() const {
  size_t points = 0;
  for (const Series& series : series_) points += series.points.size();
  return points;
}

void ScatterChart::setSeries(std::vector<Series> series, bool fit) {
  series_ = std::move(series);
  // Intervals go with their points by number, so that a graph has nothing left to sort.
  for (Series& one : series_) {
    std::stable_sort(one.points.begin(), one.points.end(),
                     [](const SeriesPoint& a, const SeriesPoint& b) { return a.x < b.x; });
  }
  if (fit) fitAxes();
  draw();
}

void ScatterChart::setSelected(std::vector<RunRef> runs) {
  std::sort(runs.begin(), runs.end());
  if (runs == selected_) return;
  selected_ = std::move(runs);
  draw();
}

bool ScatterChart::hasPlace(const SeriesPoint& point) const {
  const auto can_be_drawn = [](double value) { return std::abs(value) < largest_value; };
  return can_be_drawn(point.x) && can_be_drawn(point.y) &&
         (point.x > 0.0 || !isLogarithmic(Qt::Horizontal)) && (point.y > 0.0 || !isLogarithmic(Qt::Vertical));
}

void ScatterChart::draw() {
  plot().clearPlottables();
  without_place_ = behind_others_ = 0;
  taken_.clear();
  const bool thin = size() > most_points;
  for (const Series& series : series_) drawSeries(series, thin);
  drawSelection();
  plot().replot(QCustomPlot::rpQueuedReplot);
  Q_EMIT drawnChanged();
}

void ScatterChart::drawSeries(const Series& series, bool thin) {
  const QColor paint = colour(series.paint, is_dark(palette()));
  const bool shown = !hidden().contains(series.name);
  QVector<double> x;
  QVector<double> y;
  QVector<double> below;
  QVector<double> above;
  bool has_intervals = false;
  for (const SeriesPoint& point : series.points) {
    if (!hasPlace(point)) {
      without_place_ += shown && point.run ? 1 : 0;
      continue;
    }
    if (thin && series.shape == Series::Shape::points && shown) {
      const QPointF place = positionOf(point);
      const bool in_sight = plot().axisRect()->rect().contains(place.toPoint());
      if (!in_sight) continue;
      if (!taken_
               .emplace(static_cast<int>(place.x()) / cell_pixels, static_cast<int>(place.y()) / cell_pixels)
               .second) {
        ++behind_others_;
        continue;
      }
    }
    x += point.x;
    y += point.y;
    double low = point.interval ? point.interval->low : point.y;
    if (low <= 0.0 && isLogarithmic(Qt::Vertical)) low = std::min(point.y, plot().yAxis->range().lower);
    below += point.y - low;
    above += point.interval ? point.interval->high - point.y : 0.0;
    has_intervals = has_intervals || point.interval.has_value();
  }
  QCPGraph* graph = plot().addGraph();
  graph->setName(series.name);
  graph->setAdaptiveSampling(false);
  graph->setLineStyle(series.shape == Series::Shape::points  ? QCPGraph::lsNone
                      : series.shape == Series::Shape::steps ? QCPGraph::lsStepLeft
                                                             : QCPGraph::lsLine);
  graph->setPen(QPen(paint, series.width, series.dash));
  if (series.has_markers)
    graph->setScatterStyle(scatter_style(series, paint, palette().color(QPalette::Base)));
  graph->setVisible(shown);
  graph->setData(x, y, true);
  if (series.name.isEmpty() || !series.in_legend) graph->removeFromLegend();
  // Names can be a little wider than they are measured.
  if (auto* item = plot().legend->itemWithPlottable(graph)) item->setMargins(QMargins(0, 0, 6, 0));
  grey_hidden(plot(), *graph, palette(), !shown);
  if (has_intervals && shown) {
    auto* bars = new QCPErrorBars(plot().xAxis, plot().yAxis);
    bars->removeFromLegend();
    bars->setDataPlottable(graph);
    bars->setPen(QPen(paint, 1.0));
    bars->setSymbolGap(4);
    bars->setData(below, above);
  }
}

void ScatterChart::drawSelection() {
  if (selected_.empty()) return;
  QVector<double> x;
  QVector<double> y;
  for (const Series& series : series_) {
    if (hidden().contains(series.name)) continue;
    for (const SeriesPoint& point : series.points) {
      if (!point.run || !hasPlace(point)) continue;
      if (!std::binary_search(selected_.begin(), selected_.end(), *point.run)) continue;
      x += point.x;
      y += point.y;
    }
  }
  if (x.isEmpty()) return;
  QCPGraph* rings = plot().addGraph();
  rings->removeFromLegend();
  rings->setLineStyle(QCPGraph::lsNone);
  rings->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssCircle,
                                         QPen(palette().color(QPalette::Text), 2.0), Qt::NoBrush, 15.0));
  rings->setData(x, y);
}

void ScatterChart::fitAxes() {
  const auto fit = [this](QCPAxis& axis, Qt::Orientation orientation) {
    const bool logarithmic = isLogarithmic(orientation);
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    const auto add = [&](double value) {
      if (!std::isfinite(value) || (logarithmic && value <= 0.0)) return;
      low = std::min(low, value);
      high = std::max(high, value);
    };
    for (const Series& series : series_) {
      if (hidden().contains(series.name)) continue;
      for (const SeriesPoint& point : series.points) {
        if (!hasPlace(point)) continue;
        add(orientation == Qt::Horizontal ? point.x : point.y);
        if (orientation == Qt::Vertical && point.interval) {
          add(point.interval->high);
          if (!logarithmic) add(point.interval->low);
        }
      }
    }
    if (low > high) return;
    if (logarithmic) {
      const double room = std::pow(std::max(high / low, 1.2), 0.06);
      axis.setRange(low / room, high * room);
    } else {
      const double room = 0.06 * (high > low ? high - low : std::max(std::abs(high), 1.0));
      // From 0, with room for half a marker where one lies there.
      const double from = low > 0.02 * high ? 0.0 : -0.4 * room;
      axis.setRange(low >= 0.0 && low < 0.5 * high ? from : low - room, high + room);
    }
  };
  fit(*plot().xAxis, Qt::Horizontal);
  fit(*plot().yAxis, Qt::Vertical);
}

QPointF ScatterChart::positionOf(const SeriesPoint& point) const {
  return {plot().xAxis->coordToPixel(point.x), plot().yAxis->coordToPixel(point.y)};
}

QString ScatterChart::wordsOf(const SeriesPoint& point) const {
  return point.words.isEmpty() && describe_ ? describe_(point) : point.words;
}

const SeriesPoint* ScatterChart::nearest(const QPointF& position) const {
  const SeriesPoint* best = nullptr;
  double least = finger * finger;
  for (const Series& series : series_) {
    if (hidden().contains(series.name)) continue;
    for (const SeriesPoint& point : series.points) {
      if (!hasPlace(point) || (point.words.isEmpty() && !(point.run && describe_))) continue;
      const QPointF way = positionOf(point) - position;
      const double distance = QPointF::dotProduct(way, way);
      if (distance < least) {
        least = distance;
        best = &point;
      }
    }
  }
  return best;
}

QString ScatterChart::text() const {
  QString out = QStringLiteral("series,%1,%2,low,high,run\n")
                    .arg(csv_field(plot().xAxis->label()), csv_field(plot().yAxis->label()));
  for (const Series& series : series_) {
    if (hidden().contains(series.name)) continue;
    for (const SeriesPoint& point : series.points) {
      out += QStringLiteral("%1,%2,%3,%4,%5,%6\n")
                 .arg(csv_field(series.name), full_precision(point.x), full_precision(point.y),
                      point.interval ? full_precision(point.interval->low) : QString(),
                      point.interval ? full_precision(point.interval->high) : QString(),
                      point.run ? QString::number(point.run->id) : QString());
    }
  }
  return out;
}

}  // namespace razorscope::gui
