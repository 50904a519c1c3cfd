#include "gui/data/sweep_cells_model.hpp"

#include <QJsonDocument>
#include <QJsonObject>
#include <QStringList>
#include <algorithm>

#include "gui/data/format.hpp"

namespace razorscope::gui {
namespace {

constexpr const char* titles[] = {"State", "Command", "Policy", "Settings", "Took (s)", "Why it failed"};

int urgency(CellState state) {
  switch (state) {
    case CellState::failed:
      return 0;
    case CellState::running:
      return 1;
    case CellState::pending:
      return 2;
    default:
      return 3;
  }
}

/// "prefix 256, steps 32" of {"prefix": "256", "steps": "32"}.
QString settings_text(const std::string& json) {
  const QJsonObject settings = QJsonDocument::fromJson(QByteArray::fromStdString(json)).object();
  QStringList words;
  for (auto setting = settings.begin(); setting != settings.end(); ++setting)
    words += QStringLiteral("%1 %2").arg(setting.key(), setting.value().toVariant().toString());
  return words.join(QStringLiteral(", "));
}

}  // namespace

void SweepCellsModel::setCells(std::vector<CellRow> cells) {
  std::stable_sort(cells.begin(), cells.end(),
                   [](const CellRow& a, const CellRow& b) { return urgency(a.state) < urgency(b.state); });
  const bool same = std::equal(cells.begin(), cells.end(), cells_.begin(), cells_.end(),
                               [](const CellRow& a, const CellRow& b) { return a.id == b.id; });
  if (same) {  // in the same order: what is selected stays
    cells_ = std::move(cells);
    if (!cells_.empty()) Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, columnNumber - 1));
    return;
  }
  beginResetModel();
  cells_ = std::move(cells);
  endResetModel();
}

int SweepCellsModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(cells_.size());
}

int SweepCellsModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : columnNumber;
}

QString SweepCellsModel::text(const CellRow& cell, int column) const {
  switch (column) {
    case stateColumn: {
      const std::string_view state = to_string(cell.state);
      const QString name = QString::fromUtf8(state.data(), static_cast<qsizetype>(state.size()));
      return cell.attempts > 1 ? QStringLiteral("%1 (%2 tries)").arg(name).arg(cell.attempts) : name;
    }
    case commandColumn:
      return QString::fromStdString(cell.command);
    case policyColumn:
      return cell.policy.empty() ? QString() : policy_text(cell.policy);
    case settingsColumn:
      return settings_text(cell.settings_json);
    case secondsColumn:
      return cell.state == CellState::done ? QString::number(cell.wall_seconds, 'f', 1) : QString();
    default:
      return QString::fromStdString(cell.message);
  }
}

QVariant SweepCellsModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const CellRow& cell = cells_[static_cast<size_t>(index.row())];
  if (role == Qt::DisplayRole) return text(cell, index.column());
  if (role == Qt::ToolTipRole)
    return cell.command_line.empty() ? text(cell, index.column()) : QString::fromStdString(cell.command_line);
  if (role == Qt::TextAlignmentRole)
    return QVariant((index.column() == secondsColumn ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
  return {};
}

QVariant SweepCellsModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole || section < 0) return {};
  if (orientation == Qt::Vertical) return section + 1;
  return section < columnNumber ? QVariant(QString::fromUtf8(titles[section])) : QVariant();
}

QString SweepCellsModel::csv() const {
  QString out = QStringLiteral("state,command,policy,settings,wall_seconds,message\n");
  for (const CellRow& cell : cells_) {
    QStringList fields;
    for (int column = 0; column < columnNumber; ++column) fields += csv_field(text(cell, column));
    out += fields.join(u',') + u'\n';
  }
  return out;
}

double seconds_done(const std::vector<CellRow>& cells) {
  double seconds = 0.0;
  for (const CellRow& cell : cells) {
    if (cell.state == CellState::done) seconds += cell.estimated_seconds;
  }
  return seconds;
}

std::optional<double> seconds_left(const std::vector<CellRow>& cells, double elapsed_seconds,
                                   double done_before) {
  double left = 0.0;
  for (const CellRow& cell : cells) {
    if (cell.state == CellState::pending || cell.state == CellState::running) left += cell.estimated_seconds;
  }
  const double done = seconds_done(cells) - done_before;
  if (done <= 0.0 || elapsed_seconds <= 0.0) return std::nullopt;
  return left * elapsed_seconds / done;
}

}  // namespace razorscope::gui
