#pragma once

#include <QWidget>

#include "gui/data/explorer.hpp"

class QHBoxLayout;
class QLineEdit;
class QToolButton;

namespace razorscope::gui {

/// The line above the views: what is searched for, each part of the filter as a chip that a click removes,
/// and undo.
class FilterBar : public QWidget {
  Q_OBJECT

 public:
  explicit FilterBar(Explorer& explorer, QWidget* parent = nullptr);

  void focusSearch();

 private:
  void showFilter();

  Explorer& explorer_;
  QLineEdit* search_;
  QHBoxLayout* chips_;
  QToolButton* undo_;
  QToolButton* redo_;
  QToolButton* clear_;
};

}  // namespace razorscope::gui
