#include "gui/window/main_window.hpp"

#include <QAction>
#include <QActionGroup>
#include <QApplication>
#include <QCloseEvent>
#include <QDockWidget>
#include <QDragEnterEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QInputDialog>
#include <QKeyEvent>
#include <QLabel>
#include <QMenuBar>
#include <QMessageBox>
#include <QMimeData>
#include <QShortcut>
#include <QStackedWidget>
#include <QStatusBar>
#include <QTabWidget>
#include <QVBoxLayout>

#include "gui/views/sweep_view.hpp"
#include "gui/widgets/theme.hpp"
#include "gui/widgets/wrapped_label.hpp"
#include "gui/window/details_panel.hpp"
#include "gui/window/facet_panel.hpp"
#include "gui/window/filter_bar.hpp"
#include "gui/window/key_list.hpp"
#include "gui/window/trial_panel.hpp"
#include "gui/window/welcome_page.hpp"
#include "models/base/error.hpp"

namespace razorscope::gui {

MainWindow::MainWindow(QWidget* parent)
    : QMainWindow(parent),
      pages_(new QStackedWidget(this)),
      welcome_(new WelcomePage(this)),
      tabs_(new QTabWidget(this)),
      filter_bar_(new FilterBar(explorer_, this)),
      notice_(new QLabel(this)) {
  setObjectName(QStringLiteral("mainWindow"));
  setWindowTitle(QStringLiteral("Razorscope"));
  setAcceptDrops(true);
  resize(1280, 820);
  notice_->setObjectName(QStringLiteral("notice"));
  wrap_words(*notice_);
  notice_->setMargin(6);
  notice_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  notice_->hide();
  auto* work = new QWidget(this);
  auto* layout = new QVBoxLayout(work);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(0);
  layout->addWidget(notice_);
  layout->addWidget(filter_bar_);
  layout->addWidget(tabs_, 1);
  pages_->addWidget(welcome_);
  pages_->addWidget(work);
  setCentralWidget(pages_);
  makeViews();
  makeDocks();
  makeMenus();

  connect(welcome_, &WelcomePage::openAsked, this, &MainWindow::openInteractively);
  connect(welcome_, &WelcomePage::updateAsked, &explorer_, &Explorer::bringUpToDate);
  connect(welcome_, &WelcomePage::sampleAsked, this, &MainWindow::runSample);
  connect(welcome_, &WelcomePage::fileAsked, this, &MainWindow::openFile);
  connect(&explorer_, &Explorer::stateChanged, this, &MainWindow::showState);
  qApp->installEventFilter(this);
  // With or without the Shift that types it, as keyboards and platforms have it.
  auto* help = new QShortcut(this);
  help->setKeys({QKeySequence(QStringLiteral("?")), QKeySequence(Qt::SHIFT | Qt::Key_Question)});
  connect(help, &QShortcut::activated, this, &MainWindow::showKeys);
  connect(help, &QShortcut::activatedAmbiguously, this, &MainWindow::showKeys);
  showState();
}

MainWindow::~MainWindow() = default;

void MainWindow::makeViews() {
  tabs_->setDocumentMode(true);
  tabs_->setAccessibleName(tr("Views"));
  for (const ViewEntry& entry : view_catalogue()) {
    View* view = entry.make(explorer_, tabs_);
    view->setObjectName(QString::fromUtf8(entry.key));
    views_.push_back(view);
    tabs_->addTab(view, QString::fromUtf8(entry.title));
    tabs_->setTabToolTip(
        tabs_->count() - 1,
        QStringLiteral("%1 (Ctrl+%2)").arg(QString::fromUtf8(entry.help)).arg(tabs_->count()));
  }
}

void MainWindow::makeDocks() {
  const auto dock = [this](const QString& title, const char* name, QWidget* content,
                           Qt::DockWidgetArea area) {
    auto* widget = new QDockWidget(title, this);
    widget->setObjectName(QLatin1String(name));
    widget->setWidget(content);
    addDockWidget(area, widget);
    return widget;
  };
  QDockWidget* facets =
      dock(tr("Filter"), "facetDock", new FacetPanel(explorer_, this), Qt::LeftDockWidgetArea);
  QDockWidget* details =
      dock(tr("Run"), "detailsDock", new DetailsPanel(explorer_, this), Qt::RightDockWidgetArea);
  QDockWidget* trial =
      dock(tr("Try it"), "trialDock", new TrialPanel(explorer_, this), Qt::RightDockWidgetArea);
  tabifyDockWidget(details, trial);
  details->raise();
  resizeDocks({facets, details}, {230, 280}, Qt::Horizontal);
}

void MainWindow::makeMenus() {
  QMenu* file = menuBar()->addMenu(tr("&File"));
  file->addAction(tr("&Open…"), QKeySequence::Open, this, &MainWindow::openInteractively);
  QMenu* recent = file->addMenu(tr("Open &recent"));
  connect(recent, &QMenu::aboutToShow, this, [this, recent] { fillRecentMenu(*recent); });
  file->addAction(tr("Run the &sample"), this, &MainWindow::runSample);
  file->addAction(tr("&Close"), QKeySequence(QStringLiteral("Ctrl+W")), &explorer_, &Explorer::close);
  file->addSeparator();
  file->addAction(tr("&Export what is shown…"), QKeySequence(QStringLiteral("Ctrl+E")), this,
                  &MainWindow::exportCurrent);
  file->addSeparator();
  file->addAction(tr("&Quit"), QKeySequence(QStringLiteral("Ctrl+Q")), this, &QWidget::close);

  QMenu* filter = menuBar()->addMenu(tr("F&ilter"));
  filter->addAction(tr("&Search"), QKeySequence(QStringLiteral("Ctrl+F")), filter_bar_,
                    &FilterBar::focusSearch);
  filter->addAction(tr("&Undo"), QKeySequence(QStringLiteral("Ctrl+Z")), &explorer_, &Explorer::undoFilter);
  filter->addAction(tr("&Redo"), QKeySequence(QStringLiteral("Ctrl+Shift+Z")), &explorer_,
                    &Explorer::redoFilter);
  filter->addAction(tr("&Clear"), this, [this] { explorer_.setFilter({}); });

  QMenu* view = menuBar()->addMenu(tr("&View"));
  for (int i = 0; i < tabs_->count(); ++i) {
    view->addAction(tabs_->tabText(i), QKeySequence(QStringLiteral("Ctrl+%1").arg(i + 1)), this,
                    [this, i] { tabs_->setCurrentIndex(i); });
  }
  view->addSeparator();
  QMenu* saved = view->addMenu(tr("&Saved views"));
  connect(saved, &QMenu::aboutToShow, this, [this, saved] { fillSavedMenu(*saved); });
  view->addAction(tr("Save this &view…"), QKeySequence::Save, this, &MainWindow::saveViewAs);
  view->addSeparator();
  view->addAction(tr("&Refresh"), QKeySequence(QStringLiteral("F5")), &explorer_, &Explorer::refresh);
  view->addAction(tr("&Full screen"), QKeySequence(QStringLiteral("F11")), this,
                  [this] { setWindowState(windowState() ^ Qt::WindowFullScreen); });
  QMenu* theme = view->addMenu(tr("&Colours"));
  auto* themes = new QActionGroup(this);
  const std::pair<QString, Session::Theme> choices[] = {{tr("As the desktop"), Session::Theme::system},
                                                        {tr("Light"), Session::Theme::light},
                                                        {tr("Dark"), Session::Theme::dark}};
  for (const auto& [name, choice] : choices) {
    QAction* action = theme->addAction(name, this, [this, choice = choice] { setTheme(choice); });
    action->setCheckable(true);
    action->setChecked(session_.theme() == choice);
    themes->addAction(action);
  }
  for (QDockWidget* dock : findChildren<QDockWidget*>()) view->addAction(dock->toggleViewAction());

  QMenu* help = menuBar()->addMenu(tr("&Help"));
  help->addAction(tr("&Keys"), QKeySequence(QStringLiteral("F1")), this, &MainWindow::showKeys);
  help->addAction(tr("&About"), this, &MainWindow::showAbout);
}

void MainWindow::fillRecentMenu(QMenu& menu) {
  menu.clear();
  for (const QString& path : session_.recentFiles())
    menu.addAction(path, this, [this, path] { openFile(path); });
  if (menu.isEmpty()) menu.addAction(tr("none yet"))->setEnabled(false);
}

void MainWindow::fillSavedMenu(QMenu& menu) {
  menu.clear();
  QMenu* forget = nullptr;
  for (const SavedView& saved : session_.savedViews()) {
    menu.addAction(saved.name, this, [this, saved] { recall(saved); });
    if (forget == nullptr) forget = new QMenu(tr("Forget"), &menu);
    forget->addAction(saved.name, this, [this, name = saved.name] { session_.forgetView(name); });
  }
  if (forget == nullptr) {
    menu.addAction(tr("none yet"))->setEnabled(false);
  } else {
    menu.addSeparator();
    menu.addMenu(forget);
  }
}

void MainWindow::openFile(const QString& path) {
  explorer_.open(path);
  session_.noteFile(path);
}

void MainWindow::openInteractively() {
  const QString path = QFileDialog::getOpenFileName(this, tr("Open a results database"), QString(),
                                                    tr("Databases (*.db *.sqlite);;All files (*)"));
  if (!path.isEmpty()) openFile(path);
}

void MainWindow::showView(const QString& key) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < views_.size(); ++i) {
    const QString name = QString::fromUtf8(view_catalogue()[i].key);
    if (name == key) return tabs_->setCurrentIndex(static_cast<int>(i));
    keys.push_back(name.toStdString());
  }
  throw InputError("--view", unknown_name("view", key.toStdString(), keys));
}

View* MainWindow::currentView() const { return qobject_cast<View*>(tabs_->currentWidget()); }

View* MainWindow::view(const QString& key) const {
  for (View* view : views_) {
    if (view->objectName() == key) return view;
  }
  return nullptr;
}

bool MainWindow::isSettled() const {
  return explorer_.state() != Explorer::State::loading &&
         (currentView() == nullptr || !currentView()->isBusy());
}

void MainWindow::exportCurrent() {
  View* view = currentView();
  if (explorer_.state() == Explorer::State::empty || view == nullptr) return;
  QStringList kinds;
  for (const ExportFormat format : view->exportFormats())
    kinds += QStringLiteral("%1 (*.%1)").arg(QLatin1String(to_string(format)));
  const QString suggestion =
      view->objectName() + u'.' + QLatin1String(to_string(view->exportFormats().front()));
  QString path = QFileDialog::getSaveFileName(this, tr("Export what is shown"), suggestion,
                                              kinds.join(QStringLiteral(";;")));
  if (path.isEmpty()) return;
  try {
    view->exportTo(path);
    statusBar()->showMessage(tr("Written: %1").arg(path), 5000);
  } catch (const std::exception& problem) {
    notice_->setText(QString::fromUtf8(problem.what()));
    notice_->show();
  }
}

void MainWindow::runSample() {
  auto* sweep = qobject_cast<SweepView*>(view(QStringLiteral("sweep")));
  tabs_->setCurrentWidget(sweep);
  pages_->setCurrentIndex(1);
  sweep->runSample();
}

void MainWindow::saveViewAs() {
  const QString name = QInputDialog::getText(this, tr("Save this view"), tr("Name"));
  View* view = currentView();
  if (name.isEmpty() || view == nullptr) return;
  session_.saveView({name, view->objectName(), view->saveState(), explorer_.filter()});
}

void MainWindow::recall(const SavedView& saved) {
  View* target = view(saved.view);
  if (target == nullptr) return;
  explorer_.setFilter(saved.filter);
  target->restoreState(saved.state);
  tabs_->setCurrentWidget(target);
}

void MainWindow::showState() {
  const bool has_data = explorer_.snapshot() != nullptr;
  const Explorer::State state = explorer_.state();
  const bool failed = state == Explorer::State::failed;
  const QString problem = failed ? explorer_.problem() : QString();
  const bool shows_data = has_data || state == Explorer::State::ready || state == Explorer::State::loading;
  pages_->setCurrentIndex(shows_data ? 1 : 0);
  showDocks(shows_data);
  welcome_->setProblem(problem, explorer_.isOutdated());
  welcome_->setRecent(session_.recentFiles());
  notice_->setText(tr("%1 — what is shown was read before (F5 tries again)").arg(problem));
  notice_->setVisible(failed && has_data);
  setWindowTitle(explorer_.path().isEmpty()
                     ? QStringLiteral("Razorscope")
                     : tr("%1 — Razorscope").arg(QFileInfo(explorer_.path()).fileName()));
  if (state == Explorer::State::loading) {
    statusBar()->showMessage(tr("Reading %1 …").arg(explorer_.path()));
  } else {
    statusBar()->clearMessage();
  }
}

/// The welcome page stands alone; the docks come back as they were.
void MainWindow::showDocks(bool shown) {
  if (shown == docks_shown_) return;
  docks_shown_ = shown;
  if (shown) {
    restoreState(docks_);
    return;
  }
  docks_ = saveState();
  for (QDockWidget* dock : findChildren<QDockWidget*>()) dock->hide();
}

void MainWindow::setTheme(Session::Theme theme) {
  session_.setTheme(theme);
  applyTheme(theme);
}

void MainWindow::applyTheme(Session::Theme theme) {
  if (theme == Session::Theme::dark) {
    QApplication::setPalette(dark_palette());
  } else if (theme == Session::Theme::light) {
    QApplication::setPalette(light_palette());
  } else {
    QApplication::setPalette(QPalette());
  }
}

void MainWindow::restoreSession(bool with_file) {
  restoreGeometry(session_.windowGeometry());
  if (docks_shown_) {
    restoreState(session_.windowState());
  } else if (!session_.windowState().isEmpty()) {
    docks_ = session_.windowState();
  }
  applyTheme(session_.theme());
  for (View* view : views_) view->restoreState(session_.viewState(view->objectName()));
  explorer_.setFilter(session_.lastFilter());
  if (View* last = view(session_.lastView())) tabs_->setCurrentWidget(last);
  const QString file = session_.lastFile();
  if (with_file && QFileInfo::exists(file)) openFile(file);
}

void MainWindow::saveSession() {
  session_.setWindow(saveGeometry(), docks_shown_ ? saveState() : docks_);
  for (const View* view : views_) session_.setViewState(view->objectName(), view->saveState());
  session_.setLast(explorer_.path(), currentView() == nullptr ? QString() : currentView()->objectName(),
                   explorer_.filter());
}

void MainWindow::closeEvent(QCloseEvent* event) {
  const auto* sweep = qobject_cast<SweepView*>(view(QStringLiteral("sweep")));
  if (sweep != nullptr && sweep->isRunning() &&
      QMessageBox::question(
          this, tr("A sweep is running"),
          tr("Stop it and quit? What is finished stays, and Resume goes on with the rest.")) !=
          QMessageBox::Yes) {
    event->ignore();
    return;
  }
  saveSession();
  QMainWindow::closeEvent(event);
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
  if (event->mimeData()->hasUrls()) event->acceptProposedAction();
}

/// A database is opened, a second one compared with it, a sweep file shown.
void MainWindow::dropEvent(QDropEvent* event) {
  QStringList databases;
  for (const QUrl& url : event->mimeData()->urls()) {
    if (!url.isLocalFile()) continue;
    event->acceptProposedAction();
    const QString file = url.toLocalFile();
    if (file.endsWith(QLatin1String(".toml"))) {
      view(QStringLiteral("sweep"))->restoreState({{QStringLiteral("file"), file}});
      showView(QStringLiteral("sweep"));
      pages_->setCurrentIndex(1);
    } else {
      databases += file;
    }
  }
  if (databases.isEmpty()) return;
  openFile(databases[0]);
  if (databases.size() < 2) return;
  showView(QStringLiteral("compare"));
  view(QStringLiteral("compare"))->restoreState({{QStringLiteral("other"), databases[1]}});
}

bool MainWindow::eventFilter(QObject* object, QEvent* event) {
  // Fields would take Ctrl+E for the way to the line's end.
  if (event->type() == QEvent::ShortcutOverride &&
      static_cast<QKeyEvent*>(event)->keyCombination() == (Qt::CTRL | Qt::Key_E)) {
    event->ignore();
    return true;
  }
  return QMainWindow::eventFilter(object, event);
}

void MainWindow::showKeys() {
  auto* box = new QMessageBox(QMessageBox::NoIcon, tr("Keys"), key_list_html(), QMessageBox::Close, this);
  box->setObjectName(QStringLiteral("keyList"));
  box->setAttribute(Qt::WA_DeleteOnClose);
  box->open();
}

void MainWindow::showAbout() {
  auto* box = new QMessageBox(
      QMessageBox::NoIcon, tr("About Razorscope"),
      tr("<p><b>Razorscope explorer</b></p><p>What does each KV-cache policy cost in error, what does it "
         "save "
         "in bytes, and what does that buy on a device?</p><p>Razorscope is licensed under the Apache "
         "Licence "
         "2.0. This program is linked with QCustomPlot, so that it is distributed as a whole under the GNU "
         "General Public License, version 3.</p>"),
      QMessageBox::Close, this);
  box->setAttribute(Qt::WA_DeleteOnClose);
  box->open();
}

}  // namespace razorscope::gui
