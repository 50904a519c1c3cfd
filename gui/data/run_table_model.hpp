#pragma once

#include <QAbstractTableModel>
#include <QHash>
#include <optional>
#include <vector>

#include "gui/data/explorer.hpp"
#include "gui/data/run_columns.hpp"

namespace razorscope::gui {

/// A column that rows are ordered by.
struct SortKey {
  int column = 0;  // of run_columns()
  Qt::SortOrder order = Qt::AscendingOrder;

  bool operator==(const SortKey&) const = default;
};

/// The runs that the filter leaves, a row each, or groups of them. Its columns are run_columns(); views hide
/// those that are not wanted. Rows without a figure come last in either order.
class RunTableModel : public QAbstractTableModel {
  Q_OBJECT

 public:
  enum Role {
    valueRole = Qt::UserRole,  // a figure as a number, invalid where there is none
    barRole,                   // where it lies between the column's least and most, 0 to 1
    refRole                    // RunRef, of a row that is one run
  };

  explicit RunTableModel(Explorer& explorer, QObject* parent = nullptr);

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;
  Qt::ItemFlags flags(const QModelIndex& index) const override;

  /// While nobody looks, it does not follow the filter; it catches up afterwards.
  void setLive(bool live);

  /// The most important column first.
  const std::vector<SortKey>& sortKeys() const { return sort_; }
  void setSortKeys(std::vector<SortKey> keys);
  void sort(int column, Qt::SortOrder order) override { setSortKeys({{column, order}}); }

  /// Groups runs whose names in this column are the same; -1: a row each. Figures of a group are means with
  /// their 95 % intervals.
  void setGroupColumn(int column);
  int groupColumn() const { return group_column_; }

  /// The runs of a row.
  std::vector<RunRef> runsOfRow(int row) const;
  /// The row that the run is in; -1 where it is not shown.
  int rowOf(const RunRef& run) const;

  /// Rows as text, with a header of the columns: fields separated by tabs, as Markdown, or as CSV with every
  /// digit; there groups have their number of runs and the ends of the intervals, too.
  QString asTsv(const std::vector<int>& rows, const std::vector<int>& columns) const;
  QString asMarkdown(const std::vector<int>& rows, const std::vector<int>& columns) const;
  QString asCsv(const std::vector<int>& rows, const std::vector<int>& columns) const;

 private:
  struct Row {
    std::vector<size_t> places;  // in the snapshot; one, unless runs are grouped
  };
  struct Summary {
    double mean = 0.0;
    std::optional<Interval> interval;
  };

  void rebuild();
  void arrange();
  void numberRows();
  std::optional<double> value(const Row& row, const RunColumn& column) const;
  std::optional<Summary> summary(const Row& row, const RunColumn& column) const;
  QString text(const Row& row, int column) const;
  QString groupText(const Row& row, int column) const;
  QString field(const Row& row, int column) const;
  const std::optional<Interval>& extent(int column) const;

  Explorer& explorer_;
  std::shared_ptr<const Snapshot> snapshot_;  // that the rows are of
  std::vector<Row> rows_;
  std::vector<int> row_of_;  // of each place in the snapshot; -1: not shown
  std::vector<SortKey> sort_;
  int group_column_ = -1;
  bool live_ = true;
  bool stale_ = false;
  mutable QHash<std::pair<size_t, int>, QString> group_texts_;  // by first run and column
  mutable std::vector<std::optional<std::optional<Interval>>>
      extents_;  // by column, once they were asked for
};

}  // namespace razorscope::gui

Q_DECLARE_METATYPE(razorscope::gui::RunRef)
