#include "experiments/store/report_curves.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "experiments/store/figures/tradeoff_figure.hpp"
#include "experiments/store/report.hpp"
#include "experiments/store/report_ladder.hpp"
#include "experiments/store/store.hpp"
#include "experiments/store/write_file.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

/// Two policies at three shares, one of them lacking the smallest; replays, evaluations and a task that the
/// model can do, and one that it cannot.
ReportData sample() {
  const TemporaryFolder folder;
  Store store = Store::open_for_writing(folder / "results.db");
  double figure = 0.01;
  int correct = 38;
  for (const double share : {0.3, 0.15, 0.05}) {
    for (const std::string asked : {"window:recent=508", "razor:recent=252+q8_0"}) {
      if (share == 0.05 && asked.starts_with("razor")) continue;
      const int size = static_cast<int>(1000 * share);
      const std::string solved = asked.starts_with("razor") ? fmt::format("razor:recent={}+q8_0", size)
                                                            : fmt::format("window:recent={}", size);
      ReplayRecord replay = at_share(record_of(solved, 6, 2 * figure), asked, share);
      replay.result.lost_mass_mean = figure;
      store.add_replay(replay);
      store.add_eval(at_share(eval_of(solved, figure), asked, share));
      store.add_task(at_share(task_of(asked, correct), asked, share));
      TaskRecord cannot = at_share(task_of(asked, 1), asked, share);
      cannot.settings.task = "multi-query";
      cannot.full_accuracy = 0.075;
      cannot.model_can = false;
      store.add_task(cannot);
      figure *= 2;
      correct -= 5;
    }
  }
  store.add_eval(eval_of("full+f32", 0.0));
  return {store.tradeoff(), store.closed_loop(), store.tasks(), store.ladder()};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// The first line that begins with `start`.
std::string line_with(const std::string& text, const std::string& start) {
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with(start)) return line;
  }
  return "";
}

void expect_fragments(const std::string& text, const std::vector<std::string>& fragments) {
  for (const std::string& fragment : fragments)
    EXPECT_NE(text.find(fragment), std::string::npos) << "'" << fragment << "' is missing in:\n" << text;
}

size_t count(const std::string& text, const std::string& fragment) {
  size_t found = 0;
  for (size_t at = text.find(fragment); at != std::string::npos; at = text.find(fragment, at + 1)) ++found;
  return found;
}

TEST(ReportCurvesTest, PutsRunsThatDifferInTheShareOnOneCurve) {
  const std::vector<CurveGroup> groups = curve_groups(sample().closed_loop);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].shares, (std::vector<double>{0.3, 0.15, 0.05}));
  ASSERT_EQ(groups[0].curves.size(), 2U);  // without full+f32, which has no share
  const auto window = std::find_if(groups[0].curves.begin(), groups[0].curves.end(),
                                   [](const Curve& curve) { return curve.policy.starts_with("window"); });
  ASSERT_NE(window, groups[0].curves.end());
  ASSERT_EQ(window->points.size(), 3U);
  EXPECT_EQ(window->points[0].share, 0.3);
  EXPECT_EQ(window->points[0].value, 0.01);
  EXPECT_EQ(window->points[2].value, 0.16);
  EXPECT_EQ(window->points[2].interval->high, 0.32);
  expect_fragments(groups[0].heading,
                   {"harbour.txt", "prefix 1536 tokens", "256 steps", "n = 256 scored rows"});
}

TEST(ReportCurvesTest, KeepsCurvesOfDifferentSettingsApart) {
  ReportData data = sample();
  const std::vector<CurveGroup> tasks = curve_groups(data.tasks);
  ASSERT_EQ(tasks.size(), 1U);  // without the task that the model cannot do
  expect_fragments(tasks[0].heading, {"needle", "contexts of 512, 1024 tokens", "n = 40 questions", "Wilson",
                                      "full+f32: 38 of 40"});
  data.tasks.front().settings_json = "{}";
  data.closed_loop.back().prefix = 7;
  data.replay.front().steps = 7;
  EXPECT_EQ(curve_groups(data.closed_loop).size(), 2U);
  EXPECT_EQ(curve_groups(data.replay).size(), 2U);
}

TEST(ReportCurvesTest, ShowsAColumnForEachShare) {
  ReportData data = sample();
  const auto odd =
      std::find_if(data.closed_loop.begin(), data.closed_loop.end(), [](const ClosedLoopRow& row) {
        return row.equal_bytes_share == 0.15 && row.policy.starts_with("window");
      });
  odd->kl_to_full.interval.reset();
  const std::string text = format_whole_report(data, ReportFormat::table, ReportSection::eval);
  expect_fragments(text, {"KL(full || policy) of the next token (nats) [95 % interval]: ", "30 %", "15 %",
                          "5 %", "0.01 [0.005, 0.02]", "0.04 too few", "0.16 [0.08, 0.32]"});
  const std::string razor = line_with(text, "razor/weighted:recent=252+q8_0");
  EXPECT_TRUE(razor.ends_with("  -")) << razor;
  // Behind the curves, one detailed table per share, and one at fixed parameters.
  EXPECT_EQ(count(text, "NLL - full  "), 4U) << text;
  expect_fragments(
      text, {"equal bytes (at most 2.9 KiB, 30 % of full+f16)", "full+f32: NLL 2.5000 [2.0000, 3.0000]",
             "95 % bootstrap over 8 blocks of 32 steps", "full+f32 "});
}

TEST(ReportCurvesTest, ShowsNoCurveOfOneShare) {
  ReportData data = sample();
  std::erase_if(data.replay, [](const TradeoffRow& row) { return row.equal_bytes_share != 0.3; });
  EXPECT_EQ(format_curves(curve_groups(data.replay), TextStyle::plain), "");
  EXPECT_NE(format_curves(curve_groups(sample().replay), TextStyle::plain), "");
}

TEST(ReportCurvesTest, SaysWhatTheModelCannotDo) {
  const ReportData data = sample();
  const std::string text = format_whole_report(data, ReportFormat::table);
  expect_fragments(
      text, {"multi-query, tiny, \"quoted\" model, harbour.txt, contexts of 512, 1024 tokens",
             "the model cannot do this task with the full cache (3 of 40)", "0.950 [0.500, 0.875]", "38/40"});
  EXPECT_EQ(text.find("1/40"), std::string::npos);
}

TEST(ReportCurvesTest, HasFourSectionsOrTheOneAskedFor) {
  const ReportData data = sample();
  const std::string all = format_whole_report(data, ReportFormat::markdown);
  for (const std::string title : {"Replay", "Closed loop", "Tasks", "Ladder"}) {
    EXPECT_EQ(count(all, "\n## " + title) + (all.starts_with("## " + title) ? 1 : 0), 1U) << title;
  }
  const std::string tasks = format_whole_report(data, ReportFormat::markdown, ReportSection::tasks);
  EXPECT_EQ(count(tasks, "## "), count(tasks, "### ") + 1);
  EXPECT_EQ(format_whole_report({}, ReportFormat::table), "No runs are stored.\n");
  EXPECT_EQ(report_section("eval"), ReportSection::eval);
  expect_input_error([] { report_section("evl"); }, {"--section", "evl", "replay", "tasks"});
  for (const char* name : {"replay", "eval", "tasks", "ladder", "rates", "serving", "plans"}) {
    const std::string csv = format_whole_report({}, ReportFormat::csv, report_section(name));
    EXPECT_EQ(lines_of(csv).size(), 1U) << name;  // the names of its columns
  }
  EXPECT_EQ(lines_of(format_whole_report(data, ReportFormat::csv, ReportSection::ladder)).size(),
            1 + data.ladder.size());
}

TEST(ReportCurvesTest, MarkdownTablesHaveAsManyCellsInEachRow) {
  const std::string text = format_whole_report(sample(), ReportFormat::markdown);
  std::ptrdiff_t columns = 0;
  for (const std::string& line : lines_of(text)) {
    const auto bars = std::count(line.begin(), line.end(), '|');
    if (!line.starts_with("| ")) {
      columns = 0;
      continue;
    }
    if (columns != 0) {
      EXPECT_EQ(bars, columns) << line;
    }
    columns = bars;
  }
}

TEST(ReportCurvesTest, WritesJsonAndCsvOfEachSection) {
  const ReportData data = sample();
  const nlohmann::json json = nlohmann::json::parse(format_whole_report(data, ReportFormat::json));
  EXPECT_EQ(json["groups"].size(), 3U);
  ASSERT_EQ(json["closed_loop"].size(), 4U);
  for (const char* key :
       {"policy", "nll", "nll_low", "nll_high", "nll_difference", "kl_to_full", "kl_low", "kl_high",
        "top1_agreement", "bytes_logical", "bytes_physical", "bytes_read_per_step"}) {
    EXPECT_TRUE(json["closed_loop"][0]["policies"][0].contains(key)) << key;
  }
  EXPECT_EQ(json["closed_loop"][0]["n"], 256);
  ASSERT_EQ(json["tasks"].size(), 6U);
  for (const char* key : {"policy", "accuracy", "n", "low", "high", "bytes_logical"}) {
    EXPECT_TRUE(json["tasks"][0]["policies"][0].contains(key)) << key;
  }
  EXPECT_EQ(json["tasks"][0]["settings"]["lengths"][0], 512);
  EXPECT_EQ(json["ladder"][0]["correlations"].size(), 16U);
  EXPECT_EQ(json["ladder"][0]["rows"].size(), 5U);
  EXPECT_EQ(lines_of(format_whole_report(data, ReportFormat::csv)).size(), 1 + data.replay.size());
  for (const ReportSection section : {ReportSection::replay, ReportSection::eval, ReportSection::tasks}) {
    const std::vector<std::string> lines = lines_of(format_whole_report(data, ReportFormat::csv, section));
    EXPECT_NE(lines[0].find(",equal_bytes_share,requested_policy,"), std::string::npos) << lines[0];
    EXPECT_GT(lines.size(), 5U);
  }
}

LadderRow ladder_row(double lost_mass, double kl) {
  LadderRow row;
  row.model = "tiny";
  row.text = "harbour.txt";
  row.lost_mass_mean = lost_mass;
  row.kl_to_full = kl;
  return row;
}

TEST(ReportLadderTest, CorrelatesRanksOfEnoughPairs) {
  std::vector<LadderRow> rows;
  for (int i = 0; i < 8; ++i) rows.push_back(ladder_row(0.1 * i, i == 7 ? 0.0 : i + 1.0));
  rows[0].needle_accuracy = 1.0;
  const std::vector<LadderGroup> groups = ladder_groups(rows);
  ASSERT_EQ(groups.size(), 1U);
  const LadderCorrelation& first = groups[0].correlations.front();
  EXPECT_EQ(first.cheap, "lost_mass_mean");
  EXPECT_EQ(first.dear, "kl_to_full");
  EXPECT_EQ(first.pairs, 8U);
  // Ranks 1..8 against 2..8, 1: sum d^2 = 7 + 49; 1 - 6·56/504.
  EXPECT_DOUBLE_EQ(first.spearman.value(), 1.0 - 6.0 * 56.0 / 504.0);
  EXPECT_EQ(groups[0].correlations[1].dear, "nll_difference");
  EXPECT_FALSE(groups[0].correlations[1].spearman.has_value());  // all equal
  EXPECT_EQ(groups[0].correlations[2].pairs, 1U);

  ReportData data;
  data.ladder = rows;
  const std::string text = format_whole_report(data, ReportFormat::table);
  expect_fragments(text, {"+0.33 (n = 8)", "all equal (n = 8)", "too few pairs (n < 8)", "n = 8 pairs"});
  data.ladder.pop_back();
  EXPECT_EQ(format_whole_report(data, ReportFormat::table).find("(n = 7)"), std::string::npos);
  data.ladder.front().prefix = 7;
  EXPECT_EQ(ladder_groups(data.ladder).size(), 2U);
}

TEST(ReportFigureTest, DrawsALinePerPolicyWithItsIntervals) {
  ReportData data = sample();
  for (ClosedLoopRow& row : data.closed_loop) row.text = "a <b> & c";
  const std::string svg = curves_svg(curve_groups(data.closed_loop));
  EXPECT_TRUE(svg.starts_with("<?xml")) << svg.substr(0, 100);
  EXPECT_EQ(count(svg, "<polyline"), 2U);
  // Each family has its own marker: razor's two points and window's three, and one each in the legend.
  EXPECT_EQ(count(svg, "<circle"), 2U + 1U);
  EXPECT_EQ(count(svg, "<path"), 3U + 1U);
  expect_fragments(svg, {"fill=\"#ffffff\"", "#d55e00", "#009e73", "razor/weighted:recent=252+q8_0",
                         "window:recent=508+f16", "n = 256 scored rows", "a &lt;b&gt; &amp; c", ">30 %<",
                         ">5 %<", "(nats), logarithmic", "at 30 %: 0.01 [0.005, 0.02]"});
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  EXPECT_EQ(count(svg, "<svg"), 1U);
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
}

TEST(ReportFigureTest, LeavesOutWhatHasNoPlaceOnALogarithmicAxis) {
  ReportData data = sample();
  for (ClosedLoopRow& row : data.closed_loop) {
    if (row.equal_bytes_share == 0.3) row.kl_to_full = {0.0, Interval{0.0, 0.0}};
    if (row.equal_bytes_share == 0.15) row.kl_to_full.interval->low = -0.001;
  }
  const std::string svg = curves_svg(curve_groups(data.closed_loop));
  expect_fragments(svg, {"2 points at 0 have no place on a logarithmic"});
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  EXPECT_EQ(count(svg, "<circle") + count(svg, "<path"), 3U + 2U);
}

TEST(ReportFigureTest, DrawsAccuracyAndMoreThanOneGroup) {
  ReportData data = sample();
  for (TaskRow& row : data.tasks) row.model_can = true;
  const std::string svg = curves_svg(curve_groups(data.tasks));
  EXPECT_EQ(count(svg, "at equal bytes</text>"), 2U);
  expect_fragments(svg, {">0.2<", ">1<", "accuracy (share of questions answered)"});
  expect_input_error([] { curves_svg({}); }, {"--figure", "--equal-bytes"});
}

TEST(ReportFigureTest, IsWrittenWholeOrNotAtAll) {
  const TemporaryFolder folder;
  write_file(folder / "a.svg", "one");
  write_file(folder / "a.svg", "two");
  EXPECT_EQ(read_bytes(folder / "a.svg"), "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  expect_input_error([&] { write_file(folder / "none" / "a.svg", "x"); }, {"a.svg", "cannot be written"});
  expect_input_error([&] { write_file(folder.path(), "x"); }, {"regular file"});
}

}  // namespace
}  // namespace razorscope::testing
