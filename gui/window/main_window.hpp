#pragma once

#include <QMainWindow>
#include <vector>

#include "gui/data/explorer.hpp"
#include "gui/views/view.hpp"
#include "gui/window/session.hpp"

class QLabel;
class QStackedWidget;
class QTabWidget;

namespace razorscope::gui {

class FilterBar;
class WelcomePage;

/// The program's window: the views as pages, the filter above them, facets and details beside them, or the
/// welcome page while no database is open.
class MainWindow : public QMainWindow {
  Q_OBJECT

 public:
  explicit MainWindow(QWidget* parent = nullptr);
  ~MainWindow() override;

  void openFile(const QString& path);
  /// By its key in the catalogue; InputError with the keys there are.
  void showView(const QString& key);
  View* currentView() const;
  View* view(const QString& key) const;
  Explorer& explorer() { return explorer_; }
  Session& session() { return session_; }
  /// Whether all that is shown is there.
  bool isSettled() const;

  /// What was there when the program ended last: geometry, views' states, filter; the file only if asked for.
  void restoreSession(bool with_file);
  void saveSession();
  void setTheme(Session::Theme theme);
  /// The same for this time alone.
  void applyTheme(Session::Theme theme);

 protected:
  void closeEvent(QCloseEvent* event) override;
  void dragEnterEvent(QDragEnterEvent* event) override;
  void dropEvent(QDropEvent* event) override;
  bool eventFilter(QObject* object, QEvent* event) override;

 private:
  void makeViews();
  void makeDocks();
  void makeMenus();
  void fillRecentMenu(QMenu& menu);
  void fillSavedMenu(QMenu& menu);
  void openInteractively();
  void exportCurrent();
  void runSample();
  void saveViewAs();
  void recall(const SavedView& saved);
  void showState();
  void showDocks(bool shown);
  void showKeys();
  void showAbout();

  Session session_;
  Explorer explorer_;
  std::vector<View*> views_;  // as in the catalogue; children of the tabs
  QStackedWidget* pages_;
  WelcomePage* welcome_;
  QTabWidget* tabs_;
  FilterBar* filter_bar_;
  QLabel* notice_;    // a problem with the database that is open
  QByteArray docks_;  // their state while they are not shown
  bool docks_shown_ = true;
};

}  // namespace razorscope::gui
