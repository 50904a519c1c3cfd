#include "sim/serving/plan.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/deployment_options.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/policy_options.hpp"
#include "experiments/cli/run_cost.hpp"
#include "experiments/cli/run_records.hpp"
#include "experiments/store/plan_rows.hpp"
#include "experiments/store/text_table.hpp"
#include "models/language/shape_catalogue.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  DeploymentOptions deployment;
  std::vector<std::string> policies = {usual_plan_policies};
  int context = 0;
  int output = 256;
  int batch = 1;
  std::string db;
};

/// A device's memory: weights, the batch's KV, what is free of the pool, the rest (activations, runtime, what
/// the engine may not take).
std::string memory_bar(const PlanRow& row, int batch) {
  constexpr double width = 32.0;
  const auto cells = [&](double bytes) {
    return static_cast<size_t>(std::max(0.0, bytes) / row.memory_bytes * width + 0.5);
  };
  std::string bar;
  const auto fill = [&](size_t end, const char* cell) {
    for (size_t i = bar.size() / 3; i < std::min(end, static_cast<size_t>(width)); ++i) bar += cell;
  };
  const double weights = row.weights_bytes / row.tp;
  const double kv = row.kv_bytes_per_sequence_rank * batch;
  fill(cells(weights), "█");
  fill(cells(weights + std::min(kv, row.pool_bytes)), "▓");
  fill(cells(weights + row.pool_bytes), "░");
  fill(static_cast<size_t>(width), "─");
  return bar;
}

std::string milliseconds(double seconds) {
  return fmt::format("{:.{}f}", seconds * 1e3, seconds < 0.1 ? 2 : 0);
}

void print_table(const std::vector<PlanRow>& rows, const std::vector<std::string>& notes,
                 const Options& options) {
  fmt::print("{}, {} weights, tp {}, {} prompt + {} output tokens, batch {}\n\n", options.deployment.model,
             options.deployment.weights, options.deployment.tp, thousands(options.context),
             thousands(options.output), options.batch);
  std::vector<Cells> table = {{"device", "policy", "KV GB a sequence", "largest batch", "largest context",
                               "decode ms", "weights", "attention", "other", "prefill ms", "tokens/s full",
                               "constants"}};
  for (const PlanRow& row : rows) {
    const double other = row.decode.all_reduce + row.decode.between_products + row.decode.policy;
    table.push_back(
        {row.device, policy_cell(row.policy, TextStyle::plain),
         fmt::format("{:.3f}", row.kv_bytes_per_sequence / 1e9),
         row.max_batch_admitting < row.max_batch
             ? fmt::format("{} ({})", row.max_batch, row.max_batch_admitting)
             : std::to_string(row.max_batch),
         thousands(row.max_context), milliseconds(row.decode.total()), milliseconds(row.decode.weights),
         milliseconds(row.decode.decode_attention), milliseconds(other), milliseconds(row.prefill_seconds),
         row.decode_full
             ? fmt::format("{:.0f}", static_cast<double>(row.max_batch) / row.decode_full->total())
             : "-",
         std::string(to_string(row.calibration))});
  }
  fmt::print("{}", format_table(table, TextStyle::plain));
  fmt::print("\nMemory of a device (█ weights, ▓ KV of the batch, ░ free for KV, ─ the rest):\n");
  for (const PlanRow& row : rows) {
    fmt::print("  {}  {:<18} {}{}\n", memory_bar(row, options.batch), row.device,
               policy_cell(row.policy, TextStyle::plain),
               row.fits ? "" : fmt::format("  a batch of {} does not fit", options.batch));
  }
  fmt::print(
      "\nlargest batch: sequences whose caches fit at the end of their output; in brackets while the last "
      "one's "
      "prompt is\nnot compressed yet. largest context: prompt tokens of the batch, by memory alone. decode: "
      "one "
      "step halfway through the output.\n");
  for (const std::string& note : notes) fmt::print("note: {}\n", note);
}

PlanRecord describe(const Options& options, const Policy& policy, const Deployment& deployment) {
  PlanRecord record;
  describe_command(record, options.common.seed, Compute::f32);
  record.policy = policy;
  record.model.shape = deployment.shape;
  record.deployment = deployment;
  record.engine = options.deployment.engine;
  record.token_budget = token_budget(options.deployment);
  record.request = {options.context, options.output, options.batch, record.token_budget};
  return record;
}

/// Plans take a moment: what does not fit at all is refused now.
RunCost plan_cost(const Options& options, const std::vector<Policy>& policies,
                  const std::vector<Deployment>& on) {
  for (const Deployment& deployment : on) {
    const PlanRecord record = describe(options, policies.front(), deployment);
    PolicyFootprint footprint(policies.front(), deployment.shape, nullptr, deployment.tp);
    plan(deployment, footprint, record.request);
  }
  const auto runs = static_cast<double>(policies.size() * on.size());
  return {60e6, 0.02 * runs, 1000.0 * runs};
}

void run(const Options& options) {
  const std::vector<Policy> policies = parse_policies({options.policies, ""});
  const std::vector<Deployment> on = deployments(options.deployment);
  if (options.common.estimate) tell_cost(options.common, plan_cost(options, policies, on));
  std::vector<PlanRow> rows;
  std::vector<PlanRecord> records;
  std::vector<std::string> notes;
  for (const Deployment& deployment : on) {
    for (const Policy& policy : policies) {
      PolicyFootprint footprint(policy, deployment.shape, nullptr, deployment.tp);
      PlanRecord& record = records.emplace_back(describe(options, policy, deployment));
      const auto begin = std::chrono::steady_clock::now();
      record.row = plan(deployment, footprint, record.request);
      record.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      rows.push_back(record.row);
      add_notes(notes, plan_notes(deployment, record.row));
    }
  }
  Store store = Store::open_for_writing(results_database(options.db));
  store.together([&] {
    for (const PlanRecord& record : records) store.add_plan(record);
  });
  if (options.common.json) {
    nlohmann::json document = {{"rows", nlohmann::json::array()}, {"notes", notes}};
    for (const PlanRecord& record : records)
      document["rows"].push_back(plan_row_json(record.row, options.deployment, record.request));
    print_json(document);
  } else {
    print_table(rows, notes, options);
  }
  fmt::print(stderr, "{} plans stored in {}\n", records.size(), store.path().string());
}

}  // namespace

void add_plan(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, "plan", "what a model's cache takes on devices, how much fits, how long a step lasts, by policy",
      "razorscope plan --devices \"H100 SXM;Ascend 910B2\" --model llama-3.1-70b --tp 8 --context 131072 "
      "--policies \"full;razor;razor+q8_0\"");
  add_common_options(*command, options->common);
  add_estimate_option(*command, options->common);
  add_deployment_options(*command, options->deployment, true);
  command->add_option("--policies", options->policies, "policies, separated by ';' (razorscope policies)")
      ->capture_default_str();
  command->add_option("--context", options->context,
                      "prompt tokens; default the model's context less the output");
  command->add_option("--output", options->output, "tokens generated after the prompt")
      ->capture_default_str();
  command->add_option("--batch", options->batch, "sequences that decode together")->capture_default_str();
  add_database_option(*command, options->db);
  command->callback([options, command] {
    apply_common_options(options->common);
    if (command->count("--context") == 0) {
      options->context = find_shape("--model", options->deployment.model).context - options->output;
    }
    run(*options);
  });
}

}  // namespace razorscope::cli
