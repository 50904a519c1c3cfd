#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/advise/advice.hpp"
#include "experiments/advise/evidence.hpp"
#include "experiments/advise/head_export.hpp"
#include "experiments/advise/measure_command.hpp"
#include "experiments/cli/advise_candidates.hpp"
#include "experiments/cli/commands.hpp"
#include "experiments/store/write_file.hpp"
#include "models/base/error.hpp"
#include "models/language/model_file.hpp"
#include "models/language/shape_catalogue.hpp"
#include "policies/retrieval_heads.hpp"

namespace razorscope::cli {
namespace {

constexpr double cheap_seconds = 3.0;  // a serving run that may be repeated at other rates

bool asks_for(const Advice& advice, MetricSource source) {
  return advice.goal.metric->source == source ||
         std::any_of(advice.limits.begin(), advice.limits.end(),
                     [&](const Limit& limit) { return limit.metric->source == source; });
}

AdviceRequest question_of(const AdviseOptions& options, const Deployment& deployment) {
  AdviceRequest out{options.deployment.model,
                    deployment.device.name,
                    options.deployment.weights,
                    options.deployment.engine,
                    options.deployment.tp,
                    options.context,
                    options.output,
                    options.batch};
  if (!options.with_load()) return out;
  out.workload = serve_options(options).workload;
  if (options.rate > 0.0) out.rate = options.rate;
  return out;
}

/// The command line of the stored run that tells best how the like is measured; "" where there is none.
std::string earlier_command(const AdviseCandidates& candidates, Store& store, const Metric& metric) {
  int64_t run = 0;
  for (const auto& [policy, figures] : candidates.evidence()) {
    const auto found = figures.find(metric.name);
    if (found != figures.end() && (run == 0 || found->second.evidence.same_model))
      run = found->second.evidence.run_id;
  }
  for (const RunProvenance& provenance : store.provenance_of_runs()) {
    if (run != 0 && provenance.run_id == run) return provenance.command_line;
  }
  return "";
}

/// What commands that run a model take for it: a shape alone is none.
std::string model_argument(const std::string& model) {
  try {
    find_model(model);
    return model;
  } catch (const InputError&) {
    return model + ".gguf";
  }
}

void find_missing(Advice& advice, const AdviseCandidates& candidates, Store& store,
                  const AdviseOptions& options) {
  const Shape& shape = candidates.deployment().shape;
  for (const Limit& limit : advice.limits) {
    const Metric& metric = *limit.metric;
    if (!is_quality(metric)) continue;
    std::vector<std::string> policies;
    for (const size_t i : advice.ranking.not_measured) {
      if (advice.candidates[i].figure(metric) == nullptr) policies.push_back(advice.candidates[i].policy);
    }
    if (policies.empty()) continue;
    const MeasureSettings settings{model_argument(options.deployment.model),
                                   std::max(1, std::min(options.context, shape.context - 257)),
                                   store.path().string()};
    MissingEvidence missing{
        metric.source, policies,
        measure_command(metric, policies, earlier_command(candidates, store, metric), settings)};
    const bool is_known =
        std::any_of(advice.missing.begin(), advice.missing.end(),
                    [&](const MissingEvidence& other) { return other.command == missing.command; });
    if (!is_known) advice.missing.push_back(std::move(missing));
  }
}

void find_load_change(Advice& advice, const AdviseCandidates& candidates, const AdviseOptions& options,
                      Progress& progress) {
  if (advice.ranking.empty() || options.rate <= 0.0) return;
  std::vector<Limit> limits = advice.limits;
  std::erase_if(limits, [](const Limit& limit) { return limit.metric->source != MetricSource::serving; });
  if (limits.empty()) return;
  std::vector<double> rates;
  for (const double factor : {1.25, 1.5, 2.0, 3.0, 4.0, 8.0}) rates.push_back(options.rate * factor);
  LoadChange change{options.rate, {}};
  const std::string& policy = advice.candidates[advice.ranking.within.front()].policy;
  for (const auto& [rate, run] : candidates.serve_rates(policy, rates, progress)) {
    if (standing(run, limits).within()) {
      change.holds_up_to = rate;
    } else {
      change.fails_from = rate;
      break;
    }
  }
  advice.load_change = change;
}

void find_context_changes(Advice& advice, AdviseCandidates& candidates, const AdviseOptions& options) {
  if (asks_for(advice, MetricSource::serving)) return;
  const auto best_at = [&](int context) -> std::optional<std::string> {
    const std::vector<Candidate> moved = candidates.at(context);
    const Ranking ranking = rank(moved, advice.limits, advice.goal);
    if (ranking.empty()) return std::nullopt;
    return moved[ranking.within.front()].policy;
  };
  const int most = std::max(options.context, candidates.deployment().shape.context - options.output);
  advice.context_changes =
      context_changes(best_at, options.context, std::max(1, std::min(options.context, 512)), most);
}

/// What the figures cannot say.
void add_notes(Advice& advice, const AdviseOptions& options) {
  const bool any_quality = std::any_of(advice.limits.begin(), advice.limits.end(),
                                       [](const Limit& limit) { return is_quality(*limit.metric); });
  if (!any_quality) {
    advice.notes.push_back(
        "no limit on quality was given, so that the ranking knows nothing of errors: --limit kl<=0.02, say");
  }
  std::map<std::string, std::vector<int>> models;  // of the shown policies' evidence
  for (size_t i = 0; i < std::min(advice.top, advice.ranking.within.size()); ++i) {
    for (const auto& [name, figure] : advice.candidates[advice.ranking.within[i]].figures) {
      if (is_quality(find_metric("advice", name)))
        models[figure.evidence.model].push_back(figure.evidence.tokens);
    }
  }
  for (const auto& [model, tokens] : models) {
    const auto [least, most] = std::minmax_element(tokens.begin(), tokens.end());
    if (!is_same_model(model, name_in_store(options.deployment.model))) {
      advice.notes.push_back(
          fmt::format("quality was measured on {}, not on {}: measure it there before you "
                      "rely on it (--evidence same-model takes nothing else)",
                      model, options.deployment.model));
    }
    if (*least * 2 < options.context || *most > options.context * 2) {
      advice.notes.push_back(fmt::format(
          "quality was measured on contexts of {}{} tokens, you ask for {}: errors may differ there", *least,
          *least == *most ? "" : fmt::format(" to {}", *most), options.context));
    }
  }
  if (asks_for(advice, MetricSource::serving)) {
    advice.notes.push_back(
        "policies that fell before the load was served have no figures under it, so that what would change "
        "the answer leaves them out");
  }
}

void add_settings(Advice& advice, AdviseCandidates& candidates, const AdviseOptions& options) {
  for (size_t i = 0; i < std::min(advice.top, advice.ranking.within.size()); ++i) {
    const std::string& name = advice.candidates[advice.ranking.within[i]].policy;
    const Policy policy = Policy::parse(name);
    PolicyFootprint footprint(policy, candidates.deployment().shape, nullptr, options.deployment.tp);
    const double kept = footprint.of_prompt(options.context)->kept_tokens_mean(options.context);
    advice.settings.push_back({name, engine_settings(policy, {options.context, kept / options.context})});
  }
}

/// The policy whose heads are exported: the best that protects some.
Policy head_policy(const Advice& advice) {
  for (const size_t i : advice.ranking.within) {
    Policy policy = Policy::parse(advice.candidates[i].policy);
    if (policy.values().has("heads")) return policy;
  }
  return Policy::parse("duo");
}

void export_heads(const Advice& advice, Store& store, const AdviseOptions& options, const Shape& shape) {
  if (options.duo_attention.empty() && options.heads_json.empty()) return;
  const std::string option = options.duo_attention.empty() ? "--heads-json" : "--duo-attention";
  const std::optional<StoredProbe> probe = latest_probe(store.head_ranking(), shape);
  const Policy policy = head_policy(advice);
  std::optional<ProtectedHeads> heads;
  if (options.heads.empty()) {
    heads = protected_heads_of(policy, shape, options.context, probe);
  } else {
    heads = with_heads(policy, shape, options.context, read_head_table(options.heads, shape), options.heads);
  }
  if (!heads) {
    throw InputError(
        option, fmt::format("no probe of {} is stored in {}: `razorscope probe --model {} --db {}` makes "
                            "one, or --heads FILE names the heads",
                            shape.name, store.path().string(), shape.name, store.path().string()));
  }
  if (!options.duo_attention.empty()) {
    write_file(options.duo_attention, duo_attention_table(shape, heads->heads));
    const double streaming =
        1.0 - static_cast<double>(heads->heads.size()) / (static_cast<double>(shape.layers) * shape.kv_heads);
    fmt::print(stderr,
               "{} of {} KV heads ({}) written to {}; its config.json: {}, to be run with sparsity {:.4f}\n",
               heads->heads.size(), shape.layers * shape.kv_heads, heads->source, options.duo_attention,
               duo_attention_config(*heads), streaming);
  }
  if (!options.heads_json.empty()) {
    write_file(options.heads_json, head_list_json(shape, *heads));
    fmt::print(stderr, "{} KV heads ({}) written to {}\n", heads->heads.size(), heads->source,
               options.heads_json);
  }
}

void run(const AdviseOptions& options) {
  Advice advice;
  advice.limits = limits_of(options);
  advice.goal = find_goal("--goal", options.goal, options.with_load());
  advice.top = static_cast<size_t>(options.top);
  Store store = Store::open_for_writing(results_database(options.db));
  AdviseCandidates candidates(options, store);
  advice.question = question_of(options, candidates.deployment());
  const Shape& shape = candidates.deployment().shape;
  if (!options.heads.empty()) read_head_table(options.heads, shape);  // an error before anything runs

  std::unique_ptr<Progress> progress = terminal_progress();
  candidates.plan_all(store, *progress);
  double serve_seconds = 0.0;
  if (options.with_load()) serve_seconds = candidates.serve_all(advice.limits, *progress);
  advice.candidates = candidates.all();
  advice.ranking = rank(advice.candidates, advice.limits, advice.goal);
  advice.limit_changes = limit_changes(advice.candidates, advice.limits, advice.goal);
  advice.evidence_changes = evidence_changes(advice.candidates, advice.limits, advice.goal);
  find_context_changes(advice, candidates, options);
  if (serve_seconds < cheap_seconds) find_load_change(advice, candidates, options, *progress);
  find_missing(advice, candidates, store, options);
  add_settings(advice, candidates, options);
  advice.notes = candidates.notes();
  add_notes(advice, options);
  progress.reset();  // clears its line

  if (options.common.json) {
    print_json(advice_json(advice));
  } else {
    fmt::print("{}", advice_text(advice));
  }
  fmt::print(stderr, "plans{} stored in {}\n", options.with_load() ? " and serving runs" : "",
             store.path().string());
  export_heads(advice, store, options, shape);
}

}  // namespace

void add_advise(CLI::App& app) {
  const auto options = std::make_shared<AdviseOptions>();
  CLI::App* command = add_command(
      app, "advise", "the best cache policies within limits, with evidence and what would change the answer",
      "razorscope advise --model llama-3.1-8b --device \"H100 SXM\" --context 32768 --limit \"KL at most "
      "0.02\" "
      "--limit kv_bytes<=2GB\n"
      "  razorscope advise --model qwen3-32b --device \"H100 SXM\" --tp 4 --context 8192 --rate 4 --limit "
      "top1>=95% --limit \"p99 TTFT under 2 s\"\n"
      "Limits (a figure with an interval holds one only if the worse end of the interval does; times need "
      "their unit, ms, s or min):\n" +
          metric_help());
  add_advise_options(*command, *options);
  add_common_options(*command, options->common, true);
  command->callback([options] {
    apply_common_options(options->common);
    if (options->context == 0) {
      options->context = find_shape("--model", options->deployment.model).context - options->output;
    }
    run(*options);
  });
}

}  // namespace razorscope::cli
