#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/deployment_options.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/store/text_table.hpp"
#include "models/base/error.hpp"
#include "policies/policy.hpp"
#include "sim/serving/serving.hpp"
#include "sim/serving/workloads/workload_source.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  DeploymentOptions deployment;
  std::string policy = "full";
  std::string workload;
  WorkloadOptions source;
  std::string slo;
  std::string router = "round-robin";
  std::string disaggregate;
  int replicas = 1;
  int max_sequences = 0;
  int max_tokens = 0;
  bool prefix_cache = false;
};

nlohmann::json percentiles_json(const Percentiles& values) {
  return {{"mean", values.mean * 1e3},
          {"p50", values.p50 * 1e3},
          {"p90", values.p90 * 1e3},
          {"p99", values.p99 * 1e3},
          {"max", values.max * 1e3}};
}

nlohmann::json timeline_json(const std::vector<TimelinePoint>& timeline) {
  nlohmann::json points = nlohmann::json::array();
  for (const TimelinePoint& point : timeline) {
    points.push_back({{"s", point.time},
                      {"running", point.running},
                      {"waiting", point.waiting},
                      {"kv_use", point.kv_use},
                      {"preemptions", point.preemptions},
                      {"output_tokens", point.output_tokens},
                      {"prompt_tokens", point.prompt_tokens}});
  }
  return points;
}

nlohmann::json result_json(const ServingResult& result) {
  nlohmann::json refused = nlohmann::json::array();
  for (const auto& [reason, count] : result.refused)
    refused.push_back({{"requests", count}, {"reason", reason}});
  return {{"requests", result.requests},
          {"completed", result.completed},
          {"refused", refused},
          {"seconds", result.seconds},
          {"ttft_ms", percentiles_json(result.ttft)},
          {"tpot_ms", percentiles_json(result.tpot)},
          {"itl_ms", percentiles_json(result.itl)},
          {"e2e_ms", percentiles_json(result.e2e)},
          {"request_rate", result.request_rate},
          {"token_rate", result.token_rate},
          {"prompt_token_rate", result.prompt_token_rate},
          {"goodput", result.goodput},
          {"goodput_share", result.goodput_share},
          {"preemptions", result.preemptions},
          {"cached_tokens", result.cached_tokens},
          {"kv_blocks", result.kv_blocks},
          {"peak_kv_use", result.peak_kv_use},
          {"mean_kv_use", result.mean_kv_use},
          {"mean_running", result.mean_running},
          {"mean_waiting", result.mean_waiting},
          {"memory_utilisation", result.memory_utilisation},
          {"compute_utilisation", result.compute_utilisation},
          {"steps", result.steps},
          {"calibration", to_string(result.calibration)},
          {"assumes_heads", result.assumes_heads}};
}

void print_result(const ServingResult& result, const ServingSetup& setup, const std::string& policy,
                  const Workload& workload) {
  fmt::print("{} on {}{}, {}, {}\n\n", setup.deployment.shape.name,
             setup.deployment.tp > 1 ? fmt::format("{} x ", setup.deployment.tp) : "",
             setup.deployment.device.name, policy_cell(policy, false), workload.name);
  std::vector<Cells> table = {{"ms", "mean", "p50", "p90", "p99", "max"}};
  const auto add = [&](const char* name, const Percentiles& values) {
    Cells cells = {name};
    for (const double value : {values.mean, values.p50, values.p90, values.p99, values.max})
      cells.push_back(fmt::format("{:.{}f}", value * 1e3, value < 0.1 ? 2 : 0));
    table.push_back(cells);
  };
  add("time to first token", result.ttft);
  add("time per output token", result.tpot);
  add("between two tokens", result.itl);
  add("end to end", result.e2e);
  fmt::print("{}\n", format_table(table, false));
  fmt::print(
      "{} of {} requests in {:.1f} s: {:.3f} requests/s, {:.0f} output tokens/s, {:.0f} prompt tokens/s\n",
      result.completed, result.requests, result.seconds, result.request_rate, result.token_rate,
      result.prompt_token_rate);
  if (!setup.level.empty()) {
    fmt::print("goodput within {}: {:.3f} requests/s, {:.1f} % of all\n", to_string(setup.level),
               result.goodput, 100.0 * result.goodput_share);
  }
  fmt::print("KV: {} blocks of 16 tokens, {:.1f} % in use in the mean, {:.1f} % at most; {} preemptions\n",
             result.kv_blocks, 100.0 * result.mean_kv_use, 100.0 * result.peak_kv_use, result.preemptions);
  fmt::print(
      "{:.1f} requests run and {:.1f} wait in the mean; memory streams {:.0f} % of the time, arithmetic "
      "works {:.0f} %\n",
      result.mean_running, result.mean_waiting, 100.0 * result.memory_utilisation,
      100.0 * result.compute_utilisation);
  if (result.cached_tokens > 0)
    fmt::print("{} prompt tokens came from the prefix cache\n", result.cached_tokens);
  for (const auto& [reason, count] : result.refused)
    fmt::print("refused: {} requests, the first: {}\n", count, reason);
}

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

void run(const Options& options) {
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
  WorkloadOptions source = options.source;
  source.seed = options.common.seed;
  const Workload workload = load_workload(options.workload, source);
  setup.limits.hash_block_tokens = workload.hash_block_tokens;

  const Policy policy = Policy::parse(options.policy);
  PolicyFootprint footprint(policy, setup.deployment.shape, nullptr, setup.deployment.tp);
  const std::unique_ptr<Progress> progress = terminal_progress();
  const ServingResult result = serve(setup, footprint, workload, *progress);
  std::vector<std::string> notes =
      deployment_notes(setup.deployment, result.calibration, result.assumes_heads);
  if (!workload.note.empty()) notes.push_back(workload.note);
  if (options.common.json) {
    nlohmann::json document = result_json(result);
    document["policy"] = policy.name();
    document["device"] = setup.deployment.device.name;
    document["model"] = options.deployment.model;
    document["workload"] = workload.name;
    document["notes"] = notes;
    document["timeline"] = timeline_json(result.timeline);
    print_json(document);
    return;
  }
  print_result(result, setup, policy.name(), workload);
  for (const std::string& note : notes) fmt::print("note: {}\n", note);
}

}  // namespace

void add_serve(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, "serve", "simulate serving a workload under a policy: latencies, throughput, goodput",
      "razorscope serve --device \"H100 SXM\" --model llama-3.1-8b --policy razor --slo ttft=2s,tpot=50ms "
      "--workload \"poisson:rate=5,requests=2000,input=lognormal(1155,1.0),output=lognormal(211,1.1)\"");
  add_common_options(*command, options->common, true);
  add_deployment_options(*command, options->deployment, false);
  command->add_option("--policy", options->policy, "the cache policy (razorscope policies)")
      ->capture_default_str();
  command->add_option("--workload", options->workload, "a file or a generator:\n" + workload_help())
      ->required();
  command->add_option("--format", options->source.format,
                      "the workload file's format, where it is not recognised");
  command->add_option("--rate", options->source.rate, "mean requests/s that arrivals are stretched to")
      ->check(CLI::PositiveNumber);
  command->add_option("--requests", options->source.max_requests, "only the first so many requests")
      ->check(CLI::PositiveNumber);
  command->add_option("--slo", options->slo, "what counts as served well: ttft=2s,tpot=50ms,e2e=1min");
  command
      ->add_option("--max-num-seqs", options->max_sequences,
                   "sequences that run at once; default the engine's")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--max-model-len", options->max_tokens,
                   "prompt and output tokens of a request; default the model's context")
      ->check(CLI::PositiveNumber);
  command->add_flag("--prefix-cache", options->prefix_cache,
                    "keep blocks of prompts for those that begin alike");
  command->add_option("--replicas", options->replicas, "engines behind the router, of --tp devices each")
      ->capture_default_str();
  command->add_option("--router", options->router, "round-robin or least-outstanding")->capture_default_str();
  command->add_option("--disaggregate", options->disaggregate,
                      "PREFILL:DECODE engines, such as 1:3, with K and V sent over the device's link");
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
