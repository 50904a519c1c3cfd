#pragma once

#include "gui/widgets/chart.hpp"

namespace razorscope::gui {

/// What the user has zoomed into, which stays where the same is read again.
class KeptZoom {
 public:
  explicit KeptZoom(Chart& chart) : chart_(chart), x_(range(Qt::Horizontal)), y_(range(Qt::Vertical)) {
    chart_.resetZoom();
    zoomed_x_ = x_ != range(Qt::Horizontal);
    zoomed_y_ = y_ != range(Qt::Vertical);
    restore();
  }
  /// Nothing happens where all was shown.
  void restore() {
    if (zoomed_x_) chart_.plot().xAxis->setRange(x_);
    if (zoomed_y_) chart_.plot().yAxis->setRange(y_);
  }

 private:
  QCPRange range(Qt::Orientation axis) const {
    return axis == Qt::Horizontal ? chart_.plot().xAxis->range() : chart_.plot().yAxis->range();
  }

  Chart& chart_;
  QCPRange x_;
  QCPRange y_;
  bool zoomed_x_ = false;
  bool zoomed_y_ = false;
};

}  // namespace razorscope::gui
