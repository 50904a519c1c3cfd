#include <QAction>
#include <QComboBox>
#include <QFontDatabase>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QInputDialog>
#include <QJsonArray>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSplitter>
#include <QTableView>
#include <QTreeWidget>
#include <QVBoxLayout>

#include "experiments/store/questions.hpp"
#include "gui/data/sql_answer.hpp"
#include "gui/views/view.hpp"
#include "gui/widgets/wrapped_label.hpp"

namespace razorscope::gui {
namespace {

constexpr size_t most_rows = 100'000;

/// Statements that read the database: the usual questions, those that the user keeps, and new ones.
class SqlView final : public View {
 public:
  SqlView(Explorer& explorer, QWidget* parent)
      : View(explorer, parent),
        questions_(new QComboBox(this)),
        editor_(new QPlainTextEdit(this)),
        settings_(new QLineEdit(this)),
        run_(new QPushButton(tr("Run"), this)),
        stop_(new QPushButton(tr("Stop"), this)),
        forget_(new QPushButton(tr("Forget"), this)),
        status_(new QLabel(this)),
        table_(new QTableView(this)),
        tree_(new QTreeWidget(this)),
        model_(new SqlAnswerModel(this)) {
    makeEditor();
    makeTable();
    arrangeAll();
    fillQuestions();
    connect(questions_, &QComboBox::activated, this, &SqlView::takeQuestion);
    connect(run_, &QPushButton::clicked, this, &SqlView::runStatement);
    connect(stop_, &QPushButton::clicked, this, [this] { *stopped_ = true; });
    connect(&worker_, &Worker::busyChanged, stop_, &QWidget::setEnabled);
    connect(table_, &QTableView::clicked, this, [this](const QModelIndex& index) {
      const std::optional<RunRef> run = model_->runOf(index.row());
      const auto stored = this->explorer().snapshot();
      if (run && stored && stored->find(*run) != nullptr) this->explorer().selectOnly(*run);
    });
    connect(tree_, &QTreeWidget::itemDoubleClicked, this,
            [this](QTreeWidgetItem* item) { editor_->insertPlainText(item->text(0)); });
    takeQuestion(0);
  }
  ~SqlView() override { *stopped_ = true; }

  QString csv() const override { return model_->csv(); }
  bool isBusy() const override { return View::isBusy() || worker_.isBusy(); }

  QJsonObject saveState() const override {
    QJsonArray kept;
    for (const Question& question : kept_) {
      kept.append(QJsonObject{{QStringLiteral("name"), QString::fromStdString(question.name)},
                              {QStringLiteral("sql"), QString::fromStdString(question.sql)},
                              {QStringLiteral("settings"), settingsText(question.settings)}});
    }
    return {{QStringLiteral("sql"), editor_->toPlainText()},
            {QStringLiteral("settings"), settings_->text()},
            {QStringLiteral("kept"), kept}};
  }

  void restoreState(const QJsonObject& state) override {
    kept_.clear();
    const QJsonArray kept = state[QLatin1String("kept")].toArray();
    for (const QJsonValue& value : kept) {
      const QJsonObject entry = value.toObject();
      Question question;
      question.name = entry[QLatin1String("name")].toString().toStdString();
      question.sql = entry[QLatin1String("sql")].toString().toStdString();
      try {
        question.settings = settingsOf(entry[QLatin1String("settings")].toString());
      } catch (const std::exception&) {  // of another program: they are typed anew
      }
      if (!question.name.empty() && !question.sql.empty()) kept_.push_back(question);
    }
    fillQuestions();
    const QString sql = state[QLatin1String("sql")].toString();
    if (!sql.isEmpty()) {
      editor_->setPlainText(sql);
      settings_->setText(state[QLatin1String("settings")].toString());
      if (isVisible()) runStatement();
    }
  }

  QString nothingToExport() const override { return model_->columnCount() > 0 ? QString() : status_->text(); }

 protected:
  void update(Changes changes) override {
    const auto stored = explorer().snapshot();
    run_->setEnabled(stored != nullptr);
    if (!stored) {
      *stopped_ = true;
      stopped_ = std::make_shared<std::atomic<bool>>(false);
      model_->setAnswer(nullptr);
      status_->setText(tr("No database is open."));
    } else if (changes & newSnapshot) {
      // What one is typing is asked when one asks for it; what takes longer than a refresh is left to end.
      if (asked_.isEmpty()) {
        runStatement();
      } else if (!worker_.isBusy()) {
        ask(asked_, asked_settings_);
      }
    }
  }

 private:
  void makeEditor() {
    questions_->setObjectName(QStringLiteral("questions"));
    questions_->setAccessibleName(tr("Questions"));
    questions_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    editor_->setObjectName(QStringLiteral("sql"));
    editor_->setAccessibleName(tr("SQL statement"));
    editor_->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    editor_->setLineWrapMode(QPlainTextEdit::NoWrap);
    editor_->setTabChangesFocus(true);
    settings_->setAccessibleName(tr("Values of the statement's parameters"));
    settings_->setPlaceholderText(tr("values of :parameters, such as share=0.3; policy=razor%"));
    settings_->setClearButtonEnabled(true);
    run_->setToolTip(tr("Ask the database (Ctrl+Return); it can only be read"));
    stop_->setEnabled(false);
    auto* ask = new QAction(tr("Run"), this);
    ask->setShortcuts(
        {QKeySequence(QStringLiteral("Ctrl+Return")), QKeySequence(QStringLiteral("Ctrl+Enter"))});
    ask->setShortcutContext(Qt::WidgetWithChildrenShortcut);
    connect(ask, &QAction::triggered, this, &SqlView::runStatement);
    addAction(ask);
    connect(settings_, &QLineEdit::returnPressed, this, &SqlView::runStatement);
  }

  void makeTable() {
    table_->setModel(model_);
    table_->setAccessibleName(tr("Answer"));
    table_->setSortingEnabled(true);
    table_->horizontalHeader()->setSortIndicator(-1, Qt::AscendingOrder);
    table_->setAlternatingRowColors(true);
    table_->setWordWrap(false);
    table_->verticalHeader()->setDefaultSectionSize(fontMetrics().height() + 8);
    table_->horizontalHeader()->setResizeContentsPrecision(100);
    tree_->setHeaderLabel(tr("Views and tables"));
    tree_->setAccessibleName(tr("Views and tables"));
    tree_->setToolTip(tr("A double click inserts the name"));
    for (const SqlTable& table : schema_tables()) {
      auto* item = new QTreeWidgetItem(tree_, {QString::fromStdString(table.name)});
      QFont font = item->font(0);
      font.setBold(table.is_view);
      item->setFont(0, font);
      for (const std::string& column : table.columns)
        new QTreeWidgetItem(item, {QString::fromStdString(column)});
    }
    wrap_words(*status_);
    status_->setAccessibleName(tr("What came of it"));
    status_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    status_->setObjectName(QStringLiteral("sqlStatus"));
  }

  void arrangeAll() {
    auto* keep = new QPushButton(tr("Keep…"), this);
    keep->setToolTip(tr("Keep this statement under a name"));
    connect(keep, &QPushButton::clicked, this, &SqlView::keepStatement);
    auto* first = new QHBoxLayout;
    first->addWidget(questions_, 1);
    forget_->setToolTip(tr("Forget the statement that was kept"));
    forget_->setEnabled(false);
    connect(forget_, &QPushButton::clicked, this, &SqlView::forgetStatement);
    first->addWidget(keep);
    first->addWidget(forget_);
    auto* second = new QHBoxLayout;
    second->addWidget(settings_, 1);
    second->addWidget(run_);
    second->addWidget(stop_);
    auto* top = new QWidget(this);
    auto* top_layout = new QVBoxLayout(top);
    top_layout->setContentsMargins(0, 0, 0, 0);
    top_layout->addLayout(first);
    top_layout->addWidget(editor_, 1);
    top_layout->addLayout(second);
    auto* bottom = new QWidget(this);
    auto* bottom_layout = new QVBoxLayout(bottom);
    bottom_layout->setContentsMargins(0, 0, 0, 0);
    bottom_layout->addWidget(status_);
    bottom_layout->addWidget(table_, 1);
    auto* rows = new QSplitter(Qt::Vertical, this);
    rows->addWidget(top);
    rows->addWidget(bottom);
    rows->setStretchFactor(1, 2);
    auto* columns = new QSplitter(Qt::Horizontal, this);
    columns->addWidget(tree_);
    columns->addWidget(rows);
    columns->setStretchFactor(1, 1);
    columns->setSizes({180, 700});
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(columns);
  }

  const Question& question(int index) const {
    const auto at = static_cast<size_t>(index);
    return at < kept_.size() ? kept_[at] : usual_questions()[at - kept_.size()];
  }

  void fillQuestions() {
    questions_->clear();
    for (const Question& question : kept_) questions_->addItem(QString::fromStdString(question.name));
    for (const Question& question : usual_questions())
      questions_->addItem(QStringLiteral("%1: %2").arg(QString::fromStdString(question.name),
                                                       QString::fromStdString(question.question)));
  }

  void takeQuestion(int index) {
    const Question& taken = question(index);
    editor_->setPlainText(QString::fromStdString(taken.sql));
    settings_->setText(settingsText(taken.settings));
    forget_->setEnabled(static_cast<size_t>(index) < kept_.size());
    if (isVisible()) runStatement();
  }

  static QString settingsText(const SqlReader::Settings& settings) {
    QStringList words;
    for (const auto& [name, value] : settings)
      words += QStringLiteral("%1=%2").arg(QString::fromStdString(name), QString::fromStdString(value));
    return words.join(QStringLiteral("; "));
  }

  void forgetStatement() {
    const auto index = static_cast<size_t>(questions_->currentIndex());
    if (index >= kept_.size()) return;
    kept_.erase(kept_.begin() + static_cast<ptrdiff_t>(index));
    fillQuestions();
    forget_->setEnabled(false);
  }

  void keepStatement() {
    const QString name = QInputDialog::getText(this, tr("Keep this statement"), tr("Name"));
    if (name.isEmpty()) return;
    Question kept;
    kept.name = name.toStdString();
    kept.sql = editor_->toPlainText().toStdString();
    try {
      kept.settings = settingsOf(settings_->text());
    } catch (const std::exception& problem) {
      status_->setText(QString::fromUtf8(problem.what()));
      return;
    }
    std::erase_if(kept_, [&](const Question& other) { return other.name == kept.name; });
    kept_.insert(kept_.begin(), kept);
    fillQuestions();
  }

  void runStatement() {
    SqlReader::Settings settings;
    try {
      settings = settingsOf(settings_->text());
    } catch (const std::exception& problem) {
      model_->setAnswer(nullptr);
      status_->setText(QString::fromUtf8(problem.what()));
      return;
    }
    ask(editor_->toPlainText(), settings);
  }

  static SqlReader::Settings settingsOf(const QString& text) {
    SqlReader::Settings settings;
    for (const QString& word : text.split(u';', Qt::SkipEmptyParts))
      add_setting("parameters", word.trimmed().toStdString(), settings);
    return settings;
  }

  void ask(const QString& sql, const SqlReader::Settings& settings) {
    const auto stored = explorer().snapshot();
    if (!stored) return;
    asked_ = sql;
    asked_settings_ = settings;
    *stopped_ = true;  // what still runs
    stopped_ = std::make_shared<std::atomic<bool>>(false);
    status_->setText(tr("Asking …"));
    worker_.run(
        this,
        [path = stored->path, text = sql.toStdString(), settings, stop = stopped_] {
          return std::make_shared<const SqlAnswer>(ask_sql(path, text, settings, most_rows, *stop));
        },
        [this, stop = stopped_](const std::shared_ptr<const SqlAnswer>& answer) {
          if (stop == stopped_) showAnswer(answer);
        },
        [this, stop = stopped_](const QString& problem) {
          if (stop != stopped_) return;
          model_->setAnswer(nullptr);
          status_->setText(*stop ? tr("Stopped.") : problem);
        });
  }

  void showAnswer(const std::shared_ptr<const SqlAnswer>& answer) {
    model_->setAnswer(answer);
    table_->horizontalHeader()->setSortIndicator(-1, Qt::AscendingOrder);
    table_->resizeColumnsToContents();
    for (int column = 0; column < model_->columnCount(); ++column)
      table_->setColumnWidth(column, std::min(table_->columnWidth(column), 360));
    QString text = tr("%L1 rows in %2 s").arg(answer->rows.size()).arg(answer->seconds, 0, 'f', 2);
    if (answer->is_cut) text += tr(" (there are more: only the first are shown)");
    if (answer->rows.empty())
      text = tr("No row answers this. Change the parameters, or see whether the view has rows at all.");
    status_->setText(text);
  }

  QComboBox* questions_;
  QPlainTextEdit* editor_;
  QLineEdit* settings_;
  QPushButton* run_;
  QPushButton* stop_;
  QPushButton* forget_;
  QLabel* status_;
  QTableView* table_;
  QTreeWidget* tree_;
  SqlAnswerModel* model_;
  std::vector<Question> kept_;
  QString asked_;  // the latest statement that was run, and its parameters
  SqlReader::Settings asked_settings_;
  std::shared_ptr<std::atomic<bool>> stopped_ = std::make_shared<std::atomic<bool>>(false);
  Worker worker_;  // of its own: a statement may take long
};

}  // namespace

View* make_sql_view(Explorer& explorer, QWidget* parent) { return new SqlView(explorer, parent); }

}  // namespace razorscope::gui
