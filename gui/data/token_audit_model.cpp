#include "gui/data/token_audit_model.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "gui/data/format.hpp"
#include "gui/data/token_words.hpp"

namespace razorscope::gui {
namespace {

struct AuditColumn {
  const char* title;
  const char* help;
};

constexpr AuditColumn audit_columns[] = {
    {"Layer", "of the model, from 0"},
    {"Head", "the policy's cache in this layer, from 0"},
    {"Lost", "when the head lost it: at the end of the text, or after so many tokens of the question"},
    {"Missed %",
     "of the question's attention in this head (full+f32), what came after it had lost the token"},
    {"Asked %", "share of the question's attention in this head (full+f32)"},
    {"Score", "attention that the text's own queries gave it, summed over them (full+f32)"},
    {"Rank", "by score among the text's tokens, 1 = most attended"},
    {"Fate", "at the end of the text"},
};

QString percent(double share) { return figure_text(100.0 * share, FigureKind::error); }

}  // namespace

void TokenAuditModel::setAudits(std::vector<HeadAudit> audits, int steps) {
  beginResetModel();
  audits_ = std::move(audits);
  steps_ = steps;
  endResetModel();
}

int TokenAuditModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(audits_.size());
}

int TokenAuditModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(std::size(audit_columns));
}

QVariant TokenAuditModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid)) return {};
  const HeadAudit& audit = audits_[static_cast<size_t>(index.row())];
  switch (role) {
    case Qt::DisplayRole:
      return text(audit, index.column());
    case sortRole:
      return number(audit, index.column());
    case Qt::TextAlignmentRole:
      return QVariant::fromValue(index.column() == fate || index.column() == left
                                     ? Qt::Alignment(Qt::AlignLeft | Qt::AlignVCenter)
                                     : Qt::Alignment(Qt::AlignRight | Qt::AlignVCenter));
    case Qt::ToolTipRole:
      return index.column() == fate ? QVariant(fate_text(audit.fate)) : QVariant();
    default:
      return {};
  }
}

QVariant TokenAuditModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal || section < 0 || section >= columnCount()) return {};
  if (role == Qt::DisplayRole) return QString::fromUtf8(audit_columns[section].title);
  if (role == Qt::ToolTipRole) return QString::fromUtf8(audit_columns[section].help);
  return {};
}

QVariant TokenAuditModel::number(const HeadAudit& audit, int column) const {
  switch (column) {
    case layer:
      return audit.layer;
    case head:
      return audit.cache;
    case fate:
      return static_cast<int>(audit.fate);
    case left:  // never comes last
      return audit.left_step.value_or(std::numeric_limits<int>::max());
    case accumulated:
      return audit.accumulated;
    case rank:
      return audit.rank;
    case asked:
      return audit.asked / std::max(1, steps_);
    default:
      return audit.missed / std::max(1, steps_);
  }
}

QString TokenAuditModel::text(const HeadAudit& audit, int column) const {
  const double steps = std::max(1, steps_);
  switch (column) {
    case layer:
      return QString::number(audit.layer);
    case head:
      return QString::number(audit.cache);
    case fate:
      return fate_name(audit.fate);
    case left:
      if (!audit.left_step) return tr("never");
      return *audit.left_step == 0 ? tr("at the end") : tr("after %1").arg(*audit.left_step);
    case accumulated:
      return figure_text(audit.accumulated, FigureKind::error);
    case rank:
      return QString::number(audit.rank);
    case asked:
      return percent(audit.asked / steps);
    default:
      return percent(audit.missed / steps);
  }
}

QString audit_words(const std::vector<HeadAudit>& audits, int steps) {
  int at_end = 0;
  int later = 0;
  double asked = 0.0;
  double missed = 0.0;
  for (const HeadAudit& audit : audits) {
    if (audit.left_step) ++(*audit.left_step == 0 ? at_end : later);
    asked += audit.asked;
    missed += audit.missed;
  }
  const double shares = static_cast<double>(audits.size()) * std::max(1, steps);
  QString text =
      at_end + later == 0
          ? QStringLiteral("Held by all %1 heads").arg(audits.size())
          : QStringLiteral("Lost in %1 of %2 heads at the end of the text").arg(at_end).arg(audits.size());
  if (later > 0) text += QStringLiteral(", in %1 more while the question was read").arg(later);
  if (steps == 0) return text + u'.';
  text += QStringLiteral(". The question pays it %1 % of its attention").arg(percent(asked / shares));
  if (at_end + later > 0 && asked > 0.0) {
    text += QStringLiteral("; %1 of that falls on heads that have lost it")
                .arg(figure_text(missed / asked, FigureKind::share));
  }
  return text + u'.';
}

}  // namespace razorscope::gui
