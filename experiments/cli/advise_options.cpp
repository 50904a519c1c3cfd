#include "experiments/cli/advise_options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>

#include "models/base/error.hpp"

namespace razorscope::cli {

void add_advise_options(CLI::App& command, AdviseOptions& options) {
  add_deployment_options(command, options.deployment, false);
  command
      .add_option("--context", options.context, "prompt tokens; default the model's context less the output")
      ->check(CLI::PositiveNumber);
  command.add_option("--output", options.output, "tokens generated after the prompt")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command.add_option("--batch", options.batch, "sequences that decode together and have to fit")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command.add_option(
      "--limit", options.limits,
      "what a policy must hold, such as kl<=0.02 or \"p99 TTFT under 2 s\"; may be several, see "
      "below");
  command.add_option("--goal", options.goal,
                     "bytes, latency, throughput or batch; default throughput under a load, else bytes");
  command
      .add_option("--rate", options.rate,
                  "load: mean requests/s; without --workload Poisson arrivals of that context and output")
      ->check(CLI::PositiveNumber);
  command.add_option("--workload", options.workload, "load: a file or generator, as `serve` takes it");
  command.add_option("--requests", options.requests, "requests of the load that are simulated")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command.add_option("--slo", options.slo, "what the limit goodput counts as served well: ttft=2s,tpot=50ms");
  command.add_option("--policies", options.policies,
                     "candidates, separated by ';'; default all with evidence, and full with every codec");
  command
      .add_option("--evidence", options.evidence,
                  "any (of the same model, else of the nearest one, which is named) or same-model")
      ->capture_default_str();
  command.add_option("--top", options.top, "policies of the ranking that are shown")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command.add_option(
      "--heads", options.heads,
      "file with the heads to export, {\"retrieval_kv_heads\": [[layer, head], ...]}; default "
      "those of the best policy that protects some (else of duo), from the model's latest probe in --db");
  command.add_option(
      "--duo-attention", options.duo_attention,
      "write the heads to this file in the layout of DuoAttention's full_attention_heads.tsv (a "
      "row a layer, a column a KV head, 1.0 whole, 0.0 streaming, tabs between); the sizes for "
      "the config.json beside it are printed");
  command.add_option("--heads-json", options.heads_json,
                     "write the heads to this file as {\"model\", \"layers\", \"kv_heads\", "
                     "\"retrieval_heads\": {layer: [heads]}, \"sinks\", \"recent\"}, for head compression on "
                     "Ascend");
  add_database_option(command, options.db);
}

std::vector<Limit> limits_of(const AdviseOptions& options) {
  std::vector<Limit> limits;
  for (const std::string& text : options.limits) {
    limits.push_back(parse_limit("--limit", text));
    const Metric& metric = *limits.back().metric;
    if (metric.source == MetricSource::serving && !options.with_load())
      throw InputError("--limit", metric.name, "needs a load: --rate R, or --workload W");
    if (metric.name == "goodput" && options.slo.empty())
      throw InputError("--limit", metric.name, "needs what counts as served well: --slo ttft=2s,tpot=50ms");
  }
  limits.push_back({&find_metric("--batch", "max_batch"), static_cast<double>(options.batch)});
  return limits;
}

ServeOptions serve_options(const AdviseOptions& options) {
  ServeOptions out;
  out.common = options.common;
  out.deployment = options.deployment;
  out.workload = options.workload;
  if (out.workload.empty()) {
    out.workload = fmt::format("poisson:rate={},requests={},input=fixed({}),output=fixed({})", options.rate,
                               options.requests, options.context, options.output);
  } else {
    out.source.rate = options.rate;
    out.source.max_requests = options.requests;
  }
  out.slo = options.slo;
  out.max_tokens = 0;
  out.db = options.db;
  return out;
}

}  // namespace razorscope::cli
