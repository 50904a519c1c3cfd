#pragma once

#include <QWidget>

#include "gui/data/token_audit_model.hpp"

class QLabel;
class QTableView;

namespace razorscope::gui {

/// What became of a token under one policy: a sentence, and a table of heads that can be sorted.
class TokenAuditTable : public QWidget {
  Q_OBJECT

 public:
  explicit TokenAuditTable(QWidget* parent = nullptr);

  /// heading: the policy. steps: as in TokenAuditModel.
  void show(const QString& heading, std::vector<HeadAudit> audits, int steps);
  /// Nothing but words, where there is no token or no record.
  void showMessage(const QString& text);
  QString words() const;
  TokenAuditModel& model() { return *model_; }
  QTableView& table() { return *table_; }

 Q_SIGNALS:
  /// A row was clicked, or Enter pressed on it.
  void headPicked(int layer, int kv_head);

 protected:
  void resizeEvent(QResizeEvent* event) override;

 private:
  void fitWords();

  TokenAuditModel* model_;
  QLabel* words_;
  QTableView* table_;
};

}  // namespace razorscope::gui
