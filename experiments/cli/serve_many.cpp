#include "experiments/cli/serve_many.hpp"

#include <fmt/format.h>
#include <map>
#include <set>

#include "experiments/cli/serve_children.hpp"
#include "experiments/store/report.hpp"
#include "experiments/store/store.hpp"

namespace razorscope::cli {
namespace {

/// The store's rows of these runs, as `report` shows them.
std::string table_of(Store& store, const std::set<int64_t>& runs) {
  ReportData data;
  data.serving = store.serving_rows();
  std::erase_if(data.serving, [&](const ServingRow& row) { return !runs.contains(row.run_id); });
  return format_whole_report(data, ReportFormat::table, ReportSection::serving);
}

}  // namespace

void serve_many(const ServeOptions& options, const std::vector<Policy>& policies) {
  serving_setup(options);  // refuses what makes no sense before any process starts
  const std::vector<double> rates = serve_rates(options);
  // Made, or brought up to date, before several processes want to.
  Store store = Store::open_for_writing(results_database(options.db));
  ServeChildren children(options);
  for (size_t i = 0; i < policies.size(); ++i) {
    for (const double rate : rates) children.start(i, policies[i].name(), rate);
  }

  const std::unique_ptr<Progress> progress = terminal_progress();
  progress->begin("serving", static_cast<double>(policies.size() * rates.size()), "runs");
  std::map<std::pair<size_t, double>, nlohmann::json> documents;
  std::set<int64_t> runs;
  while (!children.all_done()) {
    progress->advance(static_cast<double>(documents.size()));
    std::optional<ServeChildren::Done> done = children.wait();
    if (!done) continue;
    runs.insert(done->document["run"].get<int64_t>());
    done->document.erase("timeline");  // long; it is stored
    documents[{done->policy, done->rate}] = std::move(done->document);
  }

  if (options.common.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (size_t i = 0; i < policies.size(); ++i) {
      nlohmann::json of_policy = nlohmann::json::array();
      for (const double rate : rates) of_policy.push_back(std::move(documents.at({i, rate})));
      rows.push_back({{"policy", policies[i].name()}, {"runs", std::move(of_policy)}});
    }
    print_json({{"policies", rows}});
  } else {
    fmt::print("{}", table_of(store, runs));
  }
  fmt::print(stderr, "{} runs stored in {}\n", runs.size(), store.path().string());
}

}  // namespace razorscope::cli
