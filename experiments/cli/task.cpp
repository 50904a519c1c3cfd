#include "sim/closed_loop/task.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/policy_options.hpp"
#include "experiments/cli/run_cost.hpp"
#include "experiments/cli/run_records.hpp"
#include "experiments/store/report.hpp"
#include "experiments/store/store.hpp"
#include "models/base/error.hpp"
#include "models/base/mapped_file.hpp"
#include "sim/equal_bytes.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  TaskSettings settings;
  ModelChoice model;
  std::string text;
  std::string lengths = "1536";
  PolicyOptions policies;
  std::string db;
};

/// The policies and budgets that fit contexts of every length.
std::vector<PlannedPolicy> plan_for_all_lengths(const Options& options, const std::vector<Policy>& requested,
                                                const PolicyKnowledge& knowledge) {
  const std::vector<int>& lengths = options.settings.lengths;
  std::vector<PlannedPolicy> planned =
      plan_policies(options.policies, requested, knowledge.context(lengths.front()));
  for (const int length : lengths) {
    const SelectionContext context = knowledge.context(length);
    const auto full_bytes = static_cast<double>(full_f16_bytes(context));
    std::erase_if(planned, [&](const PlannedPolicy& plan) {
      if (!plan.share) return false;
      const SizedPolicy sized =
          size_policy(context, plan.requested, static_cast<size_t>(*plan.share * full_bytes));
      if (!sized.policy)
        fmt::print(stderr, "left out at {:.1f} %, {} tokens: {}\n", 100.0 * *plan.share, length,
                   sized.reason);
      return !sized.policy;
    });
  }
  if (planned.empty()) throw InputError("--equal-bytes", "no policy fits any of the budgets at every length");
  return planned;
}

/// One policy of the plan, sized for contexts as they come.
class SizedPolicies {
 public:
  SizedPolicies(const std::vector<PlannedPolicy>& planned, const PolicyKnowledge& knowledge)
      : planned_(planned), knowledge_(knowledge) {}

  std::vector<Policy> operator()(int tokens) {
    const auto [found, is_new] = by_tokens_.try_emplace(tokens);
    if (!is_new) return found->second;
    const SelectionContext context = knowledge_.context(tokens);
    const auto full_bytes = static_cast<double>(full_f16_bytes(context));
    for (const PlannedPolicy& plan : planned_) {
      if (!plan.share || !plan.policy.has_size(nullptr)) {
        found->second.push_back(plan.policy);
        continue;
      }
      const auto bytes = static_cast<size_t>(*plan.share * full_bytes);
      found->second.push_back(solve_equal_bytes(context, {plan.requested}, bytes).front());
    }
    return found->second;
  }

 private:
  const std::vector<PlannedPolicy>& planned_;
  const PolicyKnowledge& knowledge_;
  std::map<int, std::vector<Policy>> by_tokens_;
};

double mean_nll(const TaskResult& result) {
  double sum = 0.0;
  for (const TaskAnswer& answer : result.answers) sum += answer.nll;
  return sum / static_cast<double>(result.answers.size());
}

nlohmann::json result_json(const TaskResult& result) {
  nlohmann::json answers = nlohmann::json::array();
  for (const TaskAnswer& answer : result.answers) {
    answers.push_back({{"length", answer.length},
                       {"depth", answer.depth},
                       {"correct", answer.correct},
                       {"nll", answer.nll}});
  }
  return {{"policy", result.policy.name()},
          {"accuracy", result.accuracy()},
          {"n", result.n},
          {"low", result.interval.low},
          {"high", result.interval.high},
          {"answer_nll", mean_nll(result)},
          {"bytes_nominal", result.nominal_bytes},
          {"bytes_logical", result.logical_bytes},
          {"bytes_physical", result.physical_bytes},
          {"answers", answers}};
}

std::vector<TaskRecord> records_of(const TaskOutcome& outcome, const std::vector<PlannedPolicy>& planned,
                                   const TaskRecord& shared) {
  std::vector<TaskRecord> records(planned.size(), shared);
  for (size_t i = 0; i < planned.size(); ++i) {
    describe_policy(records[i], planned[i], static_cast<size_t>(outcome.full_f16_bytes));
    // Each context has a size of its own: the run is of what was asked for, at its share of bytes.
    records[i].policy = planned[i].requested;
    records[i].equal_bytes_target = std::nullopt;
    records[i].result = outcome.policies[i];
    records[i].full_accuracy = outcome.full.accuracy();
    records[i].model_can = outcome.model_can;
  }
  return records;
}

void print_document(const TaskOutcome& outcome, const std::vector<PlannedPolicy>& planned,
                    const Options& options) {
  nlohmann::json rows = nlohmann::json::array();
  for (size_t i = 0; i < planned.size(); ++i) {
    rows.push_back(result_json(outcome.policies[i]));
    rows.back()["equal_bytes_share"] = or_null(planned[i].share);
  }
  print_json({{"task", options.settings.task},
              {"policies", rows},
              {"full", result_json(outcome.full)},
              {"model_can", outcome.model_can},
              {"bytes_full_f16", outcome.full_f16_bytes},
              {"query_aware", options.settings.query_aware},
              {"seed", options.settings.seed}});
}

/// Each context is read once, each question (some 30 tokens, with its answer) under all policies.
RunCost task_cost(const Options& options, const ModelFile& model) {
  const TaskSettings& settings = options.settings;
  const bool needle = settings.task == "needle";
  const double contexts = needle ? static_cast<double>(settings.depths) * settings.facts : settings.contexts;
  const double questions = needle ? contexts : contexts * settings.facts;
  double prompt_rows = 0.0;
  int longest = 1;
  for (const int length : settings.lengths) {
    prompt_rows += contexts * length;
    longest = std::max(longest, length);
  }
  return closed_loop_cost(model, options.model.compute, prompt_rows,
                          30.0 * questions * static_cast<double>(settings.lengths.size()), longest,
                          planned_runs(options.policies));
}

void run(Options& options) {
  options.settings.lengths = parse_integer_list("--lengths", options.lengths);
  options.settings.seed = options.common.seed;
  const std::vector<Policy> requested = parse_policies(options.policies);
  const ModelFile model(find_model(options.model.name));
  const std::string haystack = read_utf8_file(options.text);
  const Tokenizer tokenizer = model.tokenizer();
  tell_cost(options.common, task_cost(options, model));
  const Transformer transformer = model.load(options.model.compute);
  const std::unique_ptr<Progress> progress = terminal_progress();
  const PolicyKnowledge knowledge(model, transformer, requested, *progress);
  const std::vector<PlannedPolicy> planned = plan_for_all_lengths(options, requested, knowledge);
  SizedPolicies sized(planned, knowledge);
  TaskInputs inputs{tokenizer, haystack, {}, [&](int tokens) { return sized(tokens); }, knowledge.view()};
  for (const PlannedPolicy& plan : planned) inputs.requested.push_back(plan.requested);
  TaskRecord shared;
  describe_command(shared, options.common.seed, options.model.compute);
  shared.model = {model.shape(), model.sha256()};
  shared.settings = options.settings;
  shared.haystack = describe_text(options.text, haystack);
  const auto begin = std::chrono::steady_clock::now();
  const TaskOutcome outcome = run_task(transformer, inputs, options.settings, *progress);
  shared.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Store store = Store::open_for_writing(results_database(options.db));
  const std::vector<TaskRow> rows =
      store_records(store, records_of(outcome, planned, shared), &Store::add_task, &Store::tasks);
  if (options.common.json) {
    print_document(outcome, planned, options);
  } else {
    ReportData data;
    data.tasks = rows;
    fmt::print("{}", format_whole_report(data, ReportFormat::table, ReportSection::tasks));
  }
  fmt::print(stderr, "{} runs stored in {}\n", rows.size(), store.path().string());
}

/// The options that both tasks have; `task` is the settings' name of it.
CLI::App* add_one(CLI::App& tasks, const std::shared_ptr<Options>& options, const std::string& task,
                  const std::string& description) {
  CLI::App* command = add_command(tasks, task, description,
                                  fmt::format("razorscope task {} --model smollm2-135m --text "
                                              "/usr/share/common-licenses/GPL-3 --lengths 768,1536 "
                                              "--equal-bytes 0.3,0.1 --policies \"h2o;razor;occam+q8_0\"",
                                              task));
  add_model_options(*command, options->model);
  command->add_option("--text", options->text, "UTF-8 text file that the facts are hidden in")->required();
  command->add_option("--lengths", options->lengths, "tokens of the contexts, facts included: 768,1536")
      ->capture_default_str();
  command->add_flag(
      "--query-aware", options->settings.query_aware,
      "compress with the question in sight: what no deployed cache can, labelled in every output");
  add_policy_options(*command, options->policies);
  add_database_option(*command, options->db);
  add_common_options(*command, options->common, true);
  add_estimate_option(*command, options->common);
  command->callback([options, task] {
    options->settings.task = task;
    apply_common_options(options->common);
    run(*options);
  });
  return command;
}

}  // namespace

void add_task(CLI::App& app) {
  CLI::App* tasks =
      app.add_subcommand("task", "retrieval tasks: is a fact still found in what a policy keeps?");
  tasks->require_subcommand(1);
  const auto needle = std::make_shared<Options>();
  CLI::App* command =
      add_one(*tasks, needle, "needle",
              "one fact a context, at several depths; compressed before the question is known");
  command->add_option("--depths", needle->settings.depths, "places per length, from the front to the end")
      ->capture_default_str();
  command->add_option("--facts", needle->settings.facts = 2, "facts tried at each place");
  const auto multi_query = std::make_shared<Options>();
  command = add_one(*tasks, multi_query, "multi-query",
                    "many facts a context and a question for each, all asked of one compressed context");
  command->add_option("--facts", multi_query->settings.facts, "facts in a context")->capture_default_str();
  command
      ->add_option("--contexts", multi_query->settings.contexts, "contexts per length, with other facts each")
      ->capture_default_str();
}

}  // namespace razorscope::cli
