#include "sim/closed_loop/explain.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <unistd.h>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/explain_audit.hpp"
#include "experiments/cli/explain_text.hpp"
#include "experiments/cli/explanation_picture.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/policy_options.hpp"
#include "experiments/cli/run_cost.hpp"
#include "experiments/cli/run_records.hpp"
#include "experiments/store/store.hpp"
#include "models/base/error.hpp"
#include "models/base/mapped_file.hpp"
#include "sim/closed_loop/token_audit.hpp"
#include "sim/equal_bytes.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  ExplainRequest request;
  ModelChoice model;
  std::string text_file;
  PolicyOptions policies;
  std::string db;
  ExplainFilter filter;
  std::string colour = "auto";
  std::string picture;
  bool fates = false;
  std::vector<std::string> audited;  // words
};

nlohmann::json policy_json(const PolicyExplanation& policy, const Explanation& explanation, bool fates) {
  const auto tokens = static_cast<int>(explanation.pieces.size());
  nlohmann::json out = {{"policy", policy.policy},
                        {"log_odds", policy.log_odds},
                        {"answer", policy.log_odds > 0.0 ? "positive" : "negative"},
                        {"bytes_nominal", policy.compressed.nominal},
                        {"bytes_logical", policy.compressed.logical()},
                        {"bytes_physical", policy.compressed.physical()},
                        {"held", held_shares(policy, tokens)},
                        {"verdict_held", verdict_held(policy, explanation)}};
  if (policy.log_odds_without_verdict) out["log_odds_without_verdict"] = *policy.log_odds_without_verdict;
  if (!fates) return out;
  nlohmann::json& layers = out["fates"] = nlohmann::json::array();
  for (int layer = 0; layer < policy.layers; ++layer) {
    nlohmann::json& heads = layers.emplace_back(nlohmann::json::array());
    for (int h = 0; h < policy.kv_heads; ++h) {
      const auto first = static_cast<size_t>((layer * policy.kv_heads + h) * tokens);
      heads.push_back(policy.fates.substr(first, static_cast<size_t>(tokens)));
    }
  }
  nlohmann::json& later = out["lost_while_asked"] = nlohmann::json::array();
  for (const LaterLoss& loss : policy.later)
    later.push_back({loss.layer, loss.kv_head, loss.position, loss.step});
  return out;
}

void print_document(const Explanation& explanation, const Options& options) {
  nlohmann::json policies = nlohmann::json::array();
  for (const PolicyExplanation& policy : explanation.policies)
    policies.push_back(policy_json(policy, explanation, options.fates));
  nlohmann::json document = {{"tokens", explanation.pieces},
                             {"verdict", {explanation.verdict_begin, explanation.verdict_end}},
                             {"question", options.request.question},
                             {"answers", {options.request.positive, options.request.negative}},
                             {"full", policy_json(explanation.full, explanation, false)},
                             {"policies", policies}};
  if (!options.audited.empty()) document["audit"] = audit_json(explanation, options.audited);
  print_json(document);
}

std::vector<ExplainRecord> records_of(const Explanation& explanation,
                                      const std::vector<PlannedPolicy>& planned,
                                      const ExplainRequest& request, size_t full_bytes,
                                      const ExplainRecord& shared) {
  std::vector<ExplainRecord> records(planned.size(), shared);
  for (size_t i = 0; i < planned.size(); ++i) {
    describe_policy(records[i], planned[i], full_bytes);
    records[i].request = request;
    records[i].result = explanation.policies[i];
    records[i].full = explanation.full;
    records[i].pieces = explanation.pieces;
    records[i].verdict_begin = explanation.verdict_begin;
    records[i].verdict_end = explanation.verdict_end;
    records[i].attention = explanation.attention;
  }
  return records;
}

bool wants_colour(const std::string& when) {
  if (when != "auto") return when == "always";
  return isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;  // NOLINT(concurrency-mt-unsafe)
}

void check_folder(const char* option, const std::filesystem::path& file) {
  const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
  if (!std::filesystem::is_directory(folder))
    throw InputError(option, fmt::format("there is no folder {}", folder.string()));
}

void check_filter(const ExplainFilter& filter, const Shape& shape) {
  const auto within = [](const char* key, int value, int count) {
    if (value >= count)
      throw InputError(key, fmt::format("{} is out of range; allowed: 0 to {}", value, count - 1));
  };
  within("--layer", filter.layer, shape.layers);
  within("--head", filter.kv_head, shape.kv_heads);
}

void run(Options& options) {
  const std::vector<Policy> requested = parse_policies(options.policies);
  if (!options.text_file.empty()) options.request.text = read_utf8_file(options.text_file);
  if (options.request.text.empty())
    throw InputError("--text", "a text file (or --string with a text) is needed");
  check_utf8("--string", options.request.text);
  check_utf8("--question", options.request.question);
  check_utf8("--positive", options.request.positive);
  check_utf8("--negative", options.request.negative);
  for (const std::string& words : options.audited) check_utf8("--audit", words);
  check_audited(options.audited, options.request.text);
  if (!options.picture.empty()) check_folder("--picture", options.picture);
  const ModelFile model(find_model(options.model.name));
  check_filter(options.filter, model.shape());
  const Tokenizer tokenizer = model.tokenizer();
  // A token has a few bytes; the text is read as it is and without its verdict, the answers under every
  // policy.
  const auto about = static_cast<int>(options.request.text.size() / 3 + 100);
  tell_cost(options.common, closed_loop_cost(model, options.model.compute, 2.0 * about, 40.0, about,
                                             planned_runs(options.policies)));
  const Transformer transformer = model.load(options.model.compute);
  const std::unique_ptr<Progress> progress = terminal_progress();
  const PolicyKnowledge knowledge(model, transformer, requested, *progress);
  std::optional<std::vector<PlannedPolicy>> planned;  // for the text as it is, which is read first
  const auto policies_for = [&](int tokens) {
    const auto plans = plan_policies(options.policies, requested, knowledge.context(tokens));
    if (!planned) planned = plans;
    std::vector<Policy> policies;
    for (const PlannedPolicy& plan : plans) policies.push_back(plan.policy);
    return policies;
  };
  const auto begin = std::chrono::steady_clock::now();
  const Explanation explanation =
      explain(transformer, tokenizer, options.request, policies_for, knowledge.view(), *progress);
  const auto tokens = static_cast<int>(explanation.pieces.size());
  const size_t full_bytes = full_f16_bytes(knowledge.context(tokens));
  ExplainRecord shared;
  describe_command(shared, options.common.seed, options.model.compute);
  shared.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  shared.model = {model.shape(), model.sha256()};
  shared.text = describe_text(options.text_file, options.request.text);
  Store store = Store::open_for_writing(results_database(options.db));
  store.together([&] {
    for (const ExplainRecord& record : records_of(explanation, *planned, options.request, full_bytes, shared))
      store.add_explanation(record);
  });
  if (!options.picture.empty()) write_picture(options.picture, explanation, options.filter);
  if (options.common.json) {
    print_document(explanation, options);
  } else {
    fmt::print("{}", explanation_text(explanation, full_bytes, options.filter, wants_colour(options.colour)));
    fmt::print("{}", audit_text(explanation, options.audited));
  }
  fmt::print(stderr, "{} runs stored in {}\n", planned->size(), store.path().string());
}

}  // namespace

void add_explain(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  options->request.question = "\n\nTo sum up, the ending is a";
  options->request.positive = " joy";
  options->request.negative = " disappointment";
  CLI::App* command = add_command(
      app, "explain",
      "what each policy keeps, folds and drops of a text, token by token, and what that does to an answer",
      "razorscope explain --model smollm2-135m --text experiments/texts/review.txt \\\n"
      "    --verdict \"the ending is a disappointment\" --equal-bytes 0.3 --policies "
      "\"window;h2o;razor;occam+q8_0\"");
  add_model_options(*command, options->model);
  CLI::Option* file = command->add_option("--text", options->text_file, "UTF-8 text file");
  command->add_option("--string", options->request.text, "the text itself")->excludes(file);
  command->add_option(
      "--verdict", options->request.verdict,
      "words of the paragraph that the answer hangs on; it is marked, and what it does to the "
      "answer is measured by leaving it out");
  command
      ->add_option("--question", options->request.question,
                   "asked after the text is compressed; the answer follows it")
      ->default_str("two line ends and: To sum up, the ending is a");
  command->add_option("--positive", options->request.positive, "an answer, with its space")
      ->capture_default_str();
  command->add_option("--negative", options->request.negative, "the other answer")->capture_default_str();
  command->add_option("--layer", options->filter.layer, "shares of this layer's heads only")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--head", options->filter.kv_head, "shares of this KV head in each layer only")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--color", options->colour, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  command->add_option("--picture", options->picture, "draws the text under each policy into an SVG file");
  command
      ->add_option(
          "--audit", options->audited,
          "words of the text (again for more): what became of each of their tokens in every head, and "
          "the attention that the question would have paid to it")
      ->type_name("WORDS")
      ->allow_extra_args(false);
  command->add_flag(
      "--fates", options->fates,
      "each token's fate per layer and KV head too (JSON): s sink, w window, h heavy, k kept, f "
      "folded, d dropped");
  add_policy_options(*command, options->policies);
  add_database_option(*command, options->db);
  add_common_options(*command, options->common, true);
  add_estimate_option(*command, options->common);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
