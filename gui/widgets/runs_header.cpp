#include "gui/widgets/runs_header.hpp"

#include <QMouseEvent>

namespace razorscope::gui {

RunsHeader::RunsHeader(QWidget* parent) : QHeaderView(Qt::Horizontal, parent) {
  setSectionsMovable(true);
  setSectionsClickable(true);
  setHighlightSections(false);
}

void RunsHeader::mousePressEvent(QMouseEvent* event) {
  pressed_ = event->pos();
  shift_ = event->modifiers().testFlag(Qt::ShiftModifier);
  QHeaderView::mousePressEvent(event);
}

void RunsHeader::mouseReleaseEvent(QMouseEvent* event) {
  QHeaderView::mouseReleaseEvent(event);
  const bool moved = (event->pos() - pressed_).manhattanLength() > 3;
  // At an edge a press changes the width, whether or not the mouse moved.
  const bool at_edge = cursor().shape() == Qt::SplitHCursor;
  if (event->button() != Qt::LeftButton || moved || at_edge) return;
  const int column = logicalIndexAt(event->pos());
  if (column >= 0) Q_EMIT orderAsked(column, shift_);
}

}  // namespace razorscope::gui
