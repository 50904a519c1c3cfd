#include "gui/views/sweep_view.hpp"

#include <QComboBox>
#include <QFile>
#include <QFileDialog>
#include <QFileInfo>
#include <QFontDatabase>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPlainTextEdit>
#include <QProgressBar>
#include <QPushButton>
#include <QSplitter>
#include <QTableView>
#include <QVBoxLayout>

#include "experiments/runner/sweep_file.hpp"
#include "gui/data/format.hpp"
#include "gui/data/installation.hpp"
#include "gui/widgets/wrapped_label.hpp"
#include "models/base/user_directory.hpp"

namespace razorscope::gui {
namespace {

constexpr qint64 most_shown = 1 << 20;  // bytes of a sweep file

std::vector<CellRow> read_cells(const std::filesystem::path& db, const std::string& sweep) {
  return Store::open_read_only(db).sweep_cells(sweep);
}

}  // namespace

SweepView::SweepView(Explorer& explorer, QWidget* parent)
    : View(explorer, parent),
      files_(new QComboBox(this)),
      content_(new QPlainTextEdit(this)),
      start_(new QPushButton(tr("St&art"), this)),
      cancel_(new QPushButton(tr("&Cancel"), this)),
      resume_(new QPushButton(tr("&Resume"), this)),
      progress_(new QProgressBar(this)),
      status_(new QLabel(this)),
      table_(new QTableView(this)),
      log_(new QPlainTextEdit(this)),
      model_(new SweepCellsModel(this)) {
  makeControls();
  connect(files_, &QComboBox::currentIndexChanged, this, &SweepView::showFile);
  connect(start_, &QPushButton::clicked, this, [this] { start(false); });
  connect(resume_, &QPushButton::clicked, this, [this] { start(true); });
  connect(cancel_, &QPushButton::clicked, this, [this] {
    status_->setText(tr("Stopping; what is finished stays …"));
    process_.cancel();
  });
  connect(&process_, &SweepProcess::logChanged, this, [this] {
    log_->setPlainText(process_.log());
    log_->moveCursor(QTextCursor::End);
  });
  connect(&process_, &SweepProcess::ended, this, &SweepView::finish);
  tick_.setInterval(500);
  connect(&tick_, &QTimer::timeout, this, &SweepView::look);
  for (const std::filesystem::path& sample : sample_sweeps())
    files_->addItem(QString::fromStdString(sample.stem().string()), QString::fromStdString(sample.string()));
  const int quick = files_->findText(QStringLiteral("quick"));
  files_->setCurrentIndex(std::max(0, quick));
  showFile();
  finish({});
}

SweepView::~SweepView() = default;

void SweepView::makeControls() {
  files_->setObjectName(QStringLiteral("sweepFile"));
  files_->setAccessibleName(tr("Sweep file"));
  start_->setObjectName(QStringLiteral("startSweep"));
  cancel_->setObjectName(QStringLiteral("cancelSweep"));
  resume_->setObjectName(QStringLiteral("resumeSweep"));
  start_->setToolTip(tr("Run what of this file is not done yet"));
  cancel_->setToolTip(tr("Stop; what is finished stays, and Resume goes on"));
  resume_->setToolTip(tr("Go on, and try again what failed"));
  auto* other = new QPushButton(tr("Other file…"), this);
  connect(other, &QPushButton::clicked, this, &SweepView::chooseFile);
  const QFont fixed = QFontDatabase::systemFont(QFontDatabase::FixedFont);
  for (QPlainTextEdit* text : {content_, log_}) {
    text->setReadOnly(true);
    text->setFont(fixed);
    text->setLineWrapMode(QPlainTextEdit::NoWrap);
  }
  content_->setAccessibleName(tr("The sweep file"));
  log_->setAccessibleName(tr("What the program said"));
  log_->setPlaceholderText(tr("What the program says appears here."));
  progress_->setAccessibleName(tr("Progress"));
  status_->setObjectName(QStringLiteral("sweepStatus"));
  wrap_words(*status_);
  status_->setAccessibleName(tr("How far it is"));
  status_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  table_->setModel(model_);
  table_->setAccessibleName(tr("Runs of the sweep, failures first"));
  table_->setWordWrap(false);
  table_->setAlternatingRowColors(true);
  table_->verticalHeader()->setDefaultSectionSize(fontMetrics().height() + 8);
  table_->horizontalHeader()->setStretchLastSection(true);
  const int width = fontMetrics().averageCharWidth();
  const int widths[] = {12, 14, 34, 44, 9};
  for (int column = 0; column < SweepCellsModel::messageColumn; ++column)
    table_->setColumnWidth(column, widths[column] * width);

  auto* tools = new QHBoxLayout;
  tools->addWidget(files_, 1);
  tools->addWidget(other);
  tools->addSpacing(12);
  tools->addWidget(start_);
  tools->addWidget(cancel_);
  tools->addWidget(resume_);
  auto* texts = new QSplitter(Qt::Horizontal, this);
  texts->addWidget(content_);
  texts->addWidget(log_);
  auto* parts = new QSplitter(Qt::Vertical, this);
  parts->addWidget(texts);
  parts->addWidget(table_);
  parts->setSizes({220, 340});
  auto* layout = new QVBoxLayout(this);
  layout->addLayout(tools);
  layout->addWidget(progress_);
  layout->addWidget(status_);
  layout->addWidget(parts, 1);
}

std::filesystem::path SweepView::file() const { return files_->currentData().toString().toStdString(); }

void SweepView::chooseFile() {
  const QString path = QFileDialog::getOpenFileName(this, tr("Choose a sweep file"), QString(),
                                                    tr("Sweep files (*.toml);;All files (*)"));
  if (path.isEmpty()) return;
  if (files_->findData(path) < 0) files_->addItem(path, path);
  files_->setCurrentIndex(files_->findData(path));
}

void SweepView::showFile() {
  QFile text(files_->currentData().toString());
  if (!text.open(QIODevice::ReadOnly)) {
    content_->setPlainText(files_->count() == 0
                               ? tr("Choose a sweep file; samples are in experiments/configs of the sources.")
                               : text.errorString());
  } else {
    content_->setPlainText(QString::fromUtf8(text.read(most_shown)));
  }
  name_ = sweep_name(file());
  look();
}

void SweepView::start(bool again) {
  const QString open = explorer().path();
  runFile(file(), open.isEmpty() ? usual_database() : std::filesystem::path(open.toStdString()), again);
}

void SweepView::runSample() {
  const int quick = files_->findText(QStringLiteral("quick"));
  if (quick < 0) {
    problem_ =
        tr("The sample sweeps are not beside this program: they are in experiments/configs of the sources.");
    showProgress();
    return;
  }
  files_->setCurrentIndex(quick);
  runFile(file(), user_directory("XDG_DATA_HOME", ".local/share") / "sample.db", false);
}

void SweepView::runFile(const std::filesystem::path& file, const std::filesystem::path& db, bool again) {
  if (process_.isRunning()) return;
  db_ = db;
  opened_ = false;
  problem_.clear();
  done_before_ = -1.0;
  start_->setEnabled(false);
  resume_->setEnabled(false);
  cancel_->setEnabled(true);
  status_->setText(tr("Starting: estimating what it takes …"));
  progress_->setRange(0, 0);
  tick_.start();
  process_.start(file, db, again);
}

void SweepView::look() {
  const std::filesystem::path open = explorer().path().toStdString();
  const std::filesystem::path db = process_.isRunning() ? db_ : open;
  std::error_code unknown;
  if (db.empty() || !std::filesystem::exists(db, unknown)) return showCells({});
  if (process_.isRunning()) openResults();
  look_again_ = worker_.isBusy();
  if (look_again_) return;
  worker_.run(
      this, [db, sweep = name_] { return read_cells(db, sweep); },
      [this](const std::vector<CellRow>& cells) {
        showCells(cells);
        if (look_again_) look();
      },
      [this](const QString&) {  // locked, for now
        if (look_again_) look();
      });
}

/// Shows in all views what the sweep writes, once there is something.
void SweepView::openResults() {
  std::error_code unknown;
  if (opened_ || !std::filesystem::exists(db_, unknown)) return;
  opened_ = true;
  const QString path = QString::fromStdString(db_.string());
  if (explorer().path() != path) explorer().open(path);
}

void SweepView::showCells(const std::vector<CellRow>& cells) {
  if (process_.isRunning() && done_before_ < 0.0 && !cells.empty()) done_before_ = seconds_done(cells);
  model_->setCells(cells);
  showProgress();
}

void SweepView::showProgress() {
  const std::vector<CellRow>& cells = model_->cells();
  const auto count = [&](CellState state) {
    return std::count_if(cells.begin(), cells.end(),
                         [&](const CellRow& cell) { return cell.state == state; });
  };
  const auto done = count(CellState::done);
  const auto failed = count(CellState::failed);
  if (cells.empty()) {
    progress_->setRange(0, process_.isRunning() ? 0 : 1);
    progress_->setValue(0);
    if (!process_.isRunning())
      status_->setText(!problem_.isEmpty()
                           ? problem_
                           : tr("Not run yet in this database. Start stores the results in %1.")
                                 .arg(explorer().path().isEmpty()
                                          ? QString::fromStdString(usual_database().string())
                                          : explorer().path()));
    return;
  }
  progress_->setRange(0, static_cast<int>(cells.size()));
  progress_->setValue(static_cast<int>(done + failed));
  QString text = tr("%1 of %2 runs done").arg(done).arg(cells.size());
  if (failed > 0) text += tr(", %1 failed").arg(failed);
  if (process_.isRunning()) {
    text += tr(", %1 running").arg(count(CellState::running));
    const auto left = seconds_left(cells, process_.seconds(), std::max(0.0, done_before_));
    if (left && done + failed < static_cast<qsizetype>(cells.size()))
      text += tr("; about %1 left").arg(duration_text(*left));
  } else if (done + failed < static_cast<qsizetype>(cells.size())) {
    text += tr("; Resume goes on");
  }
  if (!problem_.isEmpty()) text += u'\n' + problem_;
  status_->setText(text);
}

void SweepView::finish(const QString& problem) {
  tick_.stop();
  problem_ = problem;
  start_->setEnabled(!file().empty());
  resume_->setEnabled(!file().empty());
  cancel_->setEnabled(false);
  progress_->setRange(0, 1);
  progress_->setValue(0);
  if (!db_.empty()) openResults();
  look();
  showProgress();
}

QJsonObject SweepView::saveState() const {
  return {{QStringLiteral("file"), files_->currentData().toString()}};
}

void SweepView::restoreState(const QJsonObject& state) {
  const QString path = state[QLatin1String("file")].toString();
  if (path.isEmpty()) return;
  if (files_->findData(path) < 0 && QFileInfo::exists(path)) files_->addItem(path, path);
  const int index = files_->findData(path);
  if (index >= 0) files_->setCurrentIndex(index);
}

void SweepView::update(Changes changes) {
  if (changes & newSnapshot) look();
}

View* make_sweep_view(Explorer& explorer, QWidget* parent) { return new SweepView(explorer, parent); }

}  // namespace razorscope::gui
