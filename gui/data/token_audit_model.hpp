#pragma once

#include <QAbstractTableModel>
#include <vector>

#include "gui/data/token_map.hpp"
#include "sim/closed_loop/token_audit.hpp"

namespace razorscope::gui {

/// What became of one token in every cache of a policy: a row each, layer by layer.
class TokenAuditModel : public QAbstractTableModel {
  Q_OBJECT

 public:
  enum Column { layer, head, left, missed, asked, accumulated, rank, fate };
  enum Role { sortRole = Qt::UserRole };  // a number in every column

  explicit TokenAuditModel(QObject* parent = nullptr) : QAbstractTableModel(parent) {}

  /// steps: tokens of the question that were recorded, over which attention is summed.
  void setAudits(std::vector<HeadAudit> audits, int steps);
  const std::vector<HeadAudit>& audits() const { return audits_; }

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

 private:
  QVariant number(const HeadAudit& audit, int column) const;
  QString text(const HeadAudit& audit, int column) const;

  std::vector<HeadAudit> audits_;
  int steps_ = 0;
};

/// The same in a sentence: in how many heads it was lost and when, and how much of the question's attention
/// those heads would have paid to it.
QString audit_words(const std::vector<HeadAudit>& audits, int steps);

}  // namespace razorscope::gui
