#include "gui/data/run_table_model.hpp"

#include <QHash>
#include <QStringList>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "experiments/store/compare/difference.hpp"

namespace razorscope::gui {
namespace {

/// What rows are ordered by in one column, computed once a row.
struct SortColumn {
  std::vector<double> numbers;  // figures, or the ranks of names; NaN: none
  bool descending = false;

  /// Less than 0: a stands before b.
  int compare(size_t a, size_t b) const {
    const double x = numbers[a];
    const double y = numbers[b];
    if (std::isnan(x) || std::isnan(y))
      return static_cast<int>(std::isnan(x)) - static_cast<int>(std::isnan(y));
    if (x == y) return 0;
    return (x < y) != descending ? -1 : 1;
  }
};

/// The rank of each name among those that there are, which are few beside the rows; NaN: "".
std::vector<double> ranks_of(const std::vector<QString>& names) {
  QHash<QString, double> ranks;
  for (const QString& name : names) ranks.insert(name, 0.0);
  QStringList sorted = ranks.keys();
  std::sort(sorted.begin(), sorted.end(), reads_before);
  for (qsizetype i = 0; i < sorted.size(); ++i) ranks[sorted[i]] = static_cast<double>(i);
  ranks[QString()] = std::nan("");
  std::vector<double> out;
  out.reserve(names.size());
  for (const QString& name : names) out.push_back(ranks.value(name));
  return out;
}

QString in_markdown(QString text) { return text.replace(u'|', QStringLiteral("\\|")); }
QString in_tsv(QString text) { return text.replace(u'\t', u' ').replace(u'\n', u' '); }

}  // namespace

RunTableModel::RunTableModel(Explorer& explorer, QObject* parent)
    : QAbstractTableModel(parent), explorer_(explorer), extents_(run_columns().size()) {
  connect(&explorer_, &Explorer::filterChanged, this, &RunTableModel::rebuild);
  rebuild();
}

int RunTableModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(rows_.size());
}

int RunTableModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(run_columns().size());
}

Qt::ItemFlags RunTableModel::flags(const QModelIndex& index) const {
  return index.isValid() ? Qt::ItemIsSelectable | Qt::ItemIsEnabled | Qt::ItemNeverHasChildren
                         : Qt::ItemFlags();
}

void RunTableModel::setLive(bool live) {
  live_ = live;
  if (live_ && stale_) rebuild();
}

void RunTableModel::rebuild() {
  stale_ = !live_;
  if (stale_) return;
  beginResetModel();
  group_texts_.clear();
  snapshot_ = explorer_.snapshot();
  rows_.clear();
  std::fill(extents_.begin(), extents_.end(), std::nullopt);
  if (snapshot_) {
    if (group_column_ < 0) {
      for (const size_t place : explorer_.visibleRuns()) rows_.push_back({{place}});
    } else {
      const RunColumn& by = run_columns()[static_cast<size_t>(group_column_)];
      QHash<QString, size_t> groups;
      for (const size_t place : explorer_.visibleRuns()) {
        const QString name = by.cell(*snapshot_, snapshot_->runs[place]);
        const auto group = groups.constFind(name);
        const size_t row = group == groups.constEnd() ? rows_.size() : *group;
        if (row == rows_.size()) {
          groups.insert(name, row);
          rows_.emplace_back();
        }
        rows_[row].places.push_back(place);
      }
    }
  }
  arrange();
  numberRows();
  endResetModel();
}

void RunTableModel::arrange() {
  if (sort_.empty() || rows_.empty()) return;
  std::vector<SortColumn> by;
  for (const SortKey& key : sort_) {
    const RunColumn& column = run_columns()[static_cast<size_t>(key.column)];
    SortColumn& sorted = by.emplace_back();
    sorted.descending = key.order == Qt::DescendingOrder;
    std::vector<QString> names;
    for (const Row& row : rows_) {
      if (column.is_number()) {
        sorted.numbers.push_back(value(row, column).value_or(std::nan("")));
      } else {
        names.push_back(column.cell(*snapshot_, snapshot_->runs[row.places.front()]));
      }
    }
    if (!column.is_number()) sorted.numbers = ranks_of(names);
  }
  std::vector<size_t> order(rows_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    for (const SortColumn& column : by) {
      if (const int difference = column.compare(a, b); difference != 0) return difference < 0;
    }
    return false;
  });
  std::vector<Row> sorted;
  sorted.reserve(rows_.size());
  for (const size_t row : order) sorted.push_back(std::move(rows_[row]));
  rows_ = std::move(sorted);
}

void RunTableModel::numberRows() {
  row_of_.assign(snapshot_ ? snapshot_->runs.size() : 0, -1);
  for (size_t row = 0; row < rows_.size(); ++row) {
    for (const size_t place : rows_[row].places) row_of_[place] = static_cast<int>(row);
  }
}

void RunTableModel::setSortKeys(std::vector<SortKey> keys) {
  std::erase_if(keys, [&](const SortKey& key) { return key.column < 0 || key.column >= columnCount(); });
  if (keys == sort_) return;
  sort_ = std::move(keys);
  rebuild();
}

void RunTableModel::setGroupColumn(int column) {
  if (column == group_column_ || column >= columnCount()) return;
  group_column_ = column;
  rebuild();
}

std::optional<double> RunTableModel::value(const Row& row, const RunColumn& column) const {
  if (row.places.size() == 1) return column.number(*snapshot_, snapshot_->runs[row.places.front()]);
  const std::optional<Summary> all = summary(row, column);
  return all ? std::optional<double>(all->mean) : std::nullopt;
}

std::optional<RunTableModel::Summary> RunTableModel::summary(const Row& row, const RunColumn& column) const {
  std::vector<double> values;
  for (const size_t place : row.places) {
    if (const auto number = column.number(*snapshot_, snapshot_->runs[place])) values.push_back(*number);
  }
  if (values.empty()) return std::nullopt;
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  return Summary{sum / static_cast<double>(values.size()), mean_interval(values)};
}

QString RunTableModel::text(const Row& row, int index) const {
  const RunColumn& column = run_columns()[static_cast<size_t>(index)];
  if (group_column_ < 0) return column.cell(*snapshot_, snapshot_->runs[row.places.front()]);
  const std::pair<size_t, int> place(row.places.front(), index);
  if (const auto known = group_texts_.constFind(place); known != group_texts_.constEnd()) return *known;
  return *group_texts_.insert(place, groupText(row, index));
}

QString RunTableModel::groupText(const Row& row, int index) const {
  const RunColumn& column = run_columns()[static_cast<size_t>(index)];
  if (index == group_column_) {
    const QString name = column.cell(*snapshot_, snapshot_->runs[row.places.front()]);
    return QStringLiteral("%1 (%2)")
        .arg(name.isEmpty() ? QStringLiteral("none") : name)
        .arg(row.places.size());
  }
  if (!column.is_number()) {
    const QString first = column.cell(*snapshot_, snapshot_->runs[row.places.front()]);
    const bool same = std::all_of(row.places.begin(), row.places.end(), [&](size_t place) {
      return column.cell(*snapshot_, snapshot_->runs[place]) == first;
    });
    return same ? first : QStringLiteral("several");
  }
  const std::optional<Summary> all = summary(row, column);
  if (!all) return {};
  const QString mean = figure_text(all->mean, column.format);
  if (!all->interval) return mean;
  const double half = (all->interval->high - all->interval->low) / 2.0;
  return QStringLiteral("%1 ± %2").arg(mean, figure_text(half, column.format));
}

QString RunTableModel::field(const Row& row, int index) const {
  const RunColumn& column = run_columns()[static_cast<size_t>(index)];
  if (!column.is_number()) return text(row, index);
  const std::optional<double> number = value(row, column);
  return number ? full_precision(*number) : QString();
}

const std::optional<Interval>& RunTableModel::extent(int index) const {
  std::optional<std::optional<Interval>>& known = extents_[static_cast<size_t>(index)];
  if (!known) {
    known.emplace();
    const RunColumn& column = run_columns()[static_cast<size_t>(index)];
    for (const Row& row : rows_) {
      const std::optional<double> number = value(row, column);
      if (!number) continue;
      if (!*known) *known = Interval{*number, *number};
      (*known)->low = std::min((*known)->low, *number);
      (*known)->high = std::max((*known)->high, *number);
    }
  }
  return *known;
}

QVariant RunTableModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const Row& row = rows_[static_cast<size_t>(index.row())];
  const RunColumn& column = run_columns()[static_cast<size_t>(index.column())];
  switch (role) {
    case Qt::DisplayRole:
    case Qt::ToolTipRole:
      return text(row, index.column());
    case Qt::TextAlignmentRole:
      return QVariant((column.is_number() ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    case valueRole: {
      const std::optional<double> number = column.is_number() ? value(row, column) : std::nullopt;
      return number ? QVariant(*number) : QVariant();
    }
    case barRole: {
      const std::optional<double> number = column.is_number() ? value(row, column) : std::nullopt;
      const std::optional<Interval>& all = number ? extent(index.column()) : std::nullopt;
      if (!all || all->high <= all->low) return {};
      return (*number - all->low) / (all->high - all->low);
    }
    case refRole:
      return row.places.size() == 1 ? QVariant::fromValue(snapshot_->runs[row.places.front()].ref)
                                    : QVariant();
    default:
      return {};
  }
}

QVariant RunTableModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation == Qt::Vertical) return role == Qt::DisplayRole ? QVariant(section + 1) : QVariant();
  if (section < 0 || section >= columnCount()) return {};
  const RunColumn& column = run_columns()[static_cast<size_t>(section)];
  if (role == Qt::ToolTipRole) return QString::fromUtf8(column.help);
  if (role != Qt::DisplayRole) return {};
  const auto key =
      std::find_if(sort_.begin(), sort_.end(), [&](const SortKey& k) { return k.column == section; });
  if (key == sort_.end()) return column.heading();
  const QString arrow = key->order == Qt::AscendingOrder ? QStringLiteral("▲") : QStringLiteral("▼");
  if (sort_.size() == 1) return QStringLiteral("%1 %2").arg(column.heading(), arrow);
  return QStringLiteral("%1 %2%3").arg(column.heading(), arrow).arg(key - sort_.begin() + 1);
}

std::vector<RunRef> RunTableModel::runsOfRow(int row) const {
  std::vector<RunRef> runs;
  for (const size_t place : rows_[static_cast<size_t>(row)].places)
    runs.push_back(snapshot_->runs[place].ref);
  return runs;
}

int RunTableModel::rowOf(const RunRef& run) const {
  if (!snapshot_) return -1;
  const auto place = snapshot_->places.find(run);
  return place == snapshot_->places.end() ? -1 : row_of_[place->second];
}

QString RunTableModel::asTsv(const std::vector<int>& rows, const std::vector<int>& columns) const {
  QStringList lines;
  QStringList names;
  for (const int column : columns) names += run_columns()[static_cast<size_t>(column)].heading();
  lines += names.join(u'\t');
  for (const int row : rows) {
    QStringList cells;
    for (const int column : columns) cells += in_tsv(field(rows_[static_cast<size_t>(row)], column));
    lines += cells.join(u'\t');
  }
  return lines.join(u'\n') + u'\n';
}

QString RunTableModel::asMarkdown(const std::vector<int>& rows, const std::vector<int>& columns) const {
  QStringList lines;
  QStringList names;
  QStringList rules;
  for (const int index : columns) {
    const RunColumn& column = run_columns()[static_cast<size_t>(index)];
    names += column.heading();
    rules += column.is_number() ? QStringLiteral("--:") : QStringLiteral("---");
  }
  lines += QStringLiteral("| %1 |").arg(names.join(QStringLiteral(" | ")));
  lines += QStringLiteral("| %1 |").arg(rules.join(QStringLiteral(" | ")));
  for (const int row : rows) {
    QStringList cells;
    for (const int column : columns) cells += in_markdown(text(rows_[static_cast<size_t>(row)], column));
    lines += QStringLiteral("| %1 |").arg(cells.join(QStringLiteral(" | ")));
  }
  return lines.join(u'\n') + u'\n';
}

QString RunTableModel::asCsv(const std::vector<int>& rows, const std::vector<int>& columns) const {
  const bool grouped = group_column_ >= 0;
  QStringList names;
  if (grouped) names += QStringLiteral("runs");
  for (const int index : columns) {
    const RunColumn& column = run_columns()[static_cast<size_t>(index)];
    const QString key = QString::fromUtf8(column.key);
    names += key;
    if (grouped && column.is_number()) names += {key + QStringLiteral("_low"), key + QStringLiteral("_high")};
  }
  QStringList lines = {names.join(u',')};
  for (const int at : rows) {
    const Row& row = rows_[static_cast<size_t>(at)];
    QStringList cells;
    if (grouped) cells += QString::number(row.places.size());
    for (const int index : columns) {
      cells += csv_field(field(row, index));
      const RunColumn& column = run_columns()[static_cast<size_t>(index)];
      if (!grouped || !column.is_number()) continue;
      const std::optional<Summary> all = summary(row, column);
      const bool has_interval = all && all->interval;
      cells += has_interval ? full_precision(all->interval->low) : QString();
      cells += has_interval ? full_precision(all->interval->high) : QString();
    }
    lines += cells.join(u',');
  }
  return lines.join(u'\n') + u'\n';
}

}  // namespace razorscope::gui
