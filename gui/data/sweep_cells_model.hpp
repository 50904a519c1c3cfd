#pragma once

#include <QAbstractTableModel>
#include <optional>
#include <vector>

#include "experiments/store/sweep_rows.hpp"

namespace razorscope::gui {

/// The cells of a sweep, failures first.
class SweepCellsModel : public QAbstractTableModel {
  Q_OBJECT

 public:
  enum Column {
    stateColumn,
    commandColumn,
    policyColumn,
    settingsColumn,
    secondsColumn,
    messageColumn,
    columnNumber
  };

  using QAbstractTableModel::QAbstractTableModel;

  void setCells(std::vector<CellRow> cells);
  const std::vector<CellRow>& cells() const { return cells_; }

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

  QString csv() const;

 private:
  QString text(const CellRow& cell, int column) const;

  std::vector<CellRow> cells_;
};

/// Seconds until a sweep is done: what is left by its estimates, at the pace at which the estimates of what
/// is done came true so far. Nothing before anything is done.
std::optional<double> seconds_left(const std::vector<CellRow>& cells, double elapsed_seconds,
                                   double done_before);

/// Estimated seconds of the cells that are done.
double seconds_done(const std::vector<CellRow>& cells);

}  // namespace razorscope::gui
