#pragma once

#include <functional>

#include "gui/widgets/plot_library.hpp"

namespace razorscope::gui {

/// A part of a chart that draws itself by a function, in pixels, within the axes; and its line in the legend.
class PaintedPlottable : public QCPAbstractPlottable {
 public:
  using Paint = std::function<void(QCPPainter&)>;
  using Icon = std::function<void(QCPPainter&, const QRectF&)>;

  /// The plot owns it.
  PaintedPlottable(QCustomPlot& plot, Paint paint, Icon icon = {});

  double selectTest(const QPointF&, bool, QVariant*) const override { return -1.0; }
  QCPRange getKeyRange(bool& found, QCP::SignDomain) const override;
  QCPRange getValueRange(bool& found, QCP::SignDomain, const QCPRange&) const override;

 protected:
  void draw(QCPPainter* painter) override;
  void drawLegendIcon(QCPPainter* painter, const QRectF& rect) const override;

 private:
  Paint paint_;
  Icon icon_;
};

}  // namespace razorscope::gui
