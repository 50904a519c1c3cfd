#include <QComboBox>
#include <QLineEdit>
#include <QSlider>
#include <QSpinBox>
#include <QToolButton>
#include <nlohmann/json.hpp>

#include "experiments/store/plan_rows.hpp"
#include "gui/data/device_plan.hpp"
#include "gui/widgets/bar_chart.hpp"
#include "models/language/shape_catalogue.hpp"
#include "tests/gui/opened_view.hpp"
#include "tests/support/stored_deployments.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

using namespace gui;

/// By the functions that `razorscope plan` calls.
PlanRow planned(const PlanSettings& settings, const std::string& policy) {
  const Deployment deployment = deployments(settings.deployment).front();
  PolicyFootprint footprint(Policy::parse(policy), deployment.shape, nullptr, deployment.tp);
  return plan(deployment, footprint,
              {settings.context, settings.output, settings.batch, token_budget(settings.deployment)});
}

BarChart& memory(OpenedView& opened) { return opened.chart<BarChart>("Memory of a device"); }

TEST(DevicesViewTest, BarsAreTheFiguresOfAPlan) {
  OpenedView opened(make_devices_view);
  const PlanSettings settings = usual_plan();
  const PlanRow row = planned(settings, "razor+q8_0");
  ASSERT_EQ(memory(opened).bars().size(), 4U);
  const StackedBar& bar = memory(opened).bars()[3];
  EXPECT_DOUBLE_EQ(bar.segments[0].value, row.weights_bytes / 1e9);
  EXPECT_DOUBLE_EQ(bar.segments[1].value, row.kv_bytes_per_sequence_rank * settings.batch / 1e9);
  EXPECT_DOUBLE_EQ(bar.limit.value(), row.memory_bytes / 1e9);
  double sum = 0.0;
  for (const BarSegment& segment : bar.segments) sum += segment.value;
  EXPECT_NEAR(sum, row.memory_bytes / 1e9, 1e-9);
  EXPECT_EQ(opened.chart<BarChart>("Largest batch").bars()[3].segments[0].value,
            static_cast<double>(row.max_batch));
  EXPECT_EQ(opened.chart<BarChart>("Largest context").bars()[3].segments[0].value,
            static_cast<double>(row.max_context));
  EXPECT_DOUBLE_EQ(opened.chart<BarChart>("Decode step").bars()[3].segments[1].value,
                   row.decode.decode_attention * 1e3);
  EXPECT_EQ(memory(opened).legendTexts(),
            (QStringList{"weights", "KV (in colour)", "free for KV", "the rest", "memory"}));
  EXPECT_TRUE(opened.text("summary").contains("holds 13 sequences")) << opened.text("summary").toStdString();
  EXPECT_TRUE(opened.text("notes").contains("nobody probed this model"));
  EXPECT_GT(opened.colours(), 12U);
}

TEST(DevicesViewTest, TheLastOfManySliderMovesIsShown) {
  OpenedView opened(make_devices_view);
  QSlider& slider = opened.control<QSlider>("Context");
  for (int step = slider.minimum(); step <= slider.maximum(); ++step) slider.setValue(step);
  slider.setValue(32);  // 256 · 2^4
  opened.settle();
  PlanSettings settings = usual_plan();
  settings.context = 4096;
  const PlanRow row = planned(settings, "full");
  EXPECT_EQ(opened.control<QSpinBox>("Context").value(), 4096);
  EXPECT_DOUBLE_EQ(memory(opened).bars()[0].segments[1].value,
                   row.kv_bytes_per_sequence_rank * settings.batch / 1e9);
  EXPECT_TRUE(memory(opened).bars()[0].note.isEmpty());
}

TEST(DevicesViewTest, WhatDoesNotFitStandsOut) {
  OpenedView opened(make_devices_view);
  opened.control<QSpinBox>("Batch").setValue(64);
  opened.settle();
  EXPECT_TRUE(memory(opened).bars()[0].exceeds);
  EXPECT_EQ(memory(opened).bars()[0].note, "does not fit");
  EXPECT_FALSE(memory(opened).bars()[3].exceeds);
}

TEST(DevicesViewTest, ErrorsStandWhereBarsWould) {
  OpenedView opened(make_devices_view);
  opened.view().restoreState({{"model", "llama-3.1-70b"}, {"devices", "L40S"}});
  opened.settle();
  EXPECT_TRUE(memory(opened).message().contains("does not fit")) << memory(opened).message().toStdString();
  opened.view().restoreState({{"model", "lama-3.1-8b"}});
  opened.settle();
  EXPECT_TRUE(memory(opened).message().contains("did you mean 'llama-3.1-8b'"));
  // One policy that cannot be planned for leaves the others.
  opened.view().restoreState({{"model", "llama-3.1-8b"}, {"policies", "full;oracle"}});
  opened.settle();
  EXPECT_EQ(memory(opened).bars().size(), 1U);
  EXPECT_FALSE(opened.text("problems").isEmpty());
  opened.view().restoreState({{"policies", "full"}});
  opened.settle();
  EXPECT_TRUE(opened.text("problems").isEmpty());
}

TEST(DevicesViewTest, ExportsTheFiguresOfPlanJson) {
  OpenedView opened(make_devices_view);
  const PlanSettings settings = usual_plan();
  const QStringList lines = opened.view().csv().trimmed().split('\n');
  ASSERT_EQ(lines.size(), 5);
  const QStringList names = lines[0].split(',');
  const PlanRow row = planned(settings, "full");
  const nlohmann::json json =
      plan_row_json(row, settings.deployment,
                    {settings.context, settings.output, settings.batch, token_budget(settings.deployment)});
  const QStringList values = lines[1].split(',');
  const auto at = [&](const char* name) {
    return values.value(names.indexOf(QLatin1String(name))).toStdString();
  };
  for (const char* key :
       {"memory_bytes", "kv_bytes_per_sequence", "max_batch", "decode_ms", "prefill_ms", "tpot_ms"})
    EXPECT_EQ(at(key), json[key].dump()) << key;
  EXPECT_EQ(at("decode_split_attention_ms"), json["decode_split"]["attention_ms"].dump());
  EXPECT_EQ(at("device"), "H100 SXM");
}

TEST(DevicesViewTest, ASelectedPlanSetsTheControls) {
  const TemporaryFolder folder;
  std::vector<RunRef> refs;
  {
    Store store = Store::open_for_writing(folder / "results.db");
    for (const char* policy : {"full", "razor"}) {
      auto record = on_device<PlanRecord>(policy);
      record.deployment.shape = find_shape("test", "qwen3-14b");
      record.model.shape = record.deployment.shape;
      record.deployment.utilisation = 0.8;
      record.request = {5000, 100, 3, 2048};
      refs.push_back({true, store.add_plan(record)});
    }
  }
  OpenedView opened(make_devices_view, folder / "results.db");
  opened.select(refs);
  const QJsonObject state = opened.view().saveState();
  EXPECT_EQ(state["model"], "qwen3-14b");
  EXPECT_EQ(state["devices"], "L40S");
  EXPECT_EQ(state["context"], 5000);
  EXPECT_EQ(state["batch"], 3);
  EXPECT_DOUBLE_EQ(state["utilisation"].toDouble(), 0.8);
  ASSERT_EQ(memory(opened).bars().size(), 2U);
  EXPECT_TRUE(memory(opened).bars()[1].label.startsWith("razor"));
}

/// A view that was not shown yet, and a database with a plan.
struct UnseenDevices {
  UnseenDevices() {
    auto record = on_device<PlanRecord>("razor");
    record.deployment.shape = find_shape("test", "qwen3-14b");
    record.model.shape = record.deployment.shape;
    record.request = {5000, 100, 3, 2048};
    plan = {true, Store::open_for_writing(folder / "results.db").add_plan(record)};
    explorer.open(QString::fromStdString((folder / "results.db").string()));
    EXPECT_TRUE(QTest::qWaitFor([&] { return explorer.snapshot() != nullptr; }, 10'000));
  }
  QJsonValue contextShown() {
    view->show();
    EXPECT_TRUE(QTest::qWaitFor([&] { return !view->isBusy(); }, 20'000));
    return view->saveState()["context"];
  }

  TemporaryFolder folder;
  RunRef plan;
  Explorer explorer;
  std::unique_ptr<View> view = std::unique_ptr<View>(make_devices_view(explorer, nullptr));
};

TEST(DevicesViewTest, APlanThatWasSelectedBeforeTheViewIsSeenSetsTheControls) {
  UnseenDevices fresh;
  fresh.view->restoreState({});
  fresh.explorer.select({fresh.plan});
  EXPECT_EQ(fresh.contextShown(), 5000);
  UnseenDevices of_session;
  of_session.view->restoreState({{"context", 777}});
  of_session.explorer.select({of_session.plan});
  EXPECT_EQ(of_session.contextShown(), 5000) << "selected after the session came back";
  UnseenDevices recalled;
  recalled.explorer.select({recalled.plan});
  recalled.view->restoreState({{"context", 777}});
  EXPECT_EQ(recalled.contextShown(), 777) << "recalled after the selection";
}

TEST(DevicesViewTest, SlidersTellTheirNumbers) {
  OpenedView opened(make_devices_view);
  opened.control<QSlider>("Context").setValue(32);  // 256 · 2^4
  EXPECT_EQ(opened.control<QSlider>("Context").accessibleDescription(),
            opened.control<QSpinBox>("Context").text());
  EXPECT_TRUE(opened.control<QSlider>("Context").accessibleDescription().endsWith("096"));
}

TEST(DevicesViewTest, TakesThePoliciesOfSelectedRuns) {
  const TemporaryFolder folder;
  Store store = Store::open_for_writing(folder / "results.db");
  const int64_t id = store.add_replay(record_of("window:recent=100"));
  OpenedView opened(make_devices_view, folder / "results.db");
  opened.select({{false, id}});
  for (QToolButton* button : opened.view().findChildren<QToolButton*>()) {
    if (button->text() == "Of selected runs") button->click();
  }
  opened.settle();
  ASSERT_EQ(memory(opened).bars().size(), 1U);
  EXPECT_TRUE(memory(opened).bars()[0].label.startsWith("window"));
}

TEST(DevicesViewTest, StateComesBackAndJunkDoesNot) {
  OpenedView opened(make_devices_view);
  const QJsonObject before = opened.view().saveState();
  opened.view().restoreState(
      {{"devices", 3}, {"context", -5}, {"tp", "many"}, {"policies", QJsonArray()}, {"batch", 1e300}});
  opened.settle();
  EXPECT_EQ(opened.view().saveState()["devices"], "H100 SXM");
  EXPECT_EQ(memory(opened).bars().size(), 4U);
  opened.view().restoreState(before);
  EXPECT_EQ(opened.view().saveState(), before);
}

TEST(DevicesViewTest, HidingAPartShortensBars) {
  OpenedView opened(make_devices_view);
  BarChart& chart = memory(opened);
  const double before = chart.rectOf(0, 1).left() - chart.plot().axisRect()->left();
  chart.setHidden({"weights"});
  opened.settle();
  EXPECT_LT(chart.rectOf(0, 1).left() - chart.plot().axisRect()->left(), before - 5.0);
  EXPECT_EQ(chart.legendTexts().size(), 5);
}

}  // namespace
}  // namespace razorscope::testing
