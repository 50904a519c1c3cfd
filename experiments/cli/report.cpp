#include "experiments/store/report.hpp"

#include <fmt/format.h>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/store/figure.hpp"
#include "experiments/store/store.hpp"
#include "experiments/store/write_file.hpp"
#include "models/base/error.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string db;
  std::string format = "table";
  std::string trace;
  std::string section;
  std::string figure;
};

ReportData read_data(const Options& options, const std::filesystem::path& db) {
  Store store = Store::open_read_only(db);
  ReportData data;
  data.replay = store.tradeoff();
  if (!options.trace.empty()) {  // only replays are made on traces
    const std::string hash = Trace(options.trace).content_hash();
    std::erase_if(data.replay, [&](const TradeoffRow& row) { return row.trace_hash != hash; });
    return data;
  }
  data.closed_loop = store.closed_loop();
  data.tasks = store.tasks();
  data.ladder = store.ladder();
  data.serving = store.serving_rows();
  data.max_rates = store.max_rates();
  data.plans = store.capacity();
  return data;
}

std::vector<CurveGroup> curves_of(const ReportData& data, ReportSection section) {
  switch (section) {
    case ReportSection::replay:
      return curve_groups(data.replay);
    case ReportSection::eval:
      return curve_groups(data.closed_loop);
    case ReportSection::tasks:
      return curve_groups(data.tasks);
    case ReportSection::serving:
    case ReportSection::plans:
      break;
  }
  throw InputError("--figure",
                   "draws curves over the share of bytes; allowed --section: replay, eval, tasks");
}

void run(const Options& options) {
  const ReportFormat format = options.common.json ? ReportFormat::json : report_format(options.format);
  std::optional<ReportSection> section;
  if (!options.section.empty()) section = report_section(options.section);
  const std::filesystem::path db = results_database(options.db);
  const ReportData data = read_data(options, db);
  if (data.empty(section)) {
    throw InputError(db.string(), options.section.empty()
                                      ? "holds no runs to report; `razorscope replay` and `eval` add some"
                                      : fmt::format("holds no runs for --section {}", options.section));
  }
  if (options.figure.empty()) {
    fmt::print("{}", format_whole_report(data, format, section));
    return;
  }
  write_file(options.figure, curves_svg(curves_of(data, section.value_or(ReportSection::eval))));
  fmt::print(stderr, "figure written to {}\n", options.figure);
}

}  // namespace

void add_report(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, "report", "tables, curves and figures of stored runs",
                                  "razorscope report --db results.db --format md");
  add_database_option(*command, options->db);
  command->add_option("--format", options->format, "table, md, csv or json")->capture_default_str();
  command->add_option("--section", options->section,
                      "replay, eval, tasks, serving or plans alone; default all, of csv and --figure one: "
                      "replay, eval");
  command->add_option("--trace", options->trace, "only replays of this trace");
  command->add_option("--figure", options->figure,
                      "write the section's curves over the share of bytes to this SVG file instead");
  add_common_options(*command, options->common);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
