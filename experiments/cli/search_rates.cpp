#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <set>

#include "experiments/cli/serve_children.hpp"
#include "experiments/cli/serve_many.hpp"
#include "experiments/runner/rate_search.hpp"
#include "experiments/store/report.hpp"
#include "experiments/store/store.hpp"
#include "experiments/store/text_table.hpp"
#include "models/base/error.hpp"

namespace razorscope::cli {
namespace {

/// A policy's search, with what its probes printed.
struct PolicySearch {
  std::string policy;
  RateSearch search;
  std::map<double, nlohmann::json> probes = {};  // by rate
  size_t awaited = 0;                            // probes that run or wait for a core
};

void start_round(ServeChildren& children, size_t index, PolicySearch& of_policy) {
  for (const double rate : of_policy.search.next_rates()) {
    children.start(index, of_policy.policy, rate);
    ++of_policy.awaited;
  }
}

void take(ServeChildren::Done& done, PolicySearch& of_policy) {
  done.document.erase("timeline");  // long; it is stored
  of_policy.search.add(done.rate, done.document.at("goodput_share").get<double>(),
                       done.document.at("request_rate").get<double>());
  of_policy.probes[done.rate] = std::move(done.document);
  --of_policy.awaited;
}

void run_searches(const ServeOptions& options, std::vector<PolicySearch>& searches) {
  ServeChildren children(options);
  for (size_t i = 0; i < searches.size(); ++i) start_round(children, i, searches[i]);
  const std::unique_ptr<Progress> progress = terminal_progress();
  const double expected = static_cast<double>(searches.size()) * RateSearch::typical_probes;
  progress->begin("searching the highest rate", expected, "probes");
  double done_probes = 0.0;
  while (!children.all_done()) {
    progress->advance(std::min(done_probes, expected - 1.0));
    std::optional<ServeChildren::Done> done = children.wait();
    if (!done) continue;
    done_probes += 1.0;
    PolicySearch& of_policy = searches[done->policy];
    take(*done, of_policy);
    if (of_policy.awaited == 0) start_round(children, done->policy, of_policy);
  }
}

const nlohmann::json& best_probe(const PolicySearch& of_policy) {
  return of_policy.probes.at(of_policy.search.probed_rate());
}

/// Why a search found no rate, and by how much.
std::string note(const ServeOptions& options, const PolicySearch& of_policy) {
  const nlohmann::json& probe = best_probe(of_policy);
  if (of_policy.search.outcome() == RateOutcome::always) {
    return fmt::format(
        "{}: all {} requests may arrive at once ({:.0f} requests/s were tried): the workload is too short to "
        "saturate it; serve more requests",
        policy_cell(of_policy.policy, TextStyle::plain), probe.at("requests").get<size_t>(),
        of_policy.search.rate());
  }
  std::string text =
      fmt::format("{}: even requests that are served alone ({} requests/s) miss --slo",
                  policy_cell(of_policy.policy, TextStyle::plain), of_policy.search.probed_rate());
  for (const nlohmann::json& limit : probe.at("limits")) {
    const auto share = limit.at("share").get<double>();
    if (share >= options.slo_share) continue;
    const auto allowed = limit.at("allowed_ms").get<double>();
    text += fmt::format("; {}: {:.1f} % keep {:g} ms", limit.at("limit").get<std::string>(), 100.0 * share,
                        allowed);
    if (limit.at("needed_ms").is_null()) continue;
    const auto needed = limit.at("needed_ms").get<double>();
    text += fmt::format(", {:g} % would keep {:.4g} ms ({:.3g} times as long)", 100.0 * options.slo_share,
                        needed, needed / allowed);
  }
  return text;
}

std::vector<std::string> notes_of(const ServeOptions& options, const std::vector<PolicySearch>& searches) {
  std::vector<std::string> notes;
  for (const PolicySearch& of_policy : searches) {
    if (of_policy.search.outcome() != RateOutcome::found) notes.push_back(note(options, of_policy));
    if (of_policy.search.exceeds_throughput()) {
      notes.push_back(
          fmt::format("{}: more than it completes a second when all arrive at once: the workload is over "
                      "before a queue has "
                      "built up; serve more requests for what can be kept up",
                      policy_cell(of_policy.policy, TextStyle::plain)));
    }
  }
  for (const PolicySearch& of_policy : searches) {
    for (const nlohmann::json& line : best_probe(of_policy).at("notes")) {
      if (std::find(notes.begin(), notes.end(), line.get<std::string>()) == notes.end())
        notes.push_back(line);
    }
  }
  return notes;
}

nlohmann::json probe_json(double rate, const nlohmann::json& probe) {
  return {{"rate", rate},
          {"share", probe.at("goodput_share")},
          {"goodput", probe.at("goodput")},
          {"request_rate", probe.at("request_rate")},
          {"token_rate", probe.at("token_rate")},
          {"ttft_ms", probe.at("ttft_ms")},
          {"tpot_ms", probe.at("tpot_ms")},
          {"run", probe.at("run")}};
}

nlohmann::json search_json(const ServeOptions& options, const PolicySearch& of_policy) {
  nlohmann::json out = best_probe(of_policy);
  nlohmann::json probes = nlohmann::json::array();
  for (const auto& [rate, probe] : of_policy.probes) probes.push_back(probe_json(rate, probe));
  out.update({{"outcome", to_string(of_policy.search.outcome())},
              {"max_rate", of_policy.search.rate()},
              {"slo_share", options.slo_share},
              {"tolerance", RateSearch::tolerance},
              {"probes", probes}});
  if (of_policy.search.outcome() != RateOutcome::found) out["reason"] = note(options, of_policy);
  return out;
}

int64_t store_search(Store& store, RateSearchRecord record, const PolicySearch& of_policy) {
  record.run_id = best_probe(of_policy).at("run").get<int64_t>();
  for (const auto& [rate, probe] : of_policy.probes)
    record.probe_runs.push_back(probe.at("run").get<int64_t>());
  record.outcome = to_string(of_policy.search.outcome());
  record.rate = of_policy.search.rate();
  return store.add_rate_search(record);
}

}  // namespace

void search_rates(const ServeOptions& options, const std::vector<Policy>& policies) {
  if (serving_setup(options).level.empty())
    throw InputError("--search-rate", "needs --slo, such as --slo ttft=2s,tpot=50ms");
  // Made, or brought up to date, before several processes want to.
  Store store = Store::open_for_writing(results_database(options.db));
  std::vector<PolicySearch> searches;
  for (const Policy& policy : policies) searches.push_back({policy.name(), RateSearch(options.slo_share)});
  RateSearchRecord record;
  record.wanted_share = options.slo_share;
  record.tolerance = RateSearch::tolerance;
  record.command_line = command_line();
  record.started_utc = utc_now();
  const auto begin = std::chrono::steady_clock::now();
  run_searches(options, searches);
  record.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  std::set<int64_t> ids;
  size_t probes = 0;
  for (const PolicySearch& of_policy : searches) {
    ids.insert(store_search(store, record, of_policy));
    probes += of_policy.probes.size();
  }
  const std::vector<std::string> notes = notes_of(options, searches);
  if (options.common.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const PolicySearch& of_policy : searches) rows.push_back(search_json(options, of_policy));
    print_json({{"policies", rows}, {"notes", notes}});
  } else {
    ReportData data;
    data.max_rates = store.max_rates();
    std::erase_if(data.max_rates, [&](const MaxRateRow& row) { return !ids.contains(row.search_id); });
    fmt::print("{}", format_whole_report(data, ReportFormat::table, ReportSection::serving));
    for (const std::string& line : notes) fmt::print("note: {}\n", line);
  }
  fmt::print(stderr, "{} runs and {} searches stored in {}\n", probes, ids.size(), store.path().string());
}

}  // namespace razorscope::cli
