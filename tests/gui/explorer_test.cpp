#include "gui/data/explorer.hpp"

#include <gmock/gmock.h>

#include "tests/gui/gui_support.hpp"

namespace razorscope::gui {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::wait_for;

class ExplorerTest : public testing::WithDatabase {
 protected:
  int countOf(Facet facet, const QString& name) const {
    const auto& names = snapshot().names_of(facet);
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) return -1;
    return explorer.facetCounts()
        .counts[static_cast<size_t>(facet)][static_cast<size_t>(found - names.begin())];
  }
};

TEST_F(ExplorerTest, ReadsRunsOfAllKinds) {
  EXPECT_EQ(snapshot().runs.size(), 12U);
  EXPECT_THAT(snapshot().names_of(Facet::kind), ElementsAre("eval", "replay", "serve", "task"));
  EXPECT_THAT(snapshot().names_of(Facet::family), ElementsAre("full", "razor", "window"));
  EXPECT_THAT(snapshot().names_of(Facet::device), ElementsAre("L40S"));
  for (const gui::Run& run : snapshot().runs) EXPECT_EQ(snapshot().find(run.ref), &run);
}

TEST_F(ExplorerTest, CountsOfAFacetDoNotDependOnItsOwnChoice) {
  RunFilter filter;
  filter.chosen[Facet::family] = {QStringLiteral("razor")};
  explorer.setFilter(filter);
  EXPECT_EQ(explorer.visibleRuns().size(), 5U);
  EXPECT_EQ(countOf(Facet::family, "razor"), 5);
  EXPECT_EQ(countOf(Facet::family, "window"), 4);
  EXPECT_EQ(countOf(Facet::kind, "replay"), 3);
  EXPECT_EQ(countOf(Facet::kind, "serve"), 0);

  filter.chosen[Facet::kind] = {QStringLiteral("replay")};
  explorer.setFilter(filter);
  EXPECT_EQ(explorer.visibleRuns().size(), 3U);
  EXPECT_EQ(countOf(Facet::family, "window"), 2);
  EXPECT_EQ(countOf(Facet::kind, "eval"), 1);
}

TEST_F(ExplorerTest, FiltersByWordsBoundsAndSearch) {
  RunFilter filter;
  filter.bounds[QStringLiteral("relative_error_mean")] = {0.2, 0.3};
  explorer.setFilter(filter);
  EXPECT_EQ(explorer.visibleRuns().size(), 3U);
  filter.words[QStringLiteral("label")] = QStringLiteral("Q8");
  explorer.setFilter(filter);
  EXPECT_EQ(explorer.visibleRuns().size(), 1U);
  filter = {};
  filter.search = QStringLiteral("RAZOR harbour");
  explorer.setFilter(filter);
  EXPECT_EQ(explorer.visibleRuns().size(), 5U);
  filter.search = QStringLiteral("no such run");
  explorer.setFilter(filter);
  EXPECT_THAT(explorer.visibleRuns(), IsEmpty());
}

TEST_F(ExplorerTest, RunsWithoutAThingCanBeChosen) {
  RunFilter filter;
  filter.chosen[Facet::device] = {QString()};
  explorer.setFilter(filter);
  EXPECT_EQ(explorer.visibleRuns().size(), 10U);
}

TEST_F(ExplorerTest, FilterIsUndoneAndRedone) {
  RunFilter first;
  first.search = QStringLiteral("razor");
  RunFilter second = first;
  second.chosen[Facet::kind] = {QStringLiteral("eval")};
  explorer.setFilter(first);
  explorer.setFilter(second);
  EXPECT_EQ(explorer.visibleRuns().size(), 1U);
  explorer.undoFilter();
  EXPECT_EQ(explorer.filter(), first);
  EXPECT_EQ(explorer.visibleRuns().size(), 5U);
  explorer.undoFilter();
  EXPECT_TRUE(explorer.filter().empty());
  EXPECT_FALSE(explorer.canUndoFilter());
  explorer.redoFilter();
  explorer.redoFilter();
  EXPECT_EQ(explorer.filter(), second);
  EXPECT_FALSE(explorer.canRedoFilter());
}

TEST(RunFilter, SurvivesJson) {
  RunFilter filter;
  filter.chosen[Facet::model] = {QStringLiteral("a \"model\""), QString()};
  filter.bounds[QStringLiteral("relative_error_mean")] = {0.125, std::numeric_limits<double>::infinity()};
  filter.words[QStringLiteral("label")] = QStringLiteral("ü;,");
  filter.search = QStringLiteral("two words");
  EXPECT_EQ(RunFilter::fromJson(filter.toJson()), filter);
  EXPECT_TRUE(
      RunFilter::fromJson({{QStringLiteral("facets"), 7}, {QStringLiteral("bounds"), QStringLiteral("x")}})
          .empty());
}

TEST(RunFilter, EachPartIsAChipThatRemovesIt) {
  RunFilter filter;
  filter.chosen[Facet::family] = {QStringLiteral("razor"), QStringLiteral("window")};
  filter.bounds[QStringLiteral("relative_error_mean")] = {-std::numeric_limits<double>::infinity(), 0.5};
  filter.words[QStringLiteral("label")] = QStringLiteral("q8");
  filter.search = QStringLiteral("harbour");
  const std::vector<FilterChip> chips = filter_chips(filter);
  ASSERT_EQ(chips.size(), 4U);
  EXPECT_EQ(chips[1].text, QStringLiteral("Policy: razor, window"));
  EXPECT_EQ(chips[2].text, QStringLiteral("Error ≤ 0.5"));
  for (const FilterChip& chip : chips) EXPECT_EQ(filter_chips(chip.removed).size(), 3U);
}

TEST_F(ExplorerTest, SelectionLosesRunsThatAreGone) {
  explorer.select({{false, 1}, {false, 2}, {true, 1}});
  EXPECT_EQ(explorer.currentRun(), (RunRef{true, 1}));
  testing::ask(path(), "DELETE FROM runs WHERE id = 2 RETURNING id");
  explorer.refresh();
  ASSERT_TRUE(wait_for([&] { return snapshot().runs.size() == 11U; }));
  EXPECT_THAT(explorer.selection(), ElementsAre(RunRef{false, 1}, RunRef{true, 1}));
}

TEST_F(ExplorerTest, SeesWhatOthersWrite) {
  QSignalSpy news(&explorer, &Explorer::snapshotChanged);
  Store::open_for_writing(path()).add_replay(testing::record_of("h2o:budget=100", 6, 0.35));
  ASSERT_TRUE(wait_for([&] { return snapshot().runs.size() == 13U; }));
  EXPECT_GE(news.count(), 1);
}

TEST_F(ExplorerTest, AnOlderAnswerIsNotTakenForANewerOne) {
  const testing::TemporaryFolder other;
  Store::open_for_writing(other / "empty.db");
  explorer.open(QString::fromStdString(path().string()));
  explorer.open(QString::fromStdString((other / "empty.db").string()));
  ASSERT_TRUE(
      wait_for([&] { return explorer.state() == Explorer::State::ready && !explorer.worker().isBusy(); }));
  EXPECT_EQ(snapshot().runs.size(), 0U);
}

TEST(ExplorerFiles, BadOnesAreRefusedWithTheirName) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "text.db")
      << "this is no database, but it is long enough to look like something else entirely";
  std::ofstream(folder / "empty.db");
  const std::pair<std::string, std::string> files[] = {{(folder / "text.db").string(), "database"},
                                                       {(folder / "empty.db").string(), "empty"},
                                                       {(folder / "none.db").string(), "no such file"},
                                                       {folder.path().string(), "folder"}};
  Explorer explorer;
  for (const auto& [file, reason] : files) {
    explorer.open(QString::fromStdString(file));
    ASSERT_TRUE(wait_for([&] { return explorer.state() != Explorer::State::loading; }));
    EXPECT_EQ(explorer.state(), Explorer::State::failed) << file;
    EXPECT_THAT(explorer.problem().toStdString(), ::testing::HasSubstr(file));
    EXPECT_THAT(explorer.problem().toStdString(), ::testing::HasSubstr(reason));
    EXPECT_FALSE(explorer.isOutdated());
    EXPECT_EQ(explorer.snapshot(), nullptr);
  }
}

TEST_F(ExplorerTest, ADatabaseThatBecomesUnreadableLeavesWhatWasRead) {
  std::filesystem::remove(path());
  std::filesystem::remove(path().string() + "-wal");
  std::filesystem::remove(path().string() + "-shm");
  explorer.refresh();
  ASSERT_TRUE(wait_for([&] { return explorer.state() == Explorer::State::failed; }));
  EXPECT_EQ(snapshot().runs.size(), 12U);
}

TEST_F(ExplorerTest, WorkerCallsNobodyBackWhoIsGone) {
  bool called = false;
  {
    QObject context;
    explorer.worker().run(
        &context, [] { return 1; }, [&](int) { called = true; });
  }
  ASSERT_TRUE(wait_for([&] { return !explorer.worker().isBusy(); }));
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace razorscope::gui
