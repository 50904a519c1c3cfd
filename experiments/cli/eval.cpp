#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/policy_options.hpp"
#include "experiments/cli/run_cost.hpp"
#include "experiments/cli/run_records.hpp"
#include "experiments/store/policy_label.hpp"
#include "experiments/store/report.hpp"
#include "experiments/store/store.hpp"
#include "models/base/error.hpp"
#include "models/base/machine.hpp"
#include "sim/closed_loop/evaluate.hpp"
#include "sim/equal_bytes.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  ModelChoice model;
  std::vector<std::string> texts;
  int prefix = 0;
  int steps = 0;
  PolicyOptions policies;
  std::string db;
  std::string against;
};

nlohmann::json low(const Estimate& estimate) {
  return estimate.interval ? nlohmann::json(estimate.interval->low) : nlohmann::json();
}
nlohmann::json high(const Estimate& estimate) {
  return estimate.interval ? nlohmann::json(estimate.interval->high) : nlohmann::json();
}

nlohmann::json result_json(const EvaluationResult& result) {
  return {{"policy", result.policy},
          {"nll", result.nll.mean},
          {"nll_low", low(result.nll)},
          {"nll_high", high(result.nll)},
          {"nll_difference", result.nll_difference.mean},
          {"nll_difference_low", low(result.nll_difference)},
          {"nll_difference_high", high(result.nll_difference)},
          {"kl_to_full", result.kl_to_full.mean},
          {"kl_low", low(result.kl_to_full)},
          {"kl_high", high(result.kl_to_full)},
          {"top1_agreement", result.top1_agreement},
          {"bytes_nominal", result.compressed.nominal},
          {"bytes_logical", result.compressed.logical()},
          {"bytes_physical", result.compressed.physical()},
          {"bytes_physical_end", result.at_end.physical()},
          {"bytes_read_per_step", result.bytes_read_per_step},
          {"token_by_token", result.token_by_token},
          {"seconds", result.seconds}};
}

/// One record a policy, with what they share filled in from `shared`.
std::vector<EvalRecord> records_of(const Evaluation& evaluation, const std::vector<PlannedPolicy>& planned,
                                   size_t full_bytes, const EvalRecord& shared) {
  std::vector<EvalRecord> records(planned.size(), shared);
  for (size_t i = 0; i < planned.size(); ++i) {
    describe_policy(records[i], planned[i], full_bytes);
    records[i].result = evaluation.policies[i];
    records[i].full_nll = evaluation.full_nll;
    records[i].rows = evaluation.rows;
    records[i].units = evaluation.units;
  }
  return records;
}

/// KL of each policy less that of `against` at the same share of bytes, paired; nothing where it does not
/// run.
std::vector<std::optional<Estimate>> differences(const Evaluation& evaluation,
                                                 const std::vector<PlannedPolicy>& planned,
                                                 const std::optional<Policy>& against, uint64_t seed) {
  std::vector<std::optional<Estimate>> all(planned.size());
  if (!against) return all;
  const Resampling resampling(evaluation.units, seed);
  for (size_t i = 0; i < planned.size(); ++i) {
    const auto other = std::find_if(planned.begin(), planned.end(), [&](const PlannedPolicy& plan) {
      return plan.requested == *against && plan.share == planned[i].share;
    });
    if (other == planned.end()) continue;
    const auto index = static_cast<size_t>(other - planned.begin());
    if (index == i) continue;
    all[i] = UnitSums::difference(evaluation.policies[i].kl_units, evaluation.policies[index].kl_units,
                                  resampling);
  }
  return all;
}

void print_differences(const std::vector<std::optional<Estimate>>& all,
                       const std::vector<PlannedPolicy>& planned, const Policy& against,
                       const Evaluation& evaluation) {
  fmt::print(
      "\nKL less that of {} at the same share of bytes, paired; n = {} scored rows, 95 % bootstrap over {} "
      "units:\n\n{:<64}  {:>6}  {:>9}  95 %\n",
      policy_label(against.name()), evaluation.rows, evaluation.units, "policy", "share", "KL - KL");
  for (size_t i = 0; i < all.size(); ++i) {
    if (!all[i]) continue;
    const std::string interval =
        all[i]->interval ? fmt::format("[{:+.4f}, {:+.4f}]", all[i]->interval->low, all[i]->interval->high)
                         : "too few";
    fmt::print("{:<64}  {:>6}  {:>+9.4f}  {}\n", policy_label(planned[i].requested.name()),
               planned[i].share ? fmt::format("{:.0f} %", 100.0 * *planned[i].share) : "-", all[i]->mean,
               interval);
  }
}

void print_document(const Evaluation& evaluation, const std::vector<PlannedPolicy>& planned,
                    const std::vector<std::optional<Estimate>>& against, const Options& options,
                    size_t full_bytes) {
  nlohmann::json rows = nlohmann::json::array();
  for (size_t i = 0; i < planned.size(); ++i) {
    rows.push_back(result_json(evaluation.policies[i]));
    rows.back()["requested_policy"] = planned[i].requested.name();
    rows.back()["equal_bytes_share"] = or_null(planned[i].share);
    if (!against[i]) continue;
    rows.back()["kl_difference"] = against[i]->mean;
    rows.back()["kl_difference_low"] = low(*against[i]);
    rows.back()["kl_difference_high"] = high(*against[i]);
  }
  print_json({{"policies", rows},
              {"full_nll", evaluation.full_nll.mean},
              {"bytes_full_f16", full_bytes},
              {"n", evaluation.rows},
              {"units", evaluation.units},
              {"prefix", options.prefix},
              {"steps", options.steps}});
}

/// Says what the run takes; refuses what does not fit.
void announce(const Transformer& transformer, const ModelFile& model, const EvaluationRequest& request) {
  const double memory = evaluation_memory(transformer.shape(), request);
  refuse_beyond_memory("--policies", "the caches of all policies", static_cast<size_t>(memory));
  const double rows = static_cast<double>(request.texts.size()) *
                      (request.prefix + static_cast<double>(request.steps) *
                                            (1.0 + static_cast<double>(request.policies.size())));
  fmt::print(stderr, "eval: {} policies, {} texts, about {} of memory beside the weights, about {:.0f} s\n",
             request.policies.size(), request.texts.size(), format_bytes(memory),
             assumed_seconds(model, transformer.compute(), rows));
}

void run(const Options& options) {
  EvaluationRequest request;
  request.prefix = options.prefix;
  request.steps = options.steps;
  request.seed = options.common.seed;
  const std::vector<Policy> requested = parse_policies(options.policies);
  std::optional<Policy> against;
  if (!options.against.empty()) {
    against = Policy::parse(options.against);
    if (std::find(requested.begin(), requested.end(), *against) == requested.end())
      throw InputError("--against", fmt::format("{} is not among --policies", against->name()));
  }
  const ModelFile model(find_model(options.model.name));
  EvalRecord shared;
  describe_command(shared, options.common.seed, options.model.compute);
  shared.model = {model.shape(), model.sha256()};
  shared.prefix = options.prefix;
  shared.steps = options.steps;
  for (const std::string& text : options.texts) {
    TokenSource source;
    source.text_file = text;
    const LoadedTokens loaded = load_tokens(source, model, options.prefix + options.steps + 1);
    request.texts.push_back(loaded.ids);
    shared.texts.push_back(describe_text(text, loaded.text));
  }
  const auto texts = static_cast<double>(options.texts.size());
  tell_cost(options.common,
            closed_loop_cost(model, options.model.compute, texts * options.prefix, texts * options.steps,
                             options.prefix + options.steps, planned_runs(options.policies)));
  const Transformer transformer = model.load(options.model.compute);
  const std::unique_ptr<Progress> progress = terminal_progress();
  const PolicyKnowledge knowledge(model, transformer, requested, *progress);
  request.knowledge = knowledge.view();
  const SelectionContext context = knowledge.context(options.prefix);
  const std::vector<PlannedPolicy> planned = plan_policies(options.policies, requested, context);
  for (const PlannedPolicy& plan : planned) request.policies.push_back(plan.policy);
  announce(transformer, model, request);
  const size_t full_bytes = full_f16_bytes(context);
  const auto begin = std::chrono::steady_clock::now();
  const Evaluation evaluation = evaluate(transformer, request, *progress);
  shared.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Store store = Store::open_for_writing(results_database(options.db));
  const std::vector<EvalRecord> records = records_of(evaluation, planned, full_bytes, shared);
  const std::vector<ClosedLoopRow> rows =
      store_records(store, records, &Store::add_eval, &Store::closed_loop);
  const auto against_all = differences(evaluation, planned, against, options.common.seed);
  if (options.common.json) {
    print_document(evaluation, planned, against_all, options, full_bytes);
  } else {
    ReportData data;
    data.closed_loop = rows;
    fmt::print("{}", format_whole_report(data, ReportFormat::table, ReportSection::eval));
    if (against) print_differences(against_all, planned, *against, evaluation);
  }
  fmt::print(stderr, "{} runs stored in {}\n", records.size(), store.path().string());
}

}  // namespace

void add_eval(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, "eval",
      "closed loop: the model decodes teacher-forced under each policy; NLL, KL to full, agreement, bytes",
      "razorscope eval --model smollm2-135m --text experiments/texts/harbour.txt --prefix 1536 --steps 256 "
      "--policies "
      "\"full;window:recent=508;razor:recent=252\"");
  add_model_options(*command, options->model);
  command->add_option("--text", options->texts, "UTF-8 text file; several are evaluated together")
      ->required();
  command->add_option("--prefix", options->prefix, "tokens that are computed exactly, then compressed")
      ->required()
      ->check(CLI::PositiveNumber);
  command->add_option("--steps", options->steps, "teacher-forced steps after the prefix that are scored")
      ->required()
      ->check(CLI::PositiveNumber);
  add_policy_options(*command, options->policies);
  command->add_option("--against", options->against,
                      "one of the policies: how much more KL each other one costs at the same share, paired");
  add_database_option(*command, options->db);
  add_common_options(*command, options->common, true);
  add_estimate_option(*command, options->common);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
