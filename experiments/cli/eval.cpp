#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/policy_options.hpp"
#include "experiments/store/policy_label.hpp"
#include "models/base/error.hpp"
#include "models/base/machine.hpp"
#include "sim/closed_loop/evaluate.hpp"
#include "sim/equal_bytes.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string model;
  std::vector<std::string> texts;
  int prefix = 0;
  int steps = 0;
  PolicyOptions policies;
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

std::string interval_text(const Estimate& estimate) {
  if (!estimate.interval) return "(too few)";
  return fmt::format("[{:.4f}, {:.4f}]", estimate.interval->low, estimate.interval->high);
}

void print_table(const Evaluation& evaluation, const Options& options, const Shape& shape) {
  fmt::print("{}, prefix {} tokens, {} steps, {} text(s): n = {} scored rows; 95 % bootstrap over {} {}\n",
             shape.name, options.prefix, options.steps, options.texts.size(), evaluation.rows,
             evaluation.units, options.texts.size() == 1 ? "blocks of 32 steps" : "texts");
  fmt::print("full+f32: NLL {:.4f} {}\n\n", evaluation.full_nll.mean, interval_text(evaluation.full_nll));
  fmt::print("{:<52}  {:>8}  {:>8}  {:>19}  {:>8}  {:>19}  {:>6}\n", "policy", "MiB", "NLL-full", "95 %",
             "KL", "95 %", "top-1");
  for (const EvaluationResult& result : evaluation.policies) {
    fmt::print("{:<52}  {:>8.3f}  {:>+8.4f}  {:>19}  {:>8.4f}  {:>19}  {:>6.3f}\n",
               policy_label(result.policy), static_cast<double>(result.compressed.physical()) / 1048576.0,
               result.nll_difference.mean, interval_text(result.nll_difference), result.kl_to_full.mean,
               interval_text(result.kl_to_full), result.top1_agreement);
  }
  fmt::print(
      "\nMiB: physical bytes right after the prefix was compressed. NLL-full: nats a token above full+f32, "
      "paired. KL(full || policy) of\n"
      "the next token's distribution, nats. top-1: share of rows whose most likely token is full+f32's.\n");
}

void run(const Options& options) {
  EvaluationRequest request;
  request.prefix = options.prefix;
  request.steps = options.steps;
  request.seed = options.common.seed;
  const std::vector<Policy> requested = parse_policies(options.policies);
  const ModelFile model(find_model(options.model));
  for (const std::string& text : options.texts) {
    TokenSource source;
    source.text_file = text;
    request.texts.push_back(load_tokens(source, model, options.prefix + options.steps + 1).ids);
  }
  const Transformer transformer = model.load();
  const std::unique_ptr<Progress> progress = terminal_progress();
  const PolicyKnowledge knowledge(model, transformer, requested, *progress);
  request.knowledge = knowledge.view();
  const SelectionContext context = knowledge.context(options.prefix);
  const std::vector<PlannedPolicy> planned = plan_policies(options.policies, requested, context);
  for (const PlannedPolicy& plan : planned) request.policies.push_back(plan.policy);
  const Evaluation evaluation = evaluate(transformer, request, *progress);
  if (!options.common.json) {
    print_table(evaluation, options, model.shape());
    return;
  }
  nlohmann::json rows = nlohmann::json::array();
  for (const EvaluationResult& result : evaluation.policies) rows.push_back(result_json(result));
  print_json({{"policies", rows},
              {"full_nll", evaluation.full_nll.mean},
              {"n", evaluation.rows},
              {"units", evaluation.units},
              {"prefix", options.prefix},
              {"steps", options.steps}});
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
  command->add_option("--model", options->model, "GGUF file, or smollm2-135m or tiny-alibi")->required();
  command->add_option("--text", options->texts, "UTF-8 text file; several are evaluated together")
      ->required();
  command->add_option("--prefix", options->prefix, "tokens that are computed exactly, then compressed")
      ->required()
      ->check(CLI::PositiveNumber);
  command->add_option("--steps", options->steps, "teacher-forced steps after the prefix that are scored")
      ->required()
      ->check(CLI::PositiveNumber);
  add_policy_options(*command, options->policies);
  add_common_options(*command, options->common, true);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
