#include <QAccessible>
#include <QCheckBox>
#include <QDockWidget>
#include <QDropEvent>
#include <QLabel>
#include <QLineEdit>
#include <QMessageBox>
#include <QMimeData>
#include <QPushButton>
#include <QSettings>
#include <QTabWidget>
#include <QToolButton>
#include <QTreeView>
#include <gmock/gmock.h>

#include "experiments/store/schema.hpp"
#include "gui/widgets/theme.hpp"
#include "gui/window/main_window.hpp"
#include "models/base/error.hpp"
#include "tests/gui/gui_support.hpp"

namespace razorscope::gui {
namespace {

using testing::wait_for;

class WindowTest : public ::testing::Test {
 protected:
  void SetUp() override {
    QSettings(QStringLiteral("Razorscope"), QStringLiteral("Explorer")).clear();
    testing::fill_database(folder / "results.db");
  }
  QString path(const char* name = "results.db") const {
    return QString::fromStdString((folder / name).string());
  }

  /// Shown, and with the database open.
  std::unique_ptr<MainWindow> opened() {
    auto window = std::make_unique<MainWindow>();
    window->show();
    EXPECT_TRUE(QTest::qWaitForWindowExposed(window.get()));
    window->openFile(path());
    EXPECT_TRUE(settled(*window));
    return window;
  }
  static bool settled(const MainWindow& window) {
    QTest::qWait(20);
    return wait_for([&] { return window.isSettled(); });
  }
  template <typename Widget>
  static Widget* find(const MainWindow& window, const char* name) {
    return window.findChild<Widget*>(QLatin1String(name));
  }
  static void drop(MainWindow& window, const QStringList& files) {
    QMimeData data;
    QList<QUrl> urls;
    for (const QString& file : files) urls += QUrl::fromLocalFile(file);
    data.setUrls(urls);
    QDragEnterEvent enter(QPoint(100, 100), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(&window, &enter);
    EXPECT_TRUE(enter.isAccepted());
    QDropEvent event(QPointF(100, 100), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(&window, &event);
  }

  testing::TemporaryFolder folder;
};

TEST_F(WindowTest, BeginsWithAWelcome) {
  MainWindow window;
  window.show();
  ASSERT_TRUE(QTest::qWaitForWindowExposed(&window));
  EXPECT_TRUE(find<QWidget>(window, "welcome")->isVisible());
  EXPECT_TRUE(find<QPushButton>(window, "open")->isVisible());
  EXPECT_TRUE(find<QPushButton>(window, "sample")->isVisible());
  EXPECT_FALSE(find<QDockWidget>(window, "facetDock")->isVisible());
}

TEST_F(WindowTest, OpensWhatIsDropped) {
  MainWindow window;
  window.show();
  ASSERT_TRUE(QTest::qWaitForWindowExposed(&window));
  drop(window, {path()});
  ASSERT_TRUE(wait_for([&] { return window.explorer().state() == Explorer::State::ready; }));
  EXPECT_FALSE(find<QWidget>(window, "welcome")->isVisible());
  EXPECT_TRUE(find<QDockWidget>(window, "facetDock")->isVisible());
  EXPECT_EQ(window.explorer().snapshot()->runs.size(), 12U);
  EXPECT_TRUE(window.windowTitle().startsWith(QStringLiteral("results.db")));
}

TEST_F(WindowTest, TwoDroppedDatabasesAreCompared) {
  testing::fill_database(folder / "other.db");
  MainWindow window;
  window.show();
  ASSERT_TRUE(QTest::qWaitForWindowExposed(&window));
  drop(window, {path(), path("other.db")});
  EXPECT_TRUE(settled(window));
  EXPECT_EQ(window.currentView()->objectName(), QStringLiteral("compare"));
  auto* summary = find<QLabel>(window, "comparison");
  EXPECT_TRUE(wait_for([&] { return summary->text().contains(QStringLiteral("12 pairs of runs")); }))
      << summary->text().toStdString();
}

TEST_F(WindowTest, ADroppedSweepFileIsShown) {
  std::ofstream(folder / "my.toml") << "name = \"mine\"\n";
  MainWindow window;
  window.show();
  ASSERT_TRUE(QTest::qWaitForWindowExposed(&window));
  drop(window, {path("my.toml")});
  EXPECT_EQ(window.currentView()->objectName(), QStringLiteral("sweep"));
  EXPECT_TRUE(window.currentView()->isVisible());
}

TEST_F(WindowTest, KeysChooseViews) {
  const auto window = opened();
  for (size_t i = 0; i < view_catalogue().size(); ++i) {
    QTest::keyClick(window.get(), static_cast<Qt::Key>(Qt::Key_1 + static_cast<int>(i)), Qt::ControlModifier);
    EXPECT_EQ(window->currentView()->objectName().toStdString(), view_catalogue()[i].key);
    EXPECT_TRUE(settled(*window));
  }
}

TEST_F(WindowTest, KeysSearchUndoAndList) {
  const auto window = opened();
  window->activateWindow();
  QTest::keyClick(window.get(), Qt::Key_F, Qt::ControlModifier);
  auto* search = find<QLineEdit>(*window, "search");
  EXPECT_EQ(window->focusWidget(), search);
  QTest::keyClicks(search, QStringLiteral("razor"));
  EXPECT_EQ(window->explorer().visibleRuns().size(), 5U);
  window->currentView()->setFocus();
  for (int i = 0; i < 5; ++i) QTest::keyClick(window.get(), Qt::Key_Z, Qt::ControlModifier);
  EXPECT_EQ(window->explorer().visibleRuns().size(), 12U);
  EXPECT_EQ(search->text(), QString());

  QTest::keyClick(window.get(), Qt::Key_Question, Qt::ShiftModifier);
  auto* list = window->findChild<QMessageBox*>(QStringLiteral("keyList"));
  ASSERT_NE(list, nullptr);
  for (const char* key : {"Ctrl+O", "Ctrl+F", "Ctrl+E", "F5", "F11", "Ctrl+1"})
    EXPECT_TRUE(list->text().contains(QLatin1String(key))) << key;
  list->close();
}

TEST_F(WindowTest, ExportHasItsKeyWhileOneTypes) {
  const auto window = opened();
  window->activateWindow();
  auto* search = find<QLineEdit>(*window, "search");
  search->setFocus();
  QKeyEvent key(QEvent::ShortcutOverride, Qt::Key_E, Qt::ControlModifier);
  key.accept();
  QApplication::sendEvent(search, &key);
  EXPECT_FALSE(key.isAccepted());
}

TEST_F(WindowTest, ChipsRemoveTheirPartOfTheFilter) {
  const auto window = opened();
  RunFilter filter;
  filter.chosen[Facet::family] = {QStringLiteral("razor")};
  filter.chosen[Facet::kind] = {QStringLiteral("replay")};
  window->explorer().setFilter(filter);
  QTest::qWait(20);
  const auto chips = [&] {
    QList<QToolButton*> found;
    for (QToolButton* button : window->findChildren<QToolButton*>(QStringLiteral("chip"))) {
      if (button->isVisible()) found += button;
    }
    return found;
  };
  ASSERT_EQ(chips().size(), 2);
  EXPECT_TRUE(chips()[0]->text().startsWith(QStringLiteral("Kind: replay")));
  QTest::mouseClick(chips()[0], Qt::LeftButton);
  QTest::qWait(20);
  EXPECT_EQ(window->explorer().visibleRuns().size(), 5U);
  EXPECT_EQ(chips().size(), 1);
}

TEST_F(WindowTest, ClickOnAFacetFilters) {
  const auto window = opened();
  auto* facets = find<QTreeView>(*window, "facets");
  const QModelIndexList found =
      facets->model()->match(facets->model()->index(0, 0), Qt::DisplayRole, QStringLiteral("window"), 1,
                             Qt::MatchExactly | Qt::MatchRecursive);
  ASSERT_EQ(found.size(), 1);
  facets->scrollTo(found[0]);
  const QRect row = facets->visualRect(found[0]);
  QTest::mouseClick(facets->viewport(), Qt::LeftButton, {}, QPoint(row.left() + 8, row.center().y()));
  EXPECT_EQ(window->explorer().visibleRuns().size(), 4U);
}

TEST_F(WindowTest, SessionComesBack) {
  RunFilter filter;
  filter.chosen[Facet::family] = {QStringLiteral("razor")};
  {
    const auto window = opened();
    window->showView(QStringLiteral("runs"));
    window->explorer().setFilter(filter);
    window->resize(1111, 777);
    window->view(QStringLiteral("tradeoff"))
        ->restoreState({{QStringLiteral("figure"), QStringLiteral("lost_mass_mean")}});
    window->setTheme(Session::Theme::dark);
    window->close();
  }
  MainWindow window;
  window.restoreSession(true);
  window.show();
  ASSERT_TRUE(wait_for([&] { return window.explorer().state() == Explorer::State::ready; }));
  EXPECT_EQ(window.currentView()->objectName(), QStringLiteral("runs"));
  EXPECT_EQ(window.explorer().filter(), filter);
  EXPECT_EQ(window.explorer().visibleRuns().size(), 5U);
  EXPECT_EQ(window.size(), QSize(1111, 777));
  EXPECT_EQ(window.view(QStringLiteral("tradeoff"))->saveState()[QLatin1String("figure")].toString(),
            QStringLiteral("lost_mass_mean"));
  EXPECT_EQ(window.session().theme(), Session::Theme::dark);
  EXPECT_EQ(window.session().recentFiles().front(), path());
  window.setTheme(Session::Theme::system);
}

TEST_F(WindowTest, ADamagedSessionIsAsIfItWereNotThere) {
  QSettings settings(QStringLiteral("Razorscope"), QStringLiteral("Explorer"));
  settings.setValue("window/geometry", QByteArray("nonsense"));
  settings.setValue("window/state", QByteArray("nonsense"));
  settings.setValue("last/filter", QByteArray("{\"facets\": [1, 2"));
  settings.setValue("last/view", QStringLiteral("no such view"));
  settings.setValue("last/file", QStringLiteral("/no/such/file.db"));
  settings.setValue("saved", QByteArray("[[[["));
  for (const ViewEntry& view : view_catalogue())
    settings.setValue(QStringLiteral("views/%1").arg(QLatin1String(view.key)),
                      QByteArray("{\"columns\": [{\"key\": \"none\"}, 7], \"sort\": 3, \"figure\": {}, "
                                 "\"step\": -9, \"layer\": \"x\"}"));
  settings.sync();
  MainWindow window;
  window.restoreSession(true);
  window.show();
  window.openFile(path());
  ASSERT_TRUE(wait_for([&] { return window.explorer().state() == Explorer::State::ready; }));
  EXPECT_EQ(window.explorer().visibleRuns().size(), 12U);
  for (const ViewEntry& view : view_catalogue()) {
    window.showView(QLatin1String(view.key));
    EXPECT_TRUE(settled(window)) << view.key;
  }
}

TEST_F(WindowTest, SavedViewsComeBack) {
  Session session;
  RunFilter filter;
  filter.search = QStringLiteral("q8");
  session.saveView({QStringLiteral("mine"),
                    QStringLiteral("runs"),
                    {{QStringLiteral("group"), QStringLiteral("model")}},
                    filter});
  session.saveView({QStringLiteral("other"), QStringLiteral("tradeoff"), {}, {}});
  session.saveView({QStringLiteral("mine"),
                    QStringLiteral("runs"),
                    {{QStringLiteral("group"), QStringLiteral("label")}},
                    filter});
  const std::vector<SavedView> views = Session().savedViews();
  ASSERT_EQ(views.size(), 2U);
  EXPECT_EQ(views[1].name, QStringLiteral("mine"));
  EXPECT_EQ(views[1].filter, filter);
  EXPECT_EQ(views[1].state[QLatin1String("group")].toString(), QStringLiteral("label"));
  session.forgetView(QStringLiteral("mine"));
  EXPECT_EQ(Session().savedViews().size(), 1U);
}

TEST_F(WindowTest, BadFilesAreExplainedInPlace) {
  std::ofstream(folder / "bad.db") << std::string(4096, 'x');
  MainWindow window;
  window.show();
  ASSERT_TRUE(QTest::qWaitForWindowExposed(&window));
  drop(window, {path("bad.db")});
  ASSERT_TRUE(wait_for([&] { return window.explorer().state() == Explorer::State::failed; }));
  auto* problem = find<QLabel>(window, "problem");
  EXPECT_TRUE(problem->isVisible());
  EXPECT_TRUE(problem->text().contains(path("bad.db")));
  EXPECT_FALSE(find<QPushButton>(window, "update")->isVisible());
  drop(window, {path()});
  ASSERT_TRUE(wait_for([&] { return window.explorer().state() == Explorer::State::ready; }));
  EXPECT_FALSE(problem->isVisible());
}

TEST_F(WindowTest, AnOlderDatabaseIsBroughtUpToDateOnRequest) {
  // As a program of one version before would have left it, as far as anyone looks before migrating.
  const int64_t now = testing::ask(folder / "results.db", "PRAGMA user_version");
  {
    SQLite::Database database((folder / "old.db").string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    database.exec("PRAGMA application_id = 1381651267; PRAGMA user_version = 0");
    for (size_t version = 0; version + 1 < static_cast<size_t>(now); ++version)
      database.exec(schema_migrations()[version]);
    database.exec("PRAGMA user_version = " + std::to_string(now - 1));
  }
  MainWindow window;
  window.show();
  ASSERT_TRUE(QTest::qWaitForWindowExposed(&window));
  window.openFile(path("old.db"));
  ASSERT_TRUE(wait_for([&] { return window.explorer().state() == Explorer::State::failed; }));
  auto* update = find<QPushButton>(window, "update");
  ASSERT_TRUE(update->isVisible()) << window.explorer().problem().toStdString();
  QTest::mouseClick(update, Qt::LeftButton);
  ASSERT_TRUE(wait_for([&] { return window.explorer().state() == Explorer::State::ready; }));
  EXPECT_EQ(testing::ask(folder / "old.db", "PRAGMA user_version"), now);
}

TEST_F(WindowTest, BoxesCanBeSeenInBothThemes) {
  for (const QPalette& palette : {light_palette(), dark_palette()}) {
    QCheckBox box;
    box.setPalette(palette);
    const QImage image = box.grab().toImage();
    int least = 255;
    int most = 0;
    for (int y = 0; y < image.height(); ++y) {
      for (int x = 0; x < image.width(); ++x) {
        const int lightness = image.pixelColor(x, y).lightness();
        least = std::min(least, lightness);
        most = std::max(most, lightness);
      }
    }
    EXPECT_GE(most - least, 60) << is_dark(palette);
  }
}

TEST_F(WindowTest, SmallAndLargeWindowsShowEveryView) {
  const auto window = opened();
  for (const QSize& size : {QSize(480, 360), QSize(2400, 1500)}) {
    window->resize(size);
    for (const ViewEntry& view : view_catalogue()) {
      window->showView(QLatin1String(view.key));
      ASSERT_TRUE(settled(*window)) << view.key;
      const QImage image = window->grab().toImage();
      std::set<QRgb> colours;
      for (int x = 0; x < image.width(); x += 7) {
        for (int y = 0; y < image.height(); y += 7) colours.insert(image.pixel(x, y));
      }
      EXPECT_GT(colours.size(), 8U) << view.key;
    }
  }
}

TEST_F(WindowTest, ControlsHaveNamesForScreenReaders) {
  const auto window = opened();
  for (const ViewEntry& view : view_catalogue()) {
    window->showView(QLatin1String(view.key));
    ASSERT_TRUE(settled(*window));
    for (const QWidget* widget : window->view(QLatin1String(view.key))->findChildren<QWidget*>()) {
      if (!widget->isVisible() || widget->focusPolicy() == Qt::NoFocus) continue;
      if (widget->objectName().startsWith(QLatin1String("qt_"))) continue;  // parts of others
      QAccessibleInterface* interface = QAccessible::queryAccessibleInterface(const_cast<QWidget*>(widget));
      ASSERT_NE(interface, nullptr);
      EXPECT_FALSE(interface->text(QAccessible::Name).isEmpty() &&
                   interface->text(QAccessible::Value).isEmpty())
          << view.key << ": " << widget->metaObject()->className() << " "
          << widget->objectName().toStdString();
    }
  }
}

TEST_F(WindowTest, UnknownViewsAreRefused) {
  MainWindow window;
  EXPECT_THROW(window.showView(QStringLiteral("tradeof")), InputError);
}

}  // namespace
}  // namespace razorscope::gui
