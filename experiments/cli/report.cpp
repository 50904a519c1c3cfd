#include "experiments/store/report.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/report_options.hpp"
#include "experiments/store/compare/comparison.hpp"
#include "experiments/store/head_intervals.hpp"
#include "experiments/store/html/html_report.hpp"
#include "experiments/store/store.hpp"
#include "experiments/store/write_file.hpp"
#include "models/base/error.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string db;
  std::string format = "table";
  std::string out;
  std::string section;
  std::string figure;
  std::string plot = "tradeoff";
  std::vector<std::string> compare;
  bool fail_on_difference = false;
  RunChoice choice;

  ReportFormat report_format() const {
    return common.json ? ReportFormat::json : razorscope::report_format(format);
  }
  std::optional<ReportSection> report_section() const {
    return section.empty() ? std::nullopt : std::optional(razorscope::report_section(section));
  }
};

/// To the file where one is named, else to stdout.
void put(const std::string& text, const std::string& file) {
  if (file.empty()) {
    fmt::print("{}", text);
    return;
  }
  write_file(file, text);
  fmt::print(stderr, "written to {}\n", file);
}

std::string whole_report(Store& store, ReportData data, ReportFormat format,
                         std::optional<ReportSection> section) {
  // Of all formats only these two print them, and many replays have a million heads.
  const bool has_intervals = format == ReportFormat::json || format == ReportFormat::csv;
  if (has_intervals && section.value_or(ReportSection::replay) == ReportSection::replay)
    read_head_intervals(store, data.replay);
  if (format != ReportFormat::html) return format_whole_report(data, format, section);
  HtmlReport report;
  report.title = fmt::format("Razorscope report: {}", store.path().filename().string());
  report.data = section ? data.only(*section) : std::move(data);
  report.heads = read_head_atlases(store, report.data.replay);
  report.origins = store.run_origins();
  return html_report(report);
}

void report(const Options& options) {
  const ReportFormat format = options.report_format();
  const std::optional<ReportSection> section = options.report_section();
  Store store = Store::open_read_only(results_database(options.db));
  ReportData data = read_runs(store, options.choice);
  if (data.empty(section)) {
    throw InputError(store.path().string(),
                     options.section.empty()
                         ? "holds no runs to report; `razorscope replay` and `eval` add some"
                         : fmt::format("holds no runs for --section {}", options.section));
  }
  if (options.figure.empty()) {
    put(whole_report(store, std::move(data), format, section), options.out);
  } else {
    write_file(options.figure, plotted(store, data, options.plot, section));
    fmt::print(stderr, "figure written to {}\n", options.figure);
  }
}

/// The runs of one of two databases that are compared: what meets no criterion here may do so in the other.
ReportData read_side(Store& store, const RunChoice& choice, std::optional<ReportSection> section,
                     std::optional<InputError>& problem) {
  try {
    ReportData data = read_runs(store, choice);
    return section ? data.only(*section) : data;
  } catch (const InputError& error) {
    problem = error;
    return {};
  }
}

void compare(const Options& options) {
  if (!options.figure.empty())
    throw InputError("--figure", "draws one database's runs; --compare has no figure");
  if (options.compare.size() == 2 && !options.db.empty())
    throw InputError("--compare", "A.db B.db, or --db A.db --compare B.db");
  const bool both = options.compare.size() == 2;
  const ReportFormat format = options.report_format();
  const std::optional<ReportSection> section = options.report_section();
  Store a = Store::open_read_only(results_database(both ? options.compare.front() : options.db));
  Store b = Store::open_read_only(options.compare.back());
  std::optional<InputError> problem_a;
  std::optional<InputError> problem_b;
  const ReportData runs_of_a = read_side(a, options.choice, section, problem_a);
  const ReportData runs_of_b = read_side(b, options.choice, section, problem_b);
  if (problem_a && problem_b) throw *problem_a;
  const Comparison comparison = compare_stores(a, runs_of_a, b, runs_of_b);
  put(format_comparison(comparison, format), options.out);
  if (options.fail_on_difference && comparison.differs())
    throw std::runtime_error(fmt::format("{} and {} differ", comparison.a, comparison.b));
}

void run(const Options& options) {
  if (!options.compare.empty()) return compare(options);
  if (options.fail_on_difference) throw InputError("--fail-on-difference", "goes with --compare");
  report(options);
}

}  // namespace

void add_report(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, "report", "tables, curves and figures of stored runs, or of two databases",
                  "razorscope report --db results.db --format html --out report.html");
  add_database_option(*command, options->db);
  command->add_option("--format", options->format, "table, md, csv, json or html")->capture_default_str();
  command->add_option("--out", options->out, "write the report to this file instead of stdout");
  command->add_option(
      "--section,--kind", options->section,
      "replay, eval, tasks, ladder, rates, serving or plans alone; default all, of csv replay");
  add_run_choice(*command, options->choice);
  command->add_option("--figure", options->figure, "write a figure to this SVG file instead");
  command
      ->add_option(
          "--plot", options->plot,
          "what --figure shows: tradeoff (curves over the share of bytes) or pareto, of --section replay, "
          "eval (the default) or tasks; heads, tasks, latency or memory")
      ->capture_default_str();
  command
      ->add_option(
          "--compare", options->compare,
          "A.db B.db, or B.db with --db A.db: pairs the runs of two databases and shows what changed by more "
          "than its interval")
      ->expected(1, 2);
  command->add_flag("--fail-on-difference", options->fail_on_difference,
                    "exit code 1 where --compare finds a change, or a run that only one has");
  add_common_options(*command, options->common);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
