#pragma once

#include <QAbstractTableModel>
#include <QString>
#include <QStringList>
#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "experiments/store/sql_reader.hpp"
#include "gui/data/run.hpp"

namespace razorscope::gui {

/// What a statement gave. Values are texts, integers or numbers; invalid: NULL.
struct SqlAnswer {
  QStringList columns;
  std::vector<std::vector<QVariant>> rows;
  bool is_cut = false;  // there were more rows than are kept
  double seconds = 0.0;
};

/// Asks a database; at most `most_rows` rows are kept. Interrupted soon after `stop` is set. InputError as
/// SqlReader.
SqlAnswer ask_sql(const std::filesystem::path& path, const std::string& sql,
                  const SqlReader::Settings& settings, size_t most_rows, const std::atomic<bool>& stop);

/// An answer as a table that can be ordered by a column.
class SqlAnswerModel : public QAbstractTableModel {
  Q_OBJECT

 public:
  using QAbstractTableModel::QAbstractTableModel;

  void setAnswer(std::shared_ptr<const SqlAnswer> answer);
  const SqlAnswer* answer() const { return answer_.get(); }

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;
  void sort(int column, Qt::SortOrder order) override;

  /// The run that a row is about: by its column run_id, of the runs on devices where it has a column device.
  std::optional<RunRef> runOf(int row) const;
  QString csv() const;

 private:
  const std::vector<QVariant>& row(int index) const {
    return answer_->rows[order_[static_cast<size_t>(index)]];
  }

  std::shared_ptr<const SqlAnswer> answer_;
  std::vector<size_t> order_;
};

}  // namespace razorscope::gui
