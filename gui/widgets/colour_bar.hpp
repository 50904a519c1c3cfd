#pragma once

#include "experiments/store/figures/colour_scale.hpp"
#include "gui/data/format.hpp"
#include "gui/widgets/plot_library.hpp"

namespace razorscope::gui {

/// Beside a plot: which colour stands for which figure.
class ColourBar : public QCPLayoutElement {
  Q_OBJECT

 public:
  explicit ColourBar(QCustomPlot& plot) : QCPLayoutElement(&plot) {}

  void setScale(const ColourScale& scale, FigureKind format) {
    scale_ = scale;
    format_ = format;
  }
  void setInk(const QColor& ink, const QFont& font) {
    ink_ = ink;
    font_ = font;
  }

  /// Figures at even distances of the bar, from its lower end.
  QStringList ticks() const;
  QSize minimumOuterSizeHint() const override;

 protected:
  void draw(QCPPainter* painter) override;

 private:
  static constexpr int steps = 4;  // between ticks

  double valueAt(double share) const;

  ColourScale scale_;
  FigureKind format_ = FigureKind::error;
  QColor ink_;
  QFont font_;
};

}  // namespace razorscope::gui
