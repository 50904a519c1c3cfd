#include "gui/data/comparison_model.hpp"

#include <QStringList>
#include <algorithm>
#include <cmath>

#include "experiments/store/compare/run_figures.hpp"
#include "experiments/store/run_selection.hpp"
#include "gui/data/format.hpp"

namespace razorscope::gui {
namespace {

constexpr const char* titles[] = {"Measured on", "Policy", "Figure",        "A",        "B",
                                  "B − A",       "in %",   "95 % interval", "Interval", "Change"};

QString number(double value) { return QString::number(value, 'g', 6); }
QString signed_number(double value) {
  return value > 0.0 ? QStringLiteral("+%1").arg(QString::number(value, 'g', 3))
                     : QString::number(value, 'g', 3);
}

std::vector<FigureDifference> figures_of(Store& store, const Snapshot& s, const Run& a, const Run& b) {
  switch (a.kind) {
    case RunKind::replay:
      return compare_runs(store, s.replay(a), store, s.replay(b));
    case RunKind::eval:
      return differences(s.eval(a), s.eval(b));
    case RunKind::task:
      return differences(s.task(a), s.task(b));
    case RunKind::plan:
      return differences(s.plan(a), s.plan(b));
    case RunKind::serving:
      return differences(s.serving(a), s.serving(b));
    default:
      return {};
  }
}

}  // namespace

std::optional<double> ComparedFigure::relative() const {
  if (difference.a == 0.0) return std::nullopt;
  return difference.difference() / std::abs(difference.a);
}

std::optional<Interval> ComparedFigure::relative_interval() const {
  if (difference.a == 0.0 || !difference.interval) return std::nullopt;
  const double size = std::abs(difference.a);
  return Interval{difference.interval->low / size, difference.interval->high / size};
}

ComparedFigures compare_two_runs(Store& store, const Snapshot& snapshot, const RunRef& a, const RunRef& b) {
  ComparedFigures out;
  const Run* first = snapshot.find(a);
  const Run* second = snapshot.find(b);
  if (first == nullptr || second == nullptr) return out;
  if (first->kind != second->kind) {
    out.summary = QStringLiteral("A %1 and a %2 have no figures in common: select two runs of one kind.")
                      .arg(QLatin1String(to_string(first->kind)), QLatin1String(to_string(second->kind)));
    return out;
  }
  for (const FigureDifference& figure : figures_of(store, snapshot, *first, *second))
    out.figures.push_back({{}, QString::fromStdString(snapshot.policy(*first)), a, b, figure});
  out.summary = QStringLiteral("A: run %1, %2\nB: run %3, %4")
                    .arg(a.id)
                    .arg(policy_text(snapshot.policy(*first)))
                    .arg(b.id)
                    .arg(policy_text(snapshot.policy(*second)));
  if (out.figures.empty()) {
    out.summary = QStringLiteral("Explanations are compared in the token map, side by side.");
    return out;
  }
  if (first->subject >= 0 && first->subject != second->subject) {
    out.summary += QStringLiteral("\nThey were not measured on the same: %1 | %2")
                       .arg(snapshot.subjects[static_cast<size_t>(first->subject)],
                            snapshot.subjects[static_cast<size_t>(second->subject)]);
  }
  return out;
}

ComparedFigures compare_databases(const std::filesystem::path& a, const std::filesystem::path& b) {
  Store of_a = Store::open_read_only(a);
  Store of_b = Store::open_read_only(b);
  const Comparison comparison = compare_stores(of_a, all_runs(of_a), of_b, all_runs(of_b));
  ComparedFigures out;
  out.summary = QStringLiteral("%1 pairs of runs: %2 changed; %3 only in A, %4 only in B")
                    .arg(comparison.pairs())
                    .arg(comparison.changes())
                    .arg(comparison.only_a())
                    .arg(comparison.only_b());
  for (const bool changed : {true, false}) {
    for (const ComparedRun& run : comparison.runs) {
      if (!run.paired() || run.changed() != changed) continue;
      const std::string_view section = run.section;
      const bool on_device = section == "serving" || section == "plans";
      const bool has_runs = section != "rates";  // a search is no run
      for (const FigureDifference& figure : run.figures) {
        ComparedFigure& row = out.figures.emplace_back();
        row.subject =
            QStringLiteral("%1: %2").arg(QLatin1String(run.section), QString::fromStdString(run.subject));
        row.policy = QString::fromStdString(run.policy);
        if (has_runs) row.a_run = RunRef{on_device, run.a_run};
        if (has_runs) row.b_run = RunRef{on_device, run.b_run};
        row.difference = figure;
      }
    }
  }
  return out;
}

void ComparisonModel::setFigures(std::vector<ComparedFigure> figures) {
  beginResetModel();
  figures_ = std::move(figures);
  endResetModel();
}

int ComparisonModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(figures_.size());
}

int ComparisonModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : columnNumber;
}

QVariant ComparisonModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const ComparedFigure& figure = figures_[static_cast<size_t>(index.row())];
  const FigureDifference& difference = figure.difference;
  if (role == Qt::TextAlignmentRole) {
    const bool is_number = index.column() >= aColumn && index.column() <= relativeColumn;
    return QVariant((is_number ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
  }
  if (role == Qt::ToolTipRole && index.column() == policyColumn) return figure.policy;
  if (role != Qt::DisplayRole && role != Qt::ToolTipRole) return {};
  switch (index.column()) {
    case subjectColumn:
      return figure.subject;
    case policyColumn:
      return policy_text(figure.policy.toStdString());
    case figureColumn:
      return QString::fromUtf8(difference.figure);
    case aColumn:
      return number(difference.a);
    case bColumn:
      return number(difference.b);
    case differenceColumn:
      return signed_number(difference.difference());
    case relativeColumn:
      return figure.relative() ? QStringLiteral("%1").arg(signed_number(100.0 * *figure.relative()))
                               : QString();
    case intervalColumn:
      if (!difference.interval) return {};
      return QStringLiteral("[%1, %2]")
          .arg(signed_number(difference.interval->low), signed_number(difference.interval->high));
    case kindColumn:
      return QString::fromUtf8(to_string(difference.kind));
    default:
      return difference.changed() ? QStringLiteral("changed") : QString();
  }
}

QVariant ComparisonModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (section < 0) return {};
  if (role == Qt::ToolTipRole && section == kindColumn)
    return QStringLiteral(
        "unpaired: from both runs' own intervals; Newcombe: of two shares; paired heads: of "
        "the differences, query head by query head; exact: counted or simulated");
  if (role != Qt::DisplayRole) return {};
  if (orientation == Qt::Vertical) return section + 1;
  return section < columnNumber ? QVariant(QString::fromUtf8(titles[section])) : QVariant();
}

QString ComparisonModel::csv() const {
  QString out =
      QStringLiteral("subject,policy,figure,a_run,b_run,a,b,difference,low,high,interval,changed\n");
  for (const ComparedFigure& figure : figures_) {
    const FigureDifference& difference = figure.difference;
    const QStringList fields = {csv_field(figure.subject),
                                csv_field(figure.policy),
                                QString::fromUtf8(difference.figure),
                                figure.a_run ? QString::number(figure.a_run->id) : QString(),
                                figure.b_run ? QString::number(figure.b_run->id) : QString(),
                                full_precision(difference.a),
                                full_precision(difference.b),
                                full_precision(difference.difference()),
                                difference.interval ? full_precision(difference.interval->low) : QString(),
                                difference.interval ? full_precision(difference.interval->high) : QString(),
                                QString::fromUtf8(to_string(difference.kind)),
                                difference.changed() ? QStringLiteral("1") : QStringLiteral("0")};
    out += fields.join(u',') + u'\n';
  }
  return out;
}

}  // namespace razorscope::gui
