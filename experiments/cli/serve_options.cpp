#include "experiments/cli/serve_options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "experiments/cli/run_cost.hpp"
#include "models/base/error.hpp"

namespace razorscope::cli {
namespace {

void read_disaggregation(const std::string& text, ServingSetup& setup) {
  if (text.empty()) return;
  const size_t colon = text.find(':');
  try {
    size_t end = 0;
    setup.prefill_engines = std::stoi(text, &end);
    if (end != colon) throw std::invalid_argument(text);
    setup.decode_engines = std::stoi(text.substr(colon + 1), &end);
    if (colon + 1 + end != text.size()) throw std::invalid_argument(text);
  } catch (const std::logic_error&) {
    throw InputError("--disaggregate", fmt::format("'{}' is not PREFILL:DECODE, such as 1:3", text));
  }
}

}  // namespace

void add_serve_options(CLI::App& command, ServeOptions& options) {
  add_common_options(command, options.common, true);
  add_estimate_option(command, options.common);
  add_deployment_options(command, options.deployment, false);
  command
      .add_option("--policies,--policy", options.policies,
                  "cache policies, separated by ';' (razorscope policies); several run side by side")
      ->capture_default_str();
  command.add_option("--workload", options.workload, "a file or a generator:\n" + workload_help())
      ->required();
  command.add_option("--format", options.source.format,
                     "the workload file's format, where it is not recognised");
  CLI::Option* rate =
      command.add_option("--rate", options.source.rate, "mean requests/s that arrivals are stretched to")
          ->check(CLI::PositiveNumber);
  CLI::Option* rates =
      command.add_option("--rates", options.rates, "several such rates, 1,2,4,8: latency against load");
  CLI::Option* search = command.add_flag(
      "--search-rate", options.search_rate,
      "the highest rate at which --slo-share of the requests meet --slo, to 2 %, for each policy");
  rate->excludes(rates)->excludes(search);
  rates->excludes(search);
  command.add_option("--requests", options.source.max_requests, "only the first so many requests")
      ->check(CLI::PositiveNumber);
  command.add_option("--slo", options.slo, "what counts as served well: ttft=2s,tpot=50ms,e2e=1min");
  command
      .add_option("--slo-share", options.slo_share,
                  "share of requests that have to meet --slo in a search: above 0, at most 1")
      ->capture_default_str();
  command
      .add_option("--max-num-seqs", options.max_sequences, "sequences that run at once; default the engine's")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--max-model-len", options.max_tokens,
                  "prompt and output tokens of a request; default the model's context")
      ->check(CLI::PositiveNumber);
  command.add_flag("--prefix-cache", options.prefix_cache,
                   "keep blocks of prompts for those that begin alike");
  command.add_option("--replicas", options.replicas, "engines behind the router, of --tp devices each")
      ->capture_default_str();
  command.add_option("--router", options.router, "round-robin or least-outstanding")->capture_default_str();
  command.add_option("--disaggregate", options.disaggregate,
                     "PREFILL:DECODE engines, such as 1:3, with K and V sent over the device's link");
  command.add_option("--chrome-trace", options.chrome_trace,
                     "write the run as a timeline for chrome://tracing or Perfetto to this file");
  add_database_option(command, options.db);
}

ServingSetup serving_setup(const ServeOptions& options) {
  ServingSetup setup;
  setup.deployment = deployments(options.deployment).front();
  setup.engines = options.replicas;
  setup.router = router(options.router);
  read_disaggregation(options.disaggregate, setup);
  setup.level = parse_service_level(options.slo);
  const EngineDefaults& engine = find_engine("--engine", options.deployment.engine);
  setup.limits.token_budget = token_budget(options.deployment);
  setup.limits.max_sequences = options.max_sequences > 0 ? options.max_sequences : engine.max_sequences;
  setup.limits.max_tokens = options.max_tokens > 0 ? options.max_tokens : setup.deployment.shape.context;
  setup.limits.prefix_cache = options.prefix_cache;
  return setup;
}

std::vector<double> serve_rates(const ServeOptions& options) {
  if (options.rates.empty()) return {options.source.rate};
  std::vector<double> rates;
  const std::string& text = options.rates;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    double rate = 0.0;
    const auto [stop, problem] = std::from_chars(text.data() + at, text.data() + end, rate);
    if (problem != std::errc() || stop != text.data() + end || !(rate >= 1e-6 && rate <= 1e6)) {
      throw InputError(
          "--rates", fmt::format("'{}' is not a rate; allowed: 1e-6 to 1e6 requests/s, a list such as 1,2,4",
                                 text.substr(at, end - at)));
    }
    rates.push_back(rate);
    at = end + 1;
  }
  std::sort(rates.begin(), rates.end());
  rates.erase(std::unique(rates.begin(), rates.end()), rates.end());
  return rates;
}

std::vector<std::string> serve_arguments(const ServeOptions& options, const std::string& policy,
                                         double rate) {
  const DeploymentOptions& deployment = options.deployment;
  std::vector<std::string> words = {"serve", "--json"};
  const auto add = [&](const char* option, const auto& value) {
    words.emplace_back(option);
    words.push_back(fmt::format("{}", value));
  };
  const auto add_if_given = [&](const char* option, const auto& value) {
    if (value != std::decay_t<decltype(value)>()) add(option, value);
  };
  add("--device", deployment.devices);
  add("--model", deployment.model);
  add("--weights", deployment.weights);
  add("--engine", deployment.engine);
  add("--tp", deployment.tp);
  if (deployment.utilisation) add("--utilisation", *deployment.utilisation);
  if (deployment.non_kv_bytes) add("--non-kv", fmt::format("{}B", *deployment.non_kv_bytes));
  if (deployment.token_budget) add("--token-budget", *deployment.token_budget);
  add("--policy", policy);
  add("--workload", options.workload);
  add_if_given("--format", options.source.format);
  add_if_given("--requests", options.source.max_requests);
  add_if_given("--rate", rate);
  add_if_given("--slo", options.slo);
  add("--slo-share", options.slo_share);
  add_if_given("--max-num-seqs", options.max_sequences);
  add_if_given("--max-model-len", options.max_tokens);
  if (options.prefix_cache) words.emplace_back("--prefix-cache");
  add("--replicas", options.replicas);
  add("--router", options.router);
  add_if_given("--disaggregate", options.disaggregate);
  add("--seed", options.common.seed);
  add("--threads", 1);
  add_if_given("--target", options.common.target);
  add("--db", results_database(options.db).string());
  return words;
}

}  // namespace razorscope::cli
