#pragma once

#include <QAbstractTableModel>
#include <QString>
#include <optional>
#include <vector>

#include "experiments/store/compare/comparison.hpp"
#include "gui/data/snapshot.hpp"

namespace razorscope::gui {

/// A figure of two runs, in words where it is not in numbers.
struct ComparedFigure {
  QString subject;  // section and what both were made on; "" of two runs that were chosen
  QString policy;   // canonical; of a pair A's
  std::optional<RunRef> a_run;
  std::optional<RunRef> b_run;
  FigureDifference difference;

  /// (B - A) / |A|; nothing where A is 0.
  std::optional<double> relative() const;
  std::optional<Interval> relative_interval() const;
};

/// What a comparison came to.
struct ComparedFigures {
  QString summary;
  std::vector<ComparedFigure> figures;
};

/// Two runs of one kind, of one database. The summary says why where they cannot be compared.
ComparedFigures compare_two_runs(Store& store, const Snapshot& snapshot, const RunRef& a, const RunRef& b);
/// All runs of two databases that are pairs, those that changed first.
ComparedFigures compare_databases(const std::filesystem::path& a, const std::filesystem::path& b);

class ComparisonModel : public QAbstractTableModel {
  Q_OBJECT

 public:
  enum Column {
    subjectColumn,
    policyColumn,
    figureColumn,
    aColumn,
    bColumn,
    differenceColumn,
    relativeColumn,
    intervalColumn,
    kindColumn,
    changeColumn,
    columnNumber
  };

  using QAbstractTableModel::QAbstractTableModel;

  void setFigures(std::vector<ComparedFigure> figures);
  const std::vector<ComparedFigure>& figures() const { return figures_; }

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

  /// Every digit.
  QString csv() const;

 private:
  std::vector<ComparedFigure> figures_;
};

}  // namespace razorscope::gui
