// The token map where databases change under it, records are missing, and files are not to be trusted.
#include <QComboBox>
#include <QSemaphore>
#include <QSlider>
#include <QTest>

#include "gui/data/token_words.hpp"
#include "gui/widgets/map_controls.hpp"
#include "gui/widgets/token_audit_table.hpp"
#include "gui/widgets/token_text.hpp"
#include "tests/gui/gui_support.hpp"
#include "tests/gui/opened_view.hpp"
#include "tests/support/computed_explanation.hpp"

namespace razorscope::testing {
namespace {

using namespace gui;

class TokensViewTest : public ::testing::Test {
 protected:
  TokensViewTest() {
    const SmallModel model(false);
    const ComputedExplanation computed(
        model, "h2o:heavy=5,recent=6;window:sinks=2,recent=6;razor/none:recent=8," + model.heads());
    Store store = Store::open_for_writing(path_);
    for (const ExplainRecord& record : computed.records) runs_.push_back(store.add_explanation(record));
  }

  static TokenText& map(OpenedView& opened) { return *opened.view().findChild<TokenText*>(); }
  static QList<TokenAuditTable*> audits(OpenedView& opened) {
    return opened.view().findChildren<TokenAuditTable*>();
  }
  static QSlider& slider(OpenedView& opened, const char* name) {
    return *opened.view().findChild<QSlider*>(QString::fromLatin1(name));
  }
  /// Reads a database with one run that is no explanation.
  void openAnother(OpenedView& opened) {
    Store::open_for_writing(folder_ / "other.db").add_replay(record_of("full"));
    Explorer& explorer = opened.explorer();
    explorer.open(QString::fromStdString((folder_ / "other.db").string()));
    ASSERT_TRUE(wait_for([&] { return explorer.snapshot() && explorer.snapshot()->runs.size() == 1; }));
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "results.db";
  std::vector<int64_t> runs_;  // by policy: h2o, window, razor
};

TEST_F(TokensViewTest, WhatIsSavedOfAHiddenViewIsWhatItShowed) {
  OpenedView opened(make_tokens_view, path_);
  const QJsonObject before = opened.view().saveState();
  ASSERT_TRUE(before["left"].toString().startsWith("h2o"));
  ASSERT_TRUE(before["right"].toString().startsWith("razor"));
  opened.view().hide();
  openAnother(opened);
  EXPECT_EQ(opened.view().saveState(), before);
}

TEST_F(TokensViewTest, AChoiceAmongRunsThatAreGoneIsNoHarm) {
  OpenedView opened(make_tokens_view, path_);
  opened.view().hide();
  openAnother(opened);
  QComboBox& left = *opened.view().findChild<QComboBox*>(QStringLiteral("left"));
  Q_EMIT left.activated(left.currentIndex());
  QComboBox& text = *opened.view().findChild<QComboBox*>(QStringLiteral("text"));
  Q_EMIT text.activated(text.currentIndex());
  EXPECT_TRUE(opened.explorer().selection().empty());
  opened.view().show();
  opened.settle();
  EXPECT_TRUE(map(opened).message().contains("razorscope explain"));
}

TEST_F(TokensViewTest, EachPolicyHasItsOwnRecord) {
  for (const size_t without : {0U, 2U}) {
    const auto path = folder_ / ("without" + std::to_string(without) + ".db");
    std::filesystem::copy_file(path_, path);
    {
      SQLite::Database database(path.string(), SQLite::OPEN_READWRITE);
      database.exec("UPDATE explanations SET attention_id = NULL WHERE run_id = " +
                    std::to_string(runs_[without]));
    }
    OpenedView opened(make_tokens_view, path);
    ASSERT_EQ(map(opened).panels().size(), 2U);
    map(opened).choose(5);
    Q_EMIT map(opened).tokenChosen(5);
    opened.settle();
    const int missing = without == 0 ? 0 : 1;
    EXPECT_TRUE(audits(opened)[missing]->words().contains("did not record")) << without;
    EXPECT_TRUE(audits(opened)[missing]->model().audits().empty());
    EXPECT_TRUE(audits(opened)[1 - missing]->words().contains("heads")) << without;
    EXPECT_FALSE(audits(opened)[1 - missing]->model().audits().empty());
    EXPECT_GT(slider(opened, "step").maximum(), 3) << "the other's question";
  }
}

TEST_F(TokensViewTest, SlidersDoNotWaitForADatabase) {
  OpenedView opened(make_tokens_view, path_);
  const int all = map(opened).panels()[0].states.caches;
  QSemaphore reads;
  opened.explorer().worker().run(
      &opened.view(), [&] { return reads.tryAcquire(1, 20'000); }, [](bool) {});
  slider(opened, "layer").setValue(1);
  EXPECT_TRUE(wait_for([&] { return map(opened).panels()[0].states.caches < all; }));
  EXPECT_TRUE(opened.view().isBusy());
  reads.release();
  opened.settle();
}

TEST_F(TokensViewTest, NumbersOfASessionThatAreTooLargeAreCut) {
  OpenedView opened(make_tokens_view, path_);
  opened.view().restoreState({{"layer", 2147483647}, {"head", 2147483647}, {"step", 2147483647}});
  opened.settle();
  for (const char* name : {"layer", "head", "step"})
    EXPECT_EQ(slider(opened, name).value(), slider(opened, name).maximum()) << name;
}

TEST_F(TokensViewTest, ScreenReadersHearWhatIsSeen) {
  OpenedView opened(make_tokens_view, path_);
  EXPECT_EQ(slider(opened, "layer").accessibleDescription(), "All layers");
  slider(opened, "layer").setValue(2);
  slider(opened, "head").setValue(1);
  slider(opened, "step").setValue(2);
  opened.settle();
  EXPECT_EQ(slider(opened, "layer").accessibleDescription(), "Layer 1");
  EXPECT_EQ(slider(opened, "head").accessibleDescription(), "Head 0");
  EXPECT_TRUE(slider(opened, "step").accessibleDescription().startsWith("Step 2: “"));
  map(opened).choose(7);
  for (const TokenPanel& panel : map(opened).panels()) {
    const QString words =
        panel.title + u'\n' + token_words(map(opened).piece(7), 7, panel.states.tokens[7], panel.states);
    EXPECT_TRUE(map(opened).accessibleDescription().contains(words)) << words.toStdString();
  }
}

}  // namespace
}  // namespace razorscope::testing
