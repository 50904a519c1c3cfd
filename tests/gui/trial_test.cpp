#include "gui/data/trial.hpp"

#include <QComboBox>
#include <QLabel>
#include <QProcess>
#include <QSlider>
#include <gmock/gmock.h>

#include "gui/widgets/policy_form.hpp"
#include "gui/window/trial_panel.hpp"
#include "models/base/error.hpp"
#include "models/base/user_directory.hpp"
#include "policies/policy.hpp"
#include "policies/selections/selection.hpp"
#include "tests/gui/gui_support.hpp"

namespace razorscope::gui {
namespace {

QByteArray run_program(const QStringList& words) {
  QProcess process;
  process.start(QStringLiteral(RAZORSCOPE_PROGRAM), words);
  EXPECT_TRUE(process.waitForFinished(60'000));
  EXPECT_EQ(process.exitCode(), 0) << process.readAllStandardError().toStdString();
  return process.readAllStandardOutput();
}

class TrialTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(trace().parent_path());
    run_program({QStringLiteral("record"), QStringLiteral("--model"), QStringLiteral("tiny-alibi"),
                 QStringLiteral("--text"),
                 QStringLiteral(RAZORSCOPE_SOURCE_DIR "/experiments/texts/harbour.txt"),
                 QStringLiteral("--tokens"), QStringLiteral("320"), QStringLiteral("--out"),
                 QString::fromStdString(trace().string())});
  }
  static std::filesystem::path trace() {
    return user_directory("XDG_CACHE_HOME", ".cache") / "traces" / "harbour-320.trace";
  }
  testing::TemporaryFolder folder;
  const std::atomic<bool> go_on = false;
};

TEST_F(TrialTest, HasTheFiguresOfReplay) {
  TrialBench bench;
  const Trial trial = bench.run({trace(), "window:recent=60+q8_0", 256, 64}, go_on);
  const QString db = QString::fromStdString((folder / "r.db").string());
  run_program({QStringLiteral("replay"), QStringLiteral("--trace"), QString::fromStdString(trace().string()),
               QStringLiteral("--prefix"), QStringLiteral("256"), QStringLiteral("--steps"),
               QStringLiteral("64"), QStringLiteral("--policies"), QStringLiteral("window:recent=60+q8_0"),
               QStringLiteral("--db"), db});
  const TradeoffRow stored = Store::open_read_only(db.toStdString()).tradeoff().front();
  EXPECT_DOUBLE_EQ(trial.row.relative_error_mean, stored.relative_error_mean);
  EXPECT_EQ(trial.row.physical_bytes, stored.physical_bytes);
  EXPECT_EQ(trial.row.full_f16_bytes, stored.full_f16_bytes);
  EXPECT_EQ(trial.row.trace_hash, stored.trace_hash);
  Store store = Store::open_read_only(db.toStdString());
  EXPECT_EQ(read_snapshot(store).subject_of(trial.row), 0);
}

TEST_F(TrialTest, PrefixAndStepsAreMadeToFit) {
  TrialBench bench;
  EXPECT_EQ(bench.run({trace(), "full", 300, 64}, go_on).row.steps, 20);
  EXPECT_EQ(bench.run({trace(), "full", 5000, 64}, go_on).row.prefix, 319);
  EXPECT_THROW(bench.run({trace(), "nonsense", 100, 4}, go_on), InputError);
  EXPECT_THROW(bench.run({folder / "none.trace", "full", 100, 4}, go_on), InputError);
  const std::atomic<bool> stop = true;
  EXPECT_THROW(bench.run({trace(), "full", 100, 4}, stop), Interrupted);
}

TEST_F(TrialTest, PanelAnswersWhileASliderMoves) {
  Explorer explorer;
  TrialPanel panel(explorer);
  panel.resize(320, 600);
  panel.show();
  ASSERT_TRUE(QTest::qWaitForWindowExposed(&panel));
  auto* form = panel.findChild<PolicyForm*>();
  form->setPolicy(QStringLiteral("window:recent=16"));
  const auto is_there = [&] { return panel.trial() && !panel.isBusy(); };
  ASSERT_TRUE(testing::wait_for(is_there))
      << panel.findChild<QLabel*>(QStringLiteral("trialResult"))->text().toStdString();
  const double before = panel.trial()->row.relative_error_mean;
  auto* slider = form->findChild<QSlider*>(QStringLiteral("slider-recent"));
  ASSERT_NE(slider, nullptr);
  for (const int position : {300, 350, 400}) slider->setValue(position);
  ASSERT_TRUE(
      testing::wait_for([&] { return is_there() && panel.trial()->row.relative_error_mean < before; }));
  EXPECT_LT(panel.trial()->seconds, 2.0);
  ASSERT_TRUE(explorer.trial());
  EXPECT_EQ(explorer.trial()->policy, panel.trial()->row.policy);
  EXPECT_THAT(panel.findChild<QLabel*>(QStringLiteral("trialResult"))->text().toStdString(),
              ::testing::HasSubstr("not stored"));
}

TEST(PolicyForm, KnowsEverySelectionAndVariant) {
  PolicyForm form;
  int forms = 0;
  for (const SelectionEntry& entry : selection_registry()) {
    std::vector<std::string> variants = entry.variants;
    if (variants.empty()) variants.push_back("");
    for (const std::string& variant : variants) {
      const std::string name = entry.name + (variant.empty() ? "" : "/" + variant);
      Policy policy = Policy::parse("full");
      try {
        policy = Policy::parse(name + "+q8_0");
      } catch (const InputError&) {
        continue;  // one that needs a value
      }
      form.setPolicy(QString::fromStdString(policy.name()));
      EXPECT_EQ(Policy::parse(form.policy().toStdString()).name(), policy.name());
      EXPECT_TRUE(form.problem().isEmpty()) << form.problem().toStdString();
      ++forms;
    }
  }
  EXPECT_GE(forms, 25);
}

TEST(PolicyForm, KeepsValuesThatDiffer) {
  PolicyForm form;
  const std::string name = Policy::parse("razor/none:sinks=8,choose=gap,recent=77+k=q8_0+v=q4_0").name();
  form.setPolicy(QString::fromStdString(name));
  EXPECT_EQ(Policy::parse(form.policy().toStdString()).name(), name);
  form.setPolicy(QStringLiteral("no such policy"));
  EXPECT_EQ(Policy::parse(form.policy().toStdString()).name(), name);
}

}  // namespace
}  // namespace razorscope::gui
