#pragma once

#include <QStyledItemDelegate>

namespace razorscope::gui {

/// Draws a bar behind a figure: as long as the figure lies between the least and the most of its column,
/// which the model tells under a role.
class BarDelegate : public QStyledItemDelegate {
  Q_OBJECT

 public:
  explicit BarDelegate(int role, QObject* parent = nullptr) : QStyledItemDelegate(parent), role_(role) {}

  void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;

 private:
  int role_;
};

}  // namespace razorscope::gui
