#include "gui/window/filter_bar.hpp"

#include <QHBoxLayout>
#include <QLineEdit>
#include <QToolButton>

namespace razorscope::gui {

FilterBar::FilterBar(Explorer& explorer, QWidget* parent)
    : QWidget(parent),
      explorer_(explorer),
      search_(new QLineEdit(this)),
      chips_(new QHBoxLayout),
      undo_(new QToolButton(this)),
      redo_(new QToolButton(this)),
      clear_(new QToolButton(this)) {
  search_->setObjectName(QStringLiteral("search"));
  search_->setPlaceholderText(tr("Search runs (Ctrl+F)"));
  search_->setAccessibleName(tr("Search runs"));
  search_->setClearButtonEnabled(true);
  search_->setMaximumWidth(280);
  undo_->setText(tr("↶"));
  undo_->setToolTip(tr("Undo the last change of the filter (Ctrl+Z)"));
  undo_->setAccessibleName(tr("Undo filter"));
  redo_->setText(tr("↷"));
  redo_->setToolTip(tr("Redo it (Ctrl+Shift+Z)"));
  redo_->setAccessibleName(tr("Redo filter"));
  clear_->setText(tr("Clear"));
  clear_->setToolTip(tr("Show all runs"));
  clear_->setAccessibleName(tr("Clear filter"));
  auto* layout = new QHBoxLayout(this);
  layout->setContentsMargins(6, 4, 6, 4);
  layout->addWidget(search_, 1);
  layout->addLayout(chips_, 3);
  chips_->setAlignment(Qt::AlignLeft);
  layout->addWidget(undo_);
  layout->addWidget(redo_);
  layout->addWidget(clear_);

  connect(search_, &QLineEdit::textEdited, this, [this](const QString& text) {
    RunFilter filter = explorer_.filter();
    filter.search = text.trimmed();
    explorer_.setFilter(filter);
  });
  connect(undo_, &QToolButton::clicked, &explorer_, &Explorer::undoFilter);
  connect(redo_, &QToolButton::clicked, &explorer_, &Explorer::redoFilter);
  connect(clear_, &QToolButton::clicked, this, [this] { explorer_.setFilter({}); });
  connect(&explorer_, &Explorer::filterChanged, this, &FilterBar::showFilter);
  showFilter();
}

void FilterBar::focusSearch() {
  search_->setFocus(Qt::ShortcutFocusReason);
  search_->selectAll();
}

void FilterBar::showFilter() {
  const RunFilter& filter = explorer_.filter();
  // While one types, blanks at the end belong to the word to come.
  if (search_->text().trimmed() != filter.search) search_->setText(filter.search);
  while (QLayoutItem* item = chips_->takeAt(0)) {
    item->widget()->deleteLater();
    delete item;
  }
  for (const FilterChip& chip : filter_chips(filter)) {
    auto* button = new QToolButton(this);
    button->setObjectName(QStringLiteral("chip"));
    button->setText(fontMetrics().elidedText(chip.text, Qt::ElideRight, 260) + QStringLiteral("  ✕"));
    button->setToolTip(tr("Remove “%1” from the filter").arg(chip.text));
    button->setAccessibleName(tr("Remove filter %1").arg(chip.text));
    connect(button, &QToolButton::clicked, this,
            [this, removed = chip.removed] { explorer_.setFilter(removed); });
    chips_->addWidget(button);
  }
  undo_->setEnabled(explorer_.canUndoFilter());
  redo_->setEnabled(explorer_.canRedoFilter());
  clear_->setEnabled(!filter.empty());
}

}  // namespace razorscope::gui
