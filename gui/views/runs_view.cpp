#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QHBoxLayout>
#include <QInputDialog>
#include <QJsonArray>
#include <QLabel>
#include <QMenu>
#include <QStackedWidget>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include "gui/data/run_table_model.hpp"
#include "gui/views/view.hpp"
#include "gui/widgets/bar_delegate.hpp"
#include "gui/widgets/bounds_dialog.hpp"
#include "gui/widgets/combo_choice.hpp"
#include "gui/widgets/runs_header.hpp"

namespace razorscope::gui {
namespace {

/// A row for each run, or for each group of runs, with the columns that the user wants.
class RunsView final : public View {
 public:
  RunsView(Explorer& explorer, QWidget* parent)
      : View(explorer, parent),
        model_(new RunTableModel(explorer, this)),
        table_(new QTableView(this)),
        header_(new RunsHeader(table_)),
        group_(new QComboBox(this)),
        count_(new QLabel(this)),
        empty_(new QLabel(this)),
        pages_(new QStackedWidget(this)) {
    setObjectName(QStringLiteral("runs"));
    makeTable();
    makeTools();
    connect(header_, &RunsHeader::orderAsked, this, &RunsView::order);
    connect(header_, &QWidget::customContextMenuRequested, this, &RunsView::showHeaderMenu);
    connect(table_, &QWidget::customContextMenuRequested, this, &RunsView::showRowMenu);
    connect(table_->selectionModel(), &QItemSelectionModel::selectionChanged, this, &RunsView::tellSelection);
    connect(table_, &QTableView::doubleClicked, this, &RunsView::lookInto);
  }

  QString csv() const override { return model_->asCsv(allRows(), shownColumns()); }

  QJsonObject saveState() const override {
    QJsonArray columns;
    for (const int column : shownColumns()) {
      columns.append(
          QJsonObject{{QStringLiteral("key"), QLatin1String(run_columns()[static_cast<size_t>(column)].key)},
                      {QStringLiteral("width"), header_->sectionSize(column)}});
    }
    QJsonArray sort;
    for (const SortKey& key : model_->sortKeys()) {
      sort.append(QJsonObject{
          {QStringLiteral("key"), QLatin1String(run_columns()[static_cast<size_t>(key.column)].key)},
          {QStringLiteral("descending"), key.order == Qt::DescendingOrder}});
    }
    return {{QStringLiteral("columns"), columns},
            {QStringLiteral("sort"), sort},
            {QStringLiteral("group"), group_->currentData().toString()}};
  }

  void restoreState(const QJsonObject& state) override {
    const QJsonArray columns = state[QLatin1String("columns")].toArray();
    if (!columns.isEmpty()) {
      for (int column = 0; column < model_->columnCount(); ++column) header_->hideSection(column);
      int place = 0;
      for (const QJsonValue& value : columns) {
        const QJsonObject entry = value.toObject();
        const int column = run_column(entry[QLatin1String("key")].toString());
        if (column < 0) continue;
        header_->showSection(column);
        header_->moveSection(header_->visualIndex(column), place++);
        header_->resizeSection(column, std::clamp(entry[QLatin1String("width")].toInt(100), 30, 2000));
      }
    }
    std::vector<SortKey> sort;
    const QJsonArray order = state[QLatin1String("sort")].toArray();
    for (const QJsonValue& value : order) {
      const QJsonObject entry = value.toObject();
      sort.push_back(
          {run_column(entry[QLatin1String("key")].toString()),
           entry[QLatin1String("descending")].toBool() ? Qt::DescendingOrder : Qt::AscendingOrder});
    }
    model_->setSortKeys(sort);
    choose_data(*group_, state[QLatin1String("group")].toString());
    model_->setGroupColumn(run_column(group_->currentData().toString()));
  }

 protected:
  void showEvent(QShowEvent* event) override {
    model_->setLive(true);
    View::showEvent(event);
  }
  void hideEvent(QHideEvent* event) override {
    View::hideEvent(event);
    model_->setLive(false);
  }
  void update(Changes changes) override {
    if (changes & (newSnapshot | newFilter)) {
      const int runs = static_cast<int>(explorer().visibleRuns().size());
      const auto stored = explorer().snapshot();
      count_->setText(stored ? tr("%L1 of %L2 runs").arg(runs).arg(stored->runs.size()) : QString());
      empty_->setText(!stored                ? tr("No database is open.")
                      : stored->runs.empty() ? tr("This database holds no runs yet.")
                                             : tr("The filter leaves no run."));
      pages_->setCurrentIndex(runs == 0 ? 1 : 0);
      told_.clear();
    }
    showSelection();
  }

 private:
  void makeTable() {
    table_->setObjectName(QStringLiteral("runsTable"));
    table_->setAccessibleName(tr("Runs"));
    table_->setModel(model_);
    table_->setHorizontalHeader(header_);
    table_->setItemDelegate(new BarDelegate(RunTableModel::barRole, table_));
    table_->setSelectionBehavior(QAbstractItemView::SelectRows);
    table_->setSelectionMode(QAbstractItemView::ExtendedSelection);
    table_->setAlternatingRowColors(true);
    table_->setWordWrap(false);
    table_->setContextMenuPolicy(Qt::CustomContextMenu);
    table_->verticalHeader()->setDefaultSectionSize(fontMetrics().height() + 8);
    table_->verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    header_->setContextMenuPolicy(Qt::CustomContextMenu);
    for (int column = 0; column < model_->columnCount(); ++column) {
      const RunColumn& declared = run_columns()[static_cast<size_t>(column)];
      header_->setSectionHidden(column, !declared.shown);
      header_->resizeSection(column, widthOf(declared));
    }
    addAction(makeCopy(tr("Copy as TSV"), QKeySequence::Copy, &RunTableModel::asTsv));
    addAction(makeCopy(tr("Copy as Markdown"), QKeySequence(tr("Ctrl+Shift+C")), &RunTableModel::asMarkdown));
  }

  int widthOf(const RunColumn& column) const {
    const int heading = fontMetrics().horizontalAdvance(column.heading() + QStringLiteral(" ▲1")) + 20;
    const bool is_policy = QLatin1String(column.key) == QLatin1String("label");
    const int names = fontMetrics().averageCharWidth() * (is_policy ? 42 : 18);
    return column.is_number() ? std::max(heading, 80) : std::max(heading, names);
  }

  void makeTools() {
    group_->addItem(tr("a row each run"), QString());
    for (const RunColumn& column : run_columns()) {
      if (!column.is_number() || QLatin1String(column.key) == QLatin1String("prefix"))
        group_->addItem(tr("grouped by %1").arg(QString::fromUtf8(column.title).toLower()),
                        QLatin1String(column.key));
    }
    group_->setAccessibleName(tr("Group runs by"));
    connect(group_, &QComboBox::activated, this, [this] {
      model_->setGroupColumn(run_column(group_->currentData().toString()));
      showAgain();
    });
    auto* columns = new QToolButton(this);
    columns->setText(tr("Columns"));
    columns->setAccessibleName(tr("Choose columns"));
    columns->setPopupMode(QToolButton::InstantPopup);
    columns->setMenu(new QMenu(columns));
    connect(columns->menu(), &QMenu::aboutToShow, this,
            [this, columns] { fillColumnMenu(*columns->menu()); });

    auto* tools = new QHBoxLayout;
    tools->addWidget(count_);
    tools->addStretch(1);
    tools->addWidget(group_);
    tools->addWidget(columns);
    empty_->setAlignment(Qt::AlignCenter);
    pages_->addWidget(table_);
    pages_->addWidget(empty_);
    auto* layout = new QVBoxLayout(this);
    layout->addLayout(tools);
    layout->addWidget(pages_, 1);
  }

  QAction* makeCopy(const QString& text, const QKeySequence& key,
                    QString (RunTableModel::*write)(const std::vector<int>&, const std::vector<int>&) const) {
    auto* action = new QAction(text, this);
    action->setShortcut(key);
    action->setShortcutContext(Qt::WidgetWithChildrenShortcut);
    connect(action, &QAction::triggered, this, [this, write] {
      std::vector<int> rows = selectedRows();
      if (rows.empty()) rows = allRows();
      QApplication::clipboard()->setText((model_->*write)(rows, shownColumns()));
    });
    return action;
  }

  std::vector<int> allRows() const {
    std::vector<int> rows(static_cast<size_t>(model_->rowCount()));
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int>(i);
    return rows;
  }

  std::vector<int> selectedRows() const {
    std::vector<int> rows;
    for (const QModelIndex& index : table_->selectionModel()->selectedRows()) rows.push_back(index.row());
    std::sort(rows.begin(), rows.end());
    return rows;
  }

  /// In the order in which they stand.
  std::vector<int> shownColumns() const {
    std::vector<int> columns;
    for (int place = 0; place < header_->count(); ++place) {
      const int column = header_->logicalIndex(place);
      if (!header_->isSectionHidden(column)) columns.push_back(column);
    }
    return columns;
  }

  void order(int column, bool adds) {
    std::vector<SortKey> keys = model_->sortKeys();
    const auto found =
        std::find_if(keys.begin(), keys.end(), [&](const SortKey& key) { return key.column == column; });
    SortKey key{column, Qt::AscendingOrder};
    if (found != keys.end() && found->order == Qt::AscendingOrder) key.order = Qt::DescendingOrder;
    if (!adds) {
      keys = {key};
    } else if (found != keys.end()) {
      *found = key;
    } else {
      keys.push_back(key);
    }
    model_->setSortKeys(keys);
    showAgain();
  }

  /// Rows have moved.
  void showAgain() {
    told_.clear();
    showSelection();
  }

  void fillColumnMenu(QMenu& menu) {
    menu.clear();
    menu.setToolTipsVisible(true);
    for (int column = 0; column < model_->columnCount(); ++column) {
      const RunColumn& declared = run_columns()[static_cast<size_t>(column)];
      QAction* action = menu.addAction(declared.heading());
      action->setToolTip(QString::fromUtf8(declared.help));
      action->setCheckable(true);
      action->setChecked(!header_->isSectionHidden(column));
      connect(action, &QAction::toggled, this,
              [this, column](bool on) { header_->setSectionHidden(column, !on); });
    }
  }

  void showHeaderMenu(const QPoint& position) {
    const int column = header_->logicalIndexAt(position);
    if (column < 0) return;
    QMenu menu(this);
    menu.addAction(tr("Filter by this column…"), this, [this, column] { filterBy(column); });
    menu.addAction(tr("Hide this column"), this, [this, column] { header_->hideSection(column); });
    fillColumnMenu(*menu.addMenu(tr("Columns")));
    menu.exec(header_->mapToGlobal(position));
  }

  void filterBy(int index) {
    const RunColumn& column = run_columns()[static_cast<size_t>(index)];
    const QString key = QString::fromUtf8(column.key);
    RunFilter filter = explorer().filter();
    if (column.is_number()) {
      const std::optional<FigureBounds> bounds = ask_bounds(column.heading(), filter.bounds[key], this);
      if (!bounds) return;
      filter.bounds[key] = *bounds;
      if (*bounds == FigureBounds()) filter.bounds.erase(key);
    } else {
      bool ok = false;
      const QString word = QInputDialog::getText(this, tr("Filter"), tr("%1 contains").arg(column.heading()),
                                                 QLineEdit::Normal, filter.words[key], &ok);
      if (!ok) return;
      filter.words[key] = word;
      if (word.isEmpty()) filter.words.erase(key);
    }
    explorer().setFilter(filter);
  }

  void showRowMenu(const QPoint& position) {
    QMenu menu(this);
    menu.addActions(actions());
    menu.exec(table_->viewport()->mapToGlobal(position));
  }

  /// A group becomes the filter.
  void lookInto(const QModelIndex& index) {
    if (model_->groupColumn() < 0) return;
    const RunColumn& column = run_columns()[static_cast<size_t>(model_->groupColumn())];
    const std::vector<RunRef> runs = model_->runsOfRow(index.row());
    const auto stored = explorer().snapshot();
    const Run* run = stored && !runs.empty() ? stored->find(runs.front()) : nullptr;
    if (run == nullptr) return;
    RunFilter filter = explorer().filter();
    const auto value = column.is_number() ? column.number(*stored, *run) : std::nullopt;
    if (value) {
      filter.bounds[QString::fromUtf8(column.key)] = {*value, *value};
    } else {
      filter.words[QString::fromUtf8(column.key)] = u'=' + column.cell(*stored, *run);
    }
    group_->setCurrentIndex(0);
    model_->setGroupColumn(-1);
    explorer().setFilter(filter);
  }

  void tellSelection() {
    if (showing_) return;
    std::vector<RunRef> runs;
    for (const int row : selectedRows()) {
      for (const RunRef& run : model_->runsOfRow(row)) runs.push_back(run);
    }
    // The row that has the focus is the current run.
    const QModelIndex current = table_->currentIndex();
    if (current.isValid() && model_->groupColumn() < 0) {
      const RunRef last = model_->runsOfRow(current.row()).front();
      const auto found = std::find(runs.begin(), runs.end(), last);
      if (found != runs.end()) std::rotate(found, found + 1, runs.end());
    }
    told_ = runs;
    explorer().select(std::move(runs));
  }

  void showSelection() {
    if (explorer().selection() == told_) return;
    showing_ = true;
    std::vector<int> rows;
    for (const RunRef& run : explorer().selection()) {
      const int row = model_->rowOf(run);
      if (row >= 0) rows.push_back(row);
    }
    const int last = rows.empty() ? -1 : rows.back();
    std::sort(rows.begin(), rows.end());
    QItemSelection ranges;
    for (size_t begin = 0; begin < rows.size();) {
      size_t end = begin + 1;
      while (end < rows.size() && rows[end] <= rows[end - 1] + 1) ++end;
      ranges.append({model_->index(rows[begin], 0), model_->index(rows[end - 1], model_->columnCount() - 1)});
      begin = end;
    }
    table_->selectionModel()->select(ranges, QItemSelectionModel::ClearAndSelect);
    // A refresh does not take the table away from where one reads.
    if (last >= 0 && explorer().selection() != scrolled_to_)
      table_->scrollTo(model_->index(last, header_->logicalIndexAt(0)));
    scrolled_to_ = explorer().selection();
    told_ = explorer().selection();
    showing_ = false;
  }

  RunTableModel* model_;
  QTableView* table_;
  RunsHeader* header_;
  QComboBox* group_;
  QLabel* count_;
  QLabel* empty_;
  QStackedWidget* pages_;
  std::vector<RunRef> scrolled_to_;
  std::vector<RunRef> told_;  // what the table's own selection stands for
  bool showing_ = false;      // what was selected elsewhere, which is no news for others
};

}  // namespace

View* make_runs_view(Explorer& explorer, QWidget* parent) { return new RunsView(explorer, parent); }

}  // namespace razorscope::gui
