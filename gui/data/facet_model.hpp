#pragma once

#include <QAbstractItemModel>
#include <vector>

#include "gui/data/explorer.hpp"

namespace razorscope::gui {

/// What runs are sorted into, as a tree of two levels: facets, and their names with the number of runs that
/// choosing them would leave. Checking a name puts it into the filter.
class FacetModel : public QAbstractItemModel {
  Q_OBJECT

 public:
  enum Column { nameColumn, countColumn, columnNumber };

  explicit FacetModel(Explorer& explorer, QObject* parent = nullptr);

  QModelIndex index(int row, int column, const QModelIndex& parent = {}) const override;
  QModelIndex parent(const QModelIndex& child) const override;
  using QObject::parent;
  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
  bool setData(const QModelIndex& index, const QVariant& value, int role = Qt::EditRole) override;
  QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;
  Qt::ItemFlags flags(const QModelIndex& index) const override;

  /// Leaves this name alone of its facet.
  void chooseOnly(const QModelIndex& index);

 private:
  struct Entry {
    QString name;  // "": none
    int count = 0;
  };
  struct Group {
    Facet facet = Facet::kind;
    std::vector<Entry> entries;
  };

  void rebuild();
  void recount();
  const Entry* entry(const QModelIndex& index) const;
  bool isChosen(Facet facet, const QString& name) const;

  Explorer& explorer_;
  std::vector<Group> groups_;  // those that have names
};

}  // namespace razorscope::gui
