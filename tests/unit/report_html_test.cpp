#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <set>
#include <string>

#include "experiments/store/figures/bar_figures.hpp"
#include "experiments/store/figures/bounds.hpp"
#include "experiments/store/figures/latency_figure.hpp"
#include "experiments/store/figures/palette.hpp"
#include "experiments/store/figures/pareto_figure.hpp"
#include "experiments/store/figures/plot.hpp"
#include "experiments/store/figures/tradeoff_figure.hpp"
#include "experiments/store/html/html_report.hpp"
#include "experiments/store/store.hpp"
#include "policies/policy.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

size_t count(const std::string& text, const std::string& fragment) {
  size_t found = 0;
  for (size_t at = text.find(fragment); at != std::string::npos; at = text.find(fragment, at + 1)) ++found;
  return found;
}

TradeoffRow replay_row(int64_t id, const std::string& policy, int64_t bytes, double error) {
  TradeoffRow row;
  row.run_id = id;
  row.model = "tiny";
  row.text = "harbour.txt";
  row.policy = policy;
  row.requested_policy = policy;
  row.physical_bytes = bytes;
  row.full_f16_bytes = 1000;
  row.relative_error_mean = error;
  return row;
}

ServingRow serving_row(const std::string& policy, double rate, double ttft) {
  ServingRow row;
  row.model = "llama";
  row.device = "L40S";
  row.policy = policy;
  row.rate = rate;
  row.workload_pattern = "poisson";
  row.level.ttft = 2.0;
  row.result.ttft = {ttft, ttft, 2 * ttft, 4 * ttft, 5 * ttft};
  row.result.tpot = {0.02, 0.02, 0.03, 0.04, 0.05};
  return row;
}

TEST(PaletteTest, GivesEachFamilyALookOfItsOwn) {
  std::set<std::pair<std::string_view, Marker>> looks;
  for (const PolicyStyle& style : policy_styles()) looks.insert({style.paint.light, style.marker});
  EXPECT_EQ(looks.size(), policy_styles().size());
  for (const SelectionEntry& entry : selection_registry())
    EXPECT_EQ(policy_style(entry.name).paint.name, entry.name) << "a selection without a colour";
  EXPECT_EQ(policy_style("razor/scope:epsilon=0.1+q8_0").paint.name, "razor");
  EXPECT_EQ(policy_style("of-a-newer-program").paint.name, "other");
  EXPECT_EQ(sequential_colour(-1.0), sequential_colour(0.0));
  EXPECT_EQ(sequential_colour(1.0), "#ffea46");
}

TEST(PlotTest, HasRoundTicks) {
  EXPECT_EQ(round_ticks({.label = "", .low = 0.0, .high = 10.0}), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(round_ticks({.label = "", .low = 0.09, .high = 1.1, .logarithmic = true}),
            (std::vector<double>{0.1, 0.2, 0.5, 1.0}));
  EXPECT_LE(round_ticks({.label = "", .low = 1e-30, .high = 1.0, .logarithmic = true}).size(), 16U);
  EXPECT_GE(round_ticks({.label = "", .low = 0.9, .high = 1.1, .logarithmic = true}).size(), 3U);
  Range range(true);
  range.add(0.0);  // has no place
  EXPECT_GT(range.axis("").low, 0.0);
}

TEST(ParetoTest, FindsWhatNoOtherBeats) {
  const std::vector<TradeoffRow> rows = {
      replay_row(1, "full+f16", 1000, 0.0), replay_row(2, "window:recent=8", 100, 0.5),
      replay_row(3, "razor", 100, 0.4),     replay_row(4, "occam", 500, 0.4),
      replay_row(5, "h2o", 400, 0.1),       replay_row(6, "tova", 400, 0.1),
      replay_row(7, "full+f32", 2000, 0.0)};
  const std::vector<ParetoGroup> groups = pareto_groups(rows);
  ASSERT_EQ(groups.size(), 1U);
  std::vector<int64_t> front;
  for (const ParetoPoint& point : groups[0].front()) front.push_back(point.run_id);
  EXPECT_EQ(front, (std::vector<int64_t>{3, 5, 6, 1}));  // equal ones together
  EXPECT_EQ(groups[0].full_f16_bytes, 1000.0);

  std::vector<TaskRow> tasks(3);
  for (TaskRow& task : tasks) task.model_can = true;
  tasks[0].accuracy = 0.5;
  tasks[1].accuracy = 0.9;
  tasks[1].physical_bytes = 10.0;
  tasks[2].accuracy = 0.4;
  tasks[2].physical_bytes = 20.0;
  EXPECT_EQ(pareto_groups(tasks)[0].front().size(), 2U);  // more is better
}

TEST(FiguresTest, AreBoundedAndSaySo) {
  std::vector<TradeoffRow> rows;
  for (int i = 0; i < 5000; ++i) {
    TradeoffRow row = replay_row(i + 1, fmt::format("window:recent={}", i), 10 + i, 1.0 / (1 + i % 700));
    row.equal_bytes_share = i % 2 == 0 ? 0.1 : 0.2;
    row.prefix = i % 20;
    rows.push_back(row);
  }
  const Figures curves = tradeoff_figures(curve_groups(rows));
  EXPECT_EQ(curves.figures.size(), most_figures);
  EXPECT_NE(curves.left_out.find("12 more groups"), std::string::npos);
  EXPECT_EQ(count(curves.figures[0].body, "<polyline"), most_curves);
  EXPECT_NE(curves.figures[0].caption.find("12 policies of 250"), std::string::npos);

  for (TradeoffRow& row : rows) row.prefix = 0;
  const Figures fronts = pareto_figures(pareto_groups(rows));
  ASSERT_EQ(fronts.figures.size(), 1U);
  EXPECT_LT(fronts.figures[0].body.size(), 300'000U);
  EXPECT_NE(fronts.figures[0].caption.find("of 5000 runs"), std::string::npos);
}

TEST(FiguresTest, DrawLatencyAgainstLoadWhereThereAreTwoRates) {
  std::vector<ServingRow> rows = {serving_row("full+f16", 1.0, 0.1), serving_row("full+f16", 4.0, 3.0),
                                  serving_row("razor", 1.0, 0.1), serving_row("razor", 4.0, 0.4)};
  const Figures figures = latency_figures(rows);
  ASSERT_EQ(figures.figures.size(), 1U);
  EXPECT_EQ(count(figures.figures[0].body, "<polyline"), 2U * 2 * 3);  // plots, policies, percentiles
  EXPECT_NE(figures.figures[0].body.find("TTFT p99 12000 ms"), std::string::npos);
  EXPECT_NE(figures.figures[0].body.find("s-warning"), std::string::npos);  // the limit
  rows.resize(1);
  EXPECT_TRUE(latency_figures(rows).figures.empty());
}

TEST(FiguresTest, DrawMemoryThatDoesNotFit) {
  std::vector<CapacityRow> rows(2);
  for (CapacityRow& row : rows) {
    row.device = "L40S";
    row.policy = "full+f16";
    row.memory_bytes = 48e9;
    row.weights_bytes = 16e9;
    row.kv_bytes_per_sequence_rank = 40e9;
  }
  rows[1].fits = true;
  rows[1].kv_bytes_per_sequence_rank = 4e9;
  const Figures figures = memory_figures(rows);
  ASSERT_EQ(figures.figures.size(), 1U);
  EXPECT_EQ(count(figures.figures[0].body, ">does not fit<"), 1U);
}

/// What a browser needs to show the page as it is meant.
void expect_whole_page(const std::string& html) {
  EXPECT_TRUE(html.starts_with("<!DOCTYPE html>"));
  EXPECT_TRUE(html.ends_with("</html>\n"));
  for (const char* forbidden : {"<script", "http://", "https://", "src=", "@import", "url("})
    EXPECT_EQ(html.find(forbidden), std::string::npos) << forbidden;
  for (const char* tag : {"svg", "figure", "table", "details", "section", "th", "p", "text"}) {
    const std::string open = fmt::format("<{}", tag);
    EXPECT_EQ(count(html, open + ">") + count(html, open + " "), count(html, fmt::format("</{}>", tag)))
        << tag;
  }
  // Each id once; each link of the contents and each label has its target.
  std::set<std::string> ids;
  for (size_t at = html.find(" id=\""); at != std::string::npos; at = html.find(" id=\"", at + 1)) {
    const size_t begin = at + 5;
    const std::string id = html.substr(begin, html.find('"', begin) - begin);
    EXPECT_TRUE(ids.insert(id).second) << id;
  }
  for (size_t at = html.find("href=\"#"); at != std::string::npos; at = html.find("href=\"#", at + 1)) {
    const size_t begin = at + 7;
    EXPECT_TRUE(ids.contains(html.substr(begin, html.find('"', begin) - begin)));
  }
  EXPECT_EQ(count(html, "role=\"img\""), count(html, "<svg"));
}

TEST(HtmlReportTest, IsOneWholePageWithEscapedNames) {
  const TemporaryFolder folder;
  Store store = Store::open_for_writing(folder / "results.db");
  for (const double share : {0.3, 0.1}) {
    ReplayRecord replay =
        at_share(record_of(fmt::format("window:recent={}", 1000 * share)), "window:recent=508", share);
    replay.text = {"<script>alert(\"1\")</script> & co", "t9"};
    replay.model.shape.name = "a \"quoted\" <model>";
    store.add_replay(replay);
    store.add_eval(
        at_share(eval_of(fmt::format("window:recent={}", 1000 * share)), "window:recent=508", share));
    store.add_task(at_share(task_of("window:recent=508"), "window:recent=508", share));
  }
  HtmlReport report;
  report.title = "<b> & \"results\".db";
  report.data = {store.tradeoff(), store.closed_loop(), store.tasks(), store.ladder()};
  report.data.serving = {serving_row("full+f16", 1.0, 0.1), serving_row("full+f16", 4.0, 3.0)};
  report.data.plans.resize(1);
  report.heads = read_head_atlases(store, report.data.replay);
  report.origins = store.run_origins();
  const std::string html = html_report(report);
  expect_whole_page(html);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  for (const char* part : {"&lt;script&gt;", "<title>&lt;b&gt; &amp; &quot;results&quot;.db</title>",
                           "What was measured", "Pareto front", "Head atlas", "Latency against load",
                           "Memory of a device", "95 % Wilson interval", "prefers-color-scheme: dark",
                           "scope=\"col\"", "<desc id=", "no retrieval heads are outlined", ">abc<"})
    EXPECT_NE(html.find(part), std::string::npos) << part;
}

TEST(HtmlReportTest, HasAllTablesOfMarkdown) {
  ReportData data;
  for (int i = 0; i < 100; ++i)
    data.replay.push_back(replay_row(i + 1, fmt::format("window:recent={}", i + 1), 10 + i, 0.1));
  const std::string html = format_whole_report(data, ReportFormat::html);
  expect_whole_page(html);
  EXPECT_EQ(count(html, "<details><summary>100 rows"), 1U);
  EXPECT_NE(html.find("window:recent=100+f16"), std::string::npos);
  expect_whole_page(format_whole_report({}, ReportFormat::html));
}

}  // namespace
}  // namespace razorscope::testing
