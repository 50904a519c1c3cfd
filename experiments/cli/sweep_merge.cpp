#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/options.hpp"
#include "experiments/cli/sweep_slurm.hpp"
#include "experiments/store/merge.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  bool json = false;
  std::vector<std::string> shards;
  std::string db;
};

void merge(const Options& options) {
  const std::filesystem::path db = results_database(options.db);
  MergeCounts total;
  for (const std::string& shard : options.shards) {
    const MergeCounts counts = merge_database(db, shard);
    if (!options.json)
      fmt::print("{}: {} rows added, {} replaced, {} kept\n", shard, counts.added, counts.replaced,
                 counts.kept);
    total += counts;
  }
  if (options.json) {
    print_json({{"db", db.string()},
                {"databases", options.shards.size()},
                {"added", total.added},
                {"replaced", total.replaced},
                {"kept", total.kept}});
  } else {
    fmt::print("{}: {} databases merged\n", db.string(), options.shards.size());
  }
}

}  // namespace

void add_sweep_merge(CLI::App& sweep) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      sweep, "merge",
      "everything of other results databases into one, as if it had been stored there; merging twice "
      "changes nothing",
      "razorscope sweep merge shards/*.db --db results.db");
  command->add_option("DATABASE", options->shards, "results databases to read")->required();
  add_database_option(*command, options->db);
  command->add_flag("--json", options->json, "one JSON document on stdout, nothing else");
  command->callback([options] { merge(*options); });
}

}  // namespace razorscope::cli
