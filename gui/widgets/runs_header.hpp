#pragma once

#include <QHeaderView>

namespace razorscope::gui {

/// A header whose click orders by a column, a second one the other way round, and whose Shift-click adds a
/// column to the order. Columns can be moved.
class RunsHeader : public QHeaderView {
  Q_OBJECT

 public:
  explicit RunsHeader(QWidget* parent = nullptr);

 Q_SIGNALS:
  void orderAsked(int column, bool adds);

 protected:
  void mousePressEvent(QMouseEvent* event) override;
  void mouseReleaseEvent(QMouseEvent* event) override;

 private:
  QPoint pressed_;
  bool shift_ = false;
};

}  // namespace razorscope::gui
