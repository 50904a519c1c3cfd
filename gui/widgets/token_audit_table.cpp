#include "gui/widgets/token_audit_table.hpp"

#include <QHeaderView>
#include <QLabel>
#include <QSortFilterProxyModel>
#include <QTableView>
#include <QVBoxLayout>
#include <algorithm>
#include <utility>

#include "gui/widgets/wrapped_label.hpp"

namespace razorscope::gui {

TokenAuditTable::TokenAuditTable(QWidget* parent)
    : QWidget(parent),
      model_(new TokenAuditModel(this)),
      words_(new QLabel(this)),
      table_(new QTableView(this)) {
  auto* sorted = new QSortFilterProxyModel(this);
  sorted->setSourceModel(model_);
  sorted->setSortRole(TokenAuditModel::sortRole);
  table_->setModel(sorted);
  table_->setSortingEnabled(true);
  table_->sortByColumn(TokenAuditModel::missed, Qt::DescendingOrder);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->verticalHeader()->hide();
  table_->verticalHeader()->setDefaultSectionSize(table_->fontMetrics().height() + 4);
  table_->horizontalHeader()->setStretchLastSection(true);
  table_->horizontalHeader()->setMinimumSectionSize(20);
  table_->setMinimumHeight(50);
  wrap_words(*words_);
  words_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  table_->setToolTip(tr("Click a head to see the text as it has it"));
  const auto pick = [this, sorted](const QModelIndex& index) {
    const HeadAudit& audit = model_->audits()[static_cast<size_t>(sorted->mapToSource(index).row())];
    Q_EMIT headPicked(audit.layer, audit.kv_head);
  };
  connect(table_, &QTableView::clicked, this, pick);
  connect(table_, &QTableView::activated, this, pick);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->addWidget(words_);
  layout->addWidget(table_, 1);
}

void TokenAuditTable::show(const QString& heading, std::vector<HeadAudit> audits, int steps) {
  words_->setText(audit_words(audits, steps));
  fitWords();
  table_->setAccessibleName(tr("Heads of %1").arg(heading));
  model_->setAudits(std::move(audits), steps);
  table_->resizeColumnsToContents();
  table_->show();
}

void TokenAuditTable::showMessage(const QString& text) {
  model_->setAudits({}, 0);
  words_->setText(text);
  table_->hide();
}

void TokenAuditTable::resizeEvent(QResizeEvent* event) {
  QWidget::resizeEvent(event);
  fitWords();
}

/// All lines of the sentence are seen, however narrow it is.
void TokenAuditTable::fitWords() { words_->setMinimumHeight(std::max(0, words_->heightForWidth(width()))); }

QString TokenAuditTable::words() const { return words_->text(); }

}  // namespace razorscope::gui
