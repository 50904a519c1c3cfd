#include <CLI/CLI.hpp>
#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/policy_options.hpp"
#include "experiments/cli/run_cost.hpp"
#include "experiments/cli/run_records.hpp"
#include "experiments/cli/serve_many.hpp"
#include "experiments/cli/serve_options.hpp"
#include "experiments/cli/serve_text.hpp"
#include "experiments/runner/rate_search.hpp"
#include "experiments/store/serving_timeline.hpp"
#include "models/base/error.hpp"

namespace razorscope::cli {
namespace {

ServingRecord describe(const ServeOptions& options, const Policy& policy, const ServingSetup& setup,
                       const Workload& workload) {
  ServingRecord record;
  describe_command(record, options.common.seed, Compute::f32);
  record.policy = policy;
  record.model.shape = setup.deployment.shape;
  record.deployment = setup.deployment;
  record.engine = options.deployment.engine;
  record.token_budget = setup.limits.token_budget;
  record.setup = setup;
  record.workload = describe_workload(workload, options.source.rate);
  return record;
}

/// One run, in this process.
void run_one(const ServeOptions& options, const Policy& policy) {
  ServingSetup setup = serving_setup(options);
  WorkloadOptions source = options.source;
  source.seed = options.common.seed;
  const Workload workload = load_workload(options.workload, source);
  setup.limits.hash_block_tokens = workload.hash_block_tokens;
  ServingRecord record = describe(options, policy, setup, workload);
  Store store = Store::open_for_writing(results_database(options.db));

  PolicyFootprint footprint(policy, setup.deployment.shape, nullptr, setup.deployment.tp);
  const std::unique_ptr<Progress> progress = terminal_progress();
  const auto begin = std::chrono::steady_clock::now();
  record.result = serve(setup, footprint, workload, *progress);
  record.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const int64_t id = store.add_serving(record);

  const ServingResult& result = record.result;
  std::vector<std::string> notes =
      deployment_notes(setup.deployment, result.calibration, result.assumes_heads);
  if (!workload.note.empty()) notes.push_back(workload.note);
  if (options.common.json) {
    nlohmann::json document = result_json(result);
    document.update({{"run", id},
                     {"policy", policy.name()},
                     {"device", setup.deployment.device.name},
                     {"model", options.deployment.model},
                     {"workload", workload.name},
                     {"rate", or_null(record.workload.rate)},
                     {"slo", to_string(setup.level)},
                     {"limits", limits_json(limit_reports(result.records, setup.level, options.slo_share))},
                     {"notes", notes},
                     {"timeline", timeline_json(result.timeline)}});
    print_json(document);
  } else {
    print_result(result, setup, policy.name(), workload.name);
    for (const std::string& note : notes) fmt::print("note: {}\n", note);
  }
  fmt::print(stderr, "1 run stored in {}\n", store.path().string());
  if (options.chrome_trace.empty()) return;
  ChromeTrace trace;
  add_serving_timeline(result, fmt::format("{} on {}", policy.name(), setup.deployment.device.name), trace);
  trace.write(options.chrome_trace);
}

/// Some 5000 requests a second of a core, as measured on public workloads; a search takes a dozen runs.
RunCost serving_cost(const ServeOptions& options, size_t policies) {
  serving_setup(options);  // what makes no sense is an error now
  WorkloadOptions source = options.source;
  source.seed = options.common.seed;
  const Workload workload = load_workload(options.workload, source);
  double runs = static_cast<double>(policies * serve_rates(options).size());
  if (options.search_rate) runs *= RateSearch::typical_probes;
  const auto requests = static_cast<double>(workload.requests.size());
  return {60e6 + 600.0 * requests, runs * (0.1 + requests / 5000.0), runs * 40e3};
}

void run(const ServeOptions& options) {
  if (!(options.slo_share > 0.0 && options.slo_share <= 1.0))
    throw InputError("--slo-share", fmt::format("{} is not above 0 and at most 1", options.slo_share));
  const std::vector<Policy> policies = parse_policies({options.policies, ""});
  if (options.common.estimate) tell_cost(options.common, serving_cost(options, policies.size()));
  if (!options.chrome_trace.empty() && (options.search_rate || policies.size() > 1 || !options.rates.empty()))
    throw InputError("--chrome-trace",
                     "holds one run: give one policy, and neither --rates nor --search-rate");
  if (options.search_rate) {
    search_rates(options, policies);
  } else if (policies.size() > 1 || !options.rates.empty()) {
    serve_many(options, policies);
  } else {
    run_one(options, policies.front());
  }
}

}  // namespace

void add_serve(CLI::App& app) {
  const auto options = std::make_shared<ServeOptions>();
  CLI::App* command = add_command(
      app, "serve",
      "simulate serving a workload under policies: latencies, throughput, goodput, highest rate",
      "razorscope serve --device \"H100 SXM\" --model llama-3.1-8b --policy razor --slo ttft=2s,tpot=50ms "
      "--workload \"poisson:rate=5,requests=2000,input=lognormal(1155,1.0),output=lognormal(211,1.1)\"");
  add_serve_options(*command, *options);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
