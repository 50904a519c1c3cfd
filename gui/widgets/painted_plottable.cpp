#include "gui/widgets/painted_plottable.hpp"

#include <utility>

namespace razorscope::gui {

PaintedPlottable::PaintedPlottable(QCustomPlot& plot, Paint paint, Icon icon)
    : QCPAbstractPlottable(plot.xAxis, plot.yAxis), paint_(std::move(paint)), icon_(std::move(icon)) {
  setSelectable(QCP::stNone);
  if (!icon_) removeFromLegend();
}

QCPRange PaintedPlottable::getKeyRange(bool& found, QCP::SignDomain) const {
  found = false;
  return {};
}

QCPRange PaintedPlottable::getValueRange(bool& found, QCP::SignDomain, const QCPRange&) const {
  found = false;
  return {};
}

void PaintedPlottable::draw(QCPPainter* painter) { paint_(*painter); }

void PaintedPlottable::drawLegendIcon(QCPPainter* painter, const QRectF& rect) const {
  if (icon_) icon_(*painter, rect);
}

}  // namespace razorscope::gui
