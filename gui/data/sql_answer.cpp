#include "gui/data/sql_answer.hpp"

#include <QElapsedTimer>
#include <algorithm>
#include <numeric>

#include "gui/data/format.hpp"

namespace razorscope::gui {
namespace {

QVariant value_of(const SqlValue& value) {
  struct Convert {
    QVariant operator()(std::monostate) const { return {}; }
    QVariant operator()(int64_t number) const { return QVariant::fromValue<qlonglong>(number); }
    QVariant operator()(double number) const { return number; }
    QVariant operator()(std::string_view text) const {
      return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()));
    }
    QVariant operator()(std::span<const std::byte> blob) const {
      return QStringLiteral("blob of %L1 bytes").arg(blob.size());
    }
  };
  return std::visit(Convert(), value);
}

class Collector final : public SqlSink {
 public:
  Collector(SqlAnswer& answer, size_t most_rows) : answer_(answer), most_rows_(most_rows) {}

  void columns(const std::vector<std::string>& names) override {
    for (const std::string& name : names) answer_.columns += QString::fromStdString(name);
  }
  void row(std::span<const SqlValue> values) override {
    if (answer_.rows.size() == most_rows_) {
      answer_.is_cut = true;
      return;
    }
    std::vector<QVariant>& row = answer_.rows.emplace_back();
    row.reserve(values.size());
    for (const SqlValue& value : values) row.push_back(value_of(value));
  }
  void end() override {}
  bool is_full() const { return answer_.is_cut; }

 private:
  SqlAnswer& answer_;
  size_t most_rows_;
};

bool is_number(const QVariant& value) {
  return value.typeId() == QMetaType::LongLong || value.typeId() == QMetaType::Double;
}

/// NULL, numbers, texts: as SQLite orders them.
bool is_less(const QVariant& a, const QVariant& b) {
  const auto rank = [](const QVariant& value) { return !value.isValid() ? 0 : is_number(value) ? 1 : 2; };
  if (rank(a) != rank(b)) return rank(a) < rank(b);
  if (rank(a) == 1) return a.toDouble() < b.toDouble();
  return rank(a) == 2 && a.toString() < b.toString();
}

}  // namespace

SqlAnswer ask_sql(const std::filesystem::path& path, const std::string& sql,
                  const SqlReader::Settings& settings, size_t most_rows, const std::atomic<bool>& stop) {
  QElapsedTimer clock;
  clock.start();
  SqlAnswer answer;
  Collector collector(answer, most_rows);
  SqlReader reader(path);
  try {
    reader.ask(sql, settings, collector, [&] { return stop || collector.is_full(); });
  } catch (const std::exception&) {
    if (!collector.is_full()) throw;  // we interrupted it ourselves
  }
  answer.seconds = static_cast<double>(clock.elapsed()) / 1e3;
  return answer;
}

void SqlAnswerModel::setAnswer(std::shared_ptr<const SqlAnswer> answer) {
  beginResetModel();
  answer_ = std::move(answer);
  order_.resize(answer_ ? answer_->rows.size() : 0);
  std::iota(order_.begin(), order_.end(), size_t{0});
  endResetModel();
}

int SqlAnswerModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(order_.size());
}

int SqlAnswerModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid() || !answer_ ? 0 : static_cast<int>(answer_->columns.size());
}

QVariant SqlAnswerModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const QVariant& value = row(index.row())[static_cast<size_t>(index.column())];
  if (role == Qt::TextAlignmentRole)
    return QVariant((is_number(value) ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
  if (role != Qt::DisplayRole && role != Qt::ToolTipRole) return {};
  if (value.typeId() == QMetaType::Double) return QString::number(value.toDouble(), 'g', 6);
  return value.isValid() ? value.toString() : QString();
}

QVariant SqlAnswerModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole || section < 0) return {};
  if (orientation == Qt::Vertical) return section + 1;
  return section < columnCount() ? QVariant(answer_->columns[section]) : QVariant();
}

void SqlAnswerModel::sort(int column, Qt::SortOrder order) {
  if (column < 0 || column >= columnCount()) return;
  Q_EMIT layoutAboutToBeChanged();
  const QModelIndexList before = persistentIndexList();
  std::vector<size_t> places;
  for (const QModelIndex& index : before) places.push_back(order_[static_cast<size_t>(index.row())]);
  const auto at = static_cast<size_t>(column);
  std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
    const QVariant& x = answer_->rows[a][at];
    const QVariant& y = answer_->rows[b][at];
    return order == Qt::AscendingOrder ? is_less(x, y) : is_less(y, x);
  });
  for (qsizetype i = 0; i < before.size(); ++i) {
    const auto found = std::find(order_.begin(), order_.end(), places[static_cast<size_t>(i)]);
    changePersistentIndex(before[i], index(static_cast<int>(found - order_.begin()), before[i].column()));
  }
  Q_EMIT layoutChanged();
}

std::optional<RunRef> SqlAnswerModel::runOf(int index) const {
  if (!answer_ || index < 0 || index >= rowCount()) return std::nullopt;
  const qsizetype column = answer_->columns.indexOf(QStringLiteral("run_id"));
  if (column < 0) return std::nullopt;
  const QVariant& id = row(index)[static_cast<size_t>(column)];
  if (id.typeId() != QMetaType::LongLong) return std::nullopt;
  return RunRef{answer_->columns.contains(QStringLiteral("device")), id.toLongLong()};
}

QString SqlAnswerModel::csv() const {
  if (!answer_) return {};
  QStringList fields;
  for (const QString& name : answer_->columns) fields += csv_field(name);
  QString out = fields.join(u',') + u'\n';
  for (const size_t place : order_) {
    fields.clear();
    for (const QVariant& value : answer_->rows[place])
      fields += csv_field(value.typeId() == QMetaType::Double ? full_precision(value.toDouble())
                                                              : value.toString());
    out += fields.join(u',') + u'\n';
  }
  return out;
}

}  // namespace razorscope::gui
