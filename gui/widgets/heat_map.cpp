#include "gui/widgets/heat_map.hpp"

#include <cmath>

#include "gui/widgets/colour_bar.hpp"
#include "gui/widgets/legend.hpp"
#include "gui/widgets/painted_plottable.hpp"
#include "gui/widgets/theme.hpp"

namespace razorscope::gui {
namespace {

/// Cells have the same colours on light and dark pages, and so has what is drawn over them.
QColor over_cells(const Paint& paint) { return colour(paint, false); }

/// Red within white: seen on either end of the colour scale.
void draw_outline(QCPPainter& painter, const QRectF& rect) {
  const double inset = std::min({1.2, rect.width() / 6.0, rect.height() / 6.0});
  painter.setBrush(Qt::NoBrush);
  painter.setPen(QPen(over_cells(paints::page), 2.6));
  painter.drawRect(rect.adjusted(inset, inset, -inset, -inset));
  painter.setPen(QPen(over_cells(paints::warning), 1.5));
  painter.drawRect(rect.adjusted(inset, inset, -inset, -inset));
}

void name_integers(QCPAxis& axis) {
  const QSharedPointer<QCPAxisTickerFixed> ticker(new QCPAxisTickerFixed);
  ticker->setTickStep(1.0);
  ticker->setScaleStrategy(QCPAxisTickerFixed::ssMultiples);
  axis.setTicker(ticker);
  axis.setSubTicks(false);
  axis.grid()->setVisible(false);
}

}  // namespace

HeatMapChart::HeatMapChart(const QString& name, QWidget* parent) : Chart(name, parent) {
  for (const Qt::Orientation axis : {Qt::Horizontal, Qt::Vertical}) setCanBeLogarithmic(axis, false);
  name_integers(*plot().xAxis);
  name_integers(*plot().yAxis);
  plot().yAxis->setRangeReversed(true);
  for (QCPAxis* axis : {plot().xAxis2, plot().yAxis2}) axis->setTicks(false);
  auto* side = qobject_cast<QCPLayoutGrid*>(plot().legend->layout());
  bar_ = new ColourBar(plot());
  side->addElement(side->rowCount(), 0, bar_);
  side->setRowStretchFactor(side->rowCount() - 1, 100.0);
  setLegendBelow(1);
  new PaintedPlottable(plot(), [this](QCPPainter& painter) { drawCells(painter); });
  outline_layer_ = new PaintedPlottable(
      plot(), [this](QCPPainter& painter) { drawOutlines(painter); },
      [](QCPPainter& painter, const QRectF& rect) {
        draw_outline(painter, QRectF(rect.center().x() - 6.0, rect.center().y() - 6.0, 12.0, 12.0));
      });
  outline_layer_->removeFromLegend();
  setHover([this](const QPointF& position) {
    const auto cell = cellAt(position);
    return cell && words_ ? words_(cell->first, cell->second) : QString();
  });
  setFit([this] { fit(); });
  connect(this, &Chart::restyled, this, &HeatMapChart::restyle);
  connect(this, &Chart::hiddenChanged, this, &HeatMapChart::restyle);
  connect(this, &Chart::clicked, this, [this](const QPointF& position, Qt::KeyboardModifiers) {
    if (const auto cell = cellAt(position)) Q_EMIT cellClicked(cell->first, cell->second);
  });
  restyle();
}

void HeatMapChart::setMap(HeadMap map, const ColourScale& scale, FigureKind format) {
  const bool same_size = map.layers == map_.layers && map.heads == map_.heads;
  map_ = std::move(map);
  scale_ = scale;
  bar_->setScale(scale, format);
  if (!same_size) fit();
  plot().replot(QCustomPlot::rpQueuedReplot);
}

void HeatMapChart::setOutlines(const QString& name, std::vector<CellSpan> outlines) {
  outlines_ = std::move(outlines);
  outline_layer_->setName(name);
  if (outlines_.empty()) {
    outline_layer_->removeFromLegend();
  } else {
    outline_layer_->addToLegend();
  }
  restyle();
}

void HeatMapChart::setMarked(std::optional<CellSpan> marked) {
  marked_ = marked;
  plot().replot(QCustomPlot::rpQueuedReplot);
}

void HeatMapChart::restyle() {
  bar_->setInk(palette().color(QPalette::Text), font());
  grey_hidden(plot(), *outline_layer_, palette(), hidden().contains(outline_layer_->name()));
  plot().replot(QCustomPlot::rpQueuedReplot);
}

QRectF HeatMapChart::rectOf(const CellSpan& span) const {
  const QPointF begin(plot().xAxis->coordToPixel(span.first - 0.5),
                      plot().yAxis->coordToPixel(span.layer - 0.5));
  const QPointF end(plot().xAxis->coordToPixel(span.first + span.heads - 0.5),
                    plot().yAxis->coordToPixel(span.layer + 0.5));
  return QRectF(begin, end).normalized();
}

void HeatMapChart::drawCells(QCPPainter& painter) const {
  const bool was_smooth = painter.antialiasing();
  painter.setAntialiasing(false);  // no seams between cells
  painter.setPen(Qt::NoPen);
  for (int layer = 0; layer < map_.layers; ++layer) {
    for (int head = 0; head < map_.heads; ++head) {
      const double value = map_.at(layer, head);
      if (std::isnan(value)) continue;
      painter.setBrush(QColor(QString::fromStdString(sequential_colour(scale_.share(value)))));
      painter.drawRect(rectOf({layer, head, 1}));
    }
  }
  painter.setAntialiasing(was_smooth);
}

void HeatMapChart::drawOutlines(QCPPainter& painter) const {
  if (!hidden().contains(outline_layer_->name())) {
    for (const CellSpan& span : outlines_) draw_outline(painter, rectOf(span));
  }
  if (!marked_) return;
  painter.setBrush(Qt::NoBrush);
  painter.setPen(QPen(over_cells(paints::ink), 4.5));
  painter.drawRect(rectOf(*marked_));
  painter.setPen(QPen(over_cells(paints::page), 2.0));
  painter.drawRect(rectOf(*marked_));
}

void HeatMapChart::fit() {
  if (map_.layers == 0 || map_.heads == 0) return;
  plot().xAxis->setRange(-0.5, map_.heads - 0.5);
  plot().yAxis->setRange(-0.5, map_.layers - 0.5);
}

std::optional<std::pair<int, int>> HeatMapChart::cellAt(const QPointF& position) const {
  if (!plot().axisRect()->rect().contains(position.toPoint())) return std::nullopt;
  const double head = std::floor(plot().xAxis->pixelToCoord(position.x()) + 0.5);
  const double layer = std::floor(plot().yAxis->pixelToCoord(position.y()) + 0.5);
  if (head < 0 || head >= map_.heads || layer < 0 || layer >= map_.layers) return std::nullopt;
  return std::pair(static_cast<int>(layer), static_cast<int>(head));
}

QPointF HeatMapChart::positionOf(int layer, int head) const { return rectOf({layer, head, 1}).center(); }

}  // namespace razorscope::gui
