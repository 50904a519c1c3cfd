#include "experiments/store/report.hpp"

#include <fmt/format.h>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/store/store.hpp"
#include "models/base/error.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string db;
  std::string format = "table";
  std::string trace;
};

void run(const Options& options) {
  const ReportFormat format = options.common.json ? ReportFormat::json : report_format(options.format);
  const std::filesystem::path db = results_database(options.db);
  std::vector<TradeoffRow> rows = Store::open_read_only(db).tradeoff();
  if (!options.trace.empty()) {
    const std::string hash = Trace(options.trace).content_hash();
    std::erase_if(rows, [&](const TradeoffRow& row) { return row.trace_hash != hash; });
  }
  if (rows.empty()) throw InputError(db.string(), "holds no runs to report; `razorscope replay` adds some");
  fmt::print("{}", format_report(rows, format));
}

}  // namespace

void add_report(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, "report", "the trade-off table of stored runs",
                                  "razorscope report --db results.db --format md");
  add_database_option(*command, options->db);
  command->add_option("--format", options->format, "table, md, csv or json")->capture_default_str();
  command->add_option("--trace", options->trace, "only runs on this trace");
  add_common_options(*command, options->common);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
