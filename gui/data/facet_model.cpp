#include "gui/data/facet_model.hpp"

#include <QFont>
#include <algorithm>

namespace razorscope::gui {
namespace {

// An index holds its group's number + 1, or 0 where it is a group itself.
constexpr quintptr is_group = 0;

}  // namespace

FacetModel::FacetModel(Explorer& explorer, QObject* parent)
    : QAbstractItemModel(parent), explorer_(explorer) {
  connect(&explorer_, &Explorer::snapshotChanged, this, &FacetModel::rebuild);
  connect(&explorer_, &Explorer::filterChanged, this, &FacetModel::recount);
  rebuild();
}

void FacetModel::rebuild() {
  std::vector<Group> groups;
  if (explorer_.snapshot()) {
    for (const Facet facet : all_facets) {
      Group group{facet, {}};
      for (const QString& name : explorer_.snapshot()->names_of(facet)) group.entries.push_back({name, 0});
      if (group.entries.empty()) continue;
      group.entries.push_back({QString(), 0});
      groups.push_back(std::move(group));
    }
  }
  // A refresh that brings no new names leaves what is unfolded and where one has scrolled to.
  const auto is_same = [](const Group& a, const Group& b) {
    return a.facet == b.facet &&
           std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(), b.entries.end(),
                      [](const Entry& x, const Entry& y) { return x.name == y.name; });
  };
  if (!std::equal(groups.begin(), groups.end(), groups_.begin(), groups_.end(), is_same)) {
    beginResetModel();
    groups_ = std::move(groups);
    endResetModel();
  }
  recount();
}

void FacetModel::recount() {
  const FacetCounts& counts = explorer_.facetCounts();
  for (size_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    const auto facet = static_cast<size_t>(group.facet);
    for (size_t i = 0; i < group.entries.size(); ++i) {
      Entry& entry = group.entries[i];
      if (entry.name.isEmpty()) {
        entry.count = counts.without[facet];
      } else if (i < counts.counts[facet].size()) {
        entry.count = counts.counts[facet][i];
      }
    }
    const QModelIndex parent = index(static_cast<int>(g), 0);
    Q_EMIT dataChanged(index(0, 0, parent),
                       index(static_cast<int>(group.entries.size()) - 1, columnNumber - 1, parent));
  }
}

QModelIndex FacetModel::index(int row, int column, const QModelIndex& parent) const {
  if (!hasIndex(row, column, parent)) return {};
  return createIndex(row, column, parent.isValid() ? static_cast<quintptr>(parent.row()) + 1 : is_group);
}

QModelIndex FacetModel::parent(const QModelIndex& child) const {
  if (!child.isValid() || child.internalId() == is_group) return {};
  return createIndex(static_cast<int>(child.internalId()) - 1, 0, is_group);
}

int FacetModel::rowCount(const QModelIndex& parent) const {
  if (!parent.isValid()) return static_cast<int>(groups_.size());
  if (parent.internalId() != is_group || parent.column() != 0) return 0;
  return static_cast<int>(groups_[static_cast<size_t>(parent.row())].entries.size());
}

int FacetModel::columnCount(const QModelIndex& /*parent*/) const { return columnNumber; }

const FacetModel::Entry* FacetModel::entry(const QModelIndex& index) const {
  if (!index.isValid() || index.internalId() == is_group) return nullptr;
  return &groups_[index.internalId() - 1].entries[static_cast<size_t>(index.row())];
}

bool FacetModel::isChosen(Facet facet, const QString& name) const {
  const auto chosen = explorer_.filter().chosen.find(facet);
  return chosen != explorer_.filter().chosen.end() && chosen->second.contains(name);
}

QVariant FacetModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const Entry* const entry = this->entry(index);
  if (entry == nullptr) {
    if (index.column() != nameColumn) return {};
    if (role == Qt::DisplayRole)
      return QString::fromUtf8(facet_title(groups_[static_cast<size_t>(index.row())].facet));
    if (role == Qt::FontRole) {
      QFont font;
      font.setBold(true);
      return font;
    }
    return {};
  }
  const Facet facet = groups_[index.internalId() - 1].facet;
  const QString name = entry->name.isEmpty() ? QStringLiteral("none") : entry->name;
  if (index.column() == countColumn) {
    if (role == Qt::DisplayRole) return entry->count;
    if (role == Qt::TextAlignmentRole) return QVariant(Qt::AlignRight | Qt::AlignVCenter);
    return {};
  }
  if (role == Qt::DisplayRole || role == Qt::ToolTipRole) return name;
  if (role == Qt::AccessibleTextRole)
    return QStringLiteral("%1 %2, %3 runs").arg(QLatin1String(facet_title(facet)), name).arg(entry->count);
  if (role == Qt::CheckStateRole) return isChosen(facet, entry->name) ? Qt::Checked : Qt::Unchecked;
  return {};
}

bool FacetModel::setData(const QModelIndex& index, const QVariant& value, int role) {
  const Entry* const entry = this->entry(index);
  if (entry == nullptr || role != Qt::CheckStateRole || index.column() != nameColumn) return false;
  const Facet facet = groups_[index.internalId() - 1].facet;
  RunFilter filter = explorer_.filter();
  std::set<QString>& names = filter.chosen[facet];
  if (value.toInt() == Qt::Checked) {
    names.insert(entry->name);
  } else {
    names.erase(entry->name);
  }
  if (names.empty()) filter.chosen.erase(facet);
  explorer_.setFilter(filter);
  return true;
}

void FacetModel::chooseOnly(const QModelIndex& index) {
  const Entry* const entry = this->entry(index);
  if (entry == nullptr) return;
  RunFilter filter = explorer_.filter();
  filter.chosen[groups_[index.internalId() - 1].facet] = {entry->name};
  explorer_.setFilter(filter);
}

QVariant FacetModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal || role != Qt::DisplayRole) return {};
  return section == nameColumn ? QStringLiteral("Filter by") : QStringLiteral("Runs");
}

Qt::ItemFlags FacetModel::flags(const QModelIndex& index) const {
  if (!index.isValid()) return {};
  if (entry(index) == nullptr) return Qt::ItemIsEnabled;
  const Qt::ItemFlags common = Qt::ItemIsEnabled | Qt::ItemIsSelectable | Qt::ItemNeverHasChildren;
  return index.column() == nameColumn ? common | Qt::ItemIsUserCheckable : common;
}

}  // namespace razorscope::gui
