#include "gui/widgets/bar_delegate.hpp"

#include <QPainter>

namespace razorscope::gui {

void BarDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                        const QModelIndex& index) const {
  const QVariant length = index.data(role_);
  const bool selected = option.state.testFlag(QStyle::State_Selected);
  if (length.isValid() && !selected) {
    QColor bar = option.palette.color(QPalette::Highlight);
    bar.setAlphaF(0.22F);
    QRect box = option.rect.adjusted(1, 2, -1, -2);
    box.setWidth(std::max(1, static_cast<int>(length.toDouble() * box.width())));
    painter->fillRect(box, bar);
  }
  QStyledItemDelegate::paint(painter, option, index);
}

}  // namespace razorscope::gui
