#include "gui/views/sweep_view.hpp"

#include <QLabel>
#include <QPushButton>
#include <fstream>
#include <gmock/gmock.h>
#include <iterator>

#include "tests/gui/gui_support.hpp"

namespace razorscope::gui {
namespace {

using testing::wait_for;

class SweepViewTest : public ::testing::Test {
 protected:
  void SetUp() override {
    view.resize(900, 700);
    view.show();
    ASSERT_TRUE(QTest::qWaitForWindowExposed(&view));
  }
  std::filesystem::path sweep(const std::string& policies, const std::string& prefix = "[64]") {
    const std::filesystem::path file = folder / "little.toml";
    std::ofstream(file) << "[[replay]]\nmodel = \"tiny-alibi\"\ntext = \"" << RAZORSCOPE_SOURCE_DIR
                        << "/experiments/texts/harbour.txt\"\nprefix = " << prefix
                        << "\nsteps = 8\npolicies = [" << policies << "]\n";
    return file;
  }
  void start(const std::filesystem::path& file, bool again = false) {
    view.restoreState({{QStringLiteral("file"), QString::fromStdString(file.string())}});
    view.runFile(file, folder / "sweep.db", again);
  }
  QPushButton* button(const char* name) { return view.findChild<QPushButton*>(QLatin1String(name)); }
  QString status() { return view.findChild<QLabel*>(QStringLiteral("sweepStatus"))->text(); }
  bool ended() {
    return QTest::qWaitFor([&] { return button("startSweep")->isEnabled(); }, 60'000);
  }

  testing::TemporaryFolder folder;
  Explorer explorer;
  SweepView view{explorer, nullptr};
};

TEST_F(SweepViewTest, RunsArriveWhileOneWatches) {
  QSignalSpy news(&explorer, &Explorer::snapshotChanged);
  start(sweep("\"full\", \"window:recent=16\", \"razor/none:recent=16\""));
  EXPECT_FALSE(button("startSweep")->isEnabled());
  EXPECT_TRUE(button("cancelSweep")->isEnabled());
  ASSERT_TRUE(ended());
  ASSERT_TRUE(wait_for([&] { return status().startsWith(QStringLiteral("3 of 3 runs done")); }))
      << status().toStdString();
  // A run is stored before the sweep knows of it, and the explorer may have looked in between.
  EXPECT_TRUE(wait_for([&] {
    const auto stored = explorer.snapshot();
    return stored && stored->runs.size() == 3U &&
           stored->names_of(Facet::sweep) == std::vector<QString>{QStringLiteral("little")};
  }));
  EXPECT_EQ(view.csv().count(QStringLiteral("\ndone,replay,")), 3);
}

TEST_F(SweepViewTest, KnowsASweepByTheNameInItsFile) {
  const std::filesystem::path file = sweep("\"full\"");
  std::ifstream in(file);
  const std::string grid((std::istreambuf_iterator<char>(in)), {});
  std::ofstream(file) << "name = 'mine' # not the file's\n" << grid;
  start(file);
  ASSERT_TRUE(ended());
  ASSERT_TRUE(wait_for([&] { return status().startsWith(QStringLiteral("1 of 1 runs done")); }))
      << status().toStdString();
}

TEST_F(SweepViewTest, CancelKeepsWhatIsDoneAndResumeGoesOn) {
  // Each prefix is a process of its own: some seconds in all, so that the view sees it at work.
  std::string prefixes = "[64";
  for (int prefix = 420; prefix <= 1200; prefix += 20) prefixes += ", " + std::to_string(prefix);
  constexpr int runs = 2 * 41;
  const std::filesystem::path file = sweep("\"h2o:budget=0.5\", \"tova:budget=0.5\"", prefixes + "]");
  start(file);
  ASSERT_TRUE(QTest::qWaitFor(
      [&] {
        return view.csv().contains(QStringLiteral("\nrunning,")) ||
               view.csv().contains(QStringLiteral("\ndone,"));
      },
      60'000));
  QTest::mouseClick(button("cancelSweep"), Qt::LeftButton);
  ASSERT_TRUE(ended());
  QTest::qWait(200);
  const auto done = view.csv().count(QStringLiteral("\ndone"));
  EXPECT_EQ(view.csv().count(QStringLiteral("\nrunning,")), 0);
  EXPECT_LT(done, runs);
  EXPECT_THAT(status().toStdString(), ::testing::HasSubstr("Resume goes on"));
  QTest::mouseClick(button("resumeSweep"), Qt::LeftButton);
  ASSERT_TRUE(ended());
  ASSERT_TRUE(wait_for([&] { return view.csv().count(QStringLiteral("\ndone")) == runs; }))
      << status().toStdString();
}

TEST_F(SweepViewTest, FailuresComeFirstWithTheirReason) {
  const std::filesystem::path file = sweep("\"full\"");
  std::ofstream(file, std::ios::app) << "[[replay]]\ntrace = \"" << (folder / "bad.trace").string()
                                     << "\"\nprefix = 64\nsteps = 8\npolicies = [\"full\"]\n";
  std::ofstream(folder / "bad.trace") << "this is no trace";
  start(file);
  ASSERT_TRUE(ended());
  ASSERT_TRUE(wait_for([&] { return view.csv().contains(QStringLiteral("\nfailed")); }))
      << status().toStdString();
  const std::string first = view.csv().section(u'\n', 1, 1).toStdString();
  EXPECT_THAT(first, ::testing::StartsWith("failed"));
  EXPECT_THAT(first, ::testing::HasSubstr("bad.trace"));
  EXPECT_EQ(view.csv().count(QStringLiteral("\ndone")), 1);
}

TEST_F(SweepViewTest, AFileThatMakesNoSenseIsExplained) {
  const std::filesystem::path file = folder / "bad.toml";
  std::ofstream(file) << "[[reply]]\nprefix = 3\n";
  start(file);
  ASSERT_TRUE(ended());
  EXPECT_THAT(status().toStdString(), ::testing::HasSubstr("reply"));
}

}  // namespace
}  // namespace razorscope::gui
