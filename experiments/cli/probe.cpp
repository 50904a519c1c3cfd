#include "sim/probe/probe.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/probe_cache.hpp"
#include "experiments/cli/run_cost.hpp"
#include "experiments/store/store.hpp"
#include "models/base/error.hpp"
#include "models/language/model_file.hpp"
#include "policies/retrieval_heads.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string db;
  ModelChoice model;
  std::string ids_file;
  std::string source = "vocabulary";
  std::string variant = "sum-prior";
  std::string choose = "paper";
  int block = default_probe_block;
  int repeats = default_probe_repeats;
};

HeadChoiceParameters head_choice(const std::string& name) {
  return usual_parameters(razorscope::head_choice("--choose", name));
}

/// Whether it is the probe that policies expect, which may be known already.
bool is_default(const Options& options, bool block_given) {
  return options.ids_file.empty() && !block_given && options.repeats == default_probe_repeats &&
         options.common.seed == default_probe_seed && options.source == "vocabulary" &&
         probe_variant(options.variant) == ProbeVariant::sum_prior;
}

/// The scores, with what is needed to store them.
ProbeRecord measure(const Options& options, const ModelFile& model, bool block_given) {
  const ProbeVariant variant = probe_variant(options.variant);
  std::vector<int32_t> block;
  int32_t bos = -1;
  if (options.ids_file.empty()) {
    const Tokenizer tokenizer = model.tokenizer();
    bos = tokenizer.bos();
    const int fitting = (model.shape().context - (bos >= 0 ? 1 : 0)) / options.repeats;
    // A block that was asked for and does not fit is an error, which run_probe words; the default is cut.
    block = random_block(tokenizer, block_given ? options.block : std::min(options.block, fitting),
                         options.common.seed, options.source);
  } else {
    block = read_ids_file(options.ids_file);
    bos = static_cast<int32_t>(
        model.gguf().integer("tokenizer.ggml.bos_token_id", 0, model.shape().vocabulary - 1, -1));
  }
  const int tokens = static_cast<int>(block.size()) * options.repeats + 1;
  RunCost cost = closed_loop_cost(model, options.model.compute, tokens, 0.0, tokens, 0);
  cost.disk_bytes = 40.0 * model.shape().layers * model.shape().query_heads;
  tell_cost(options.common, cost);
  const std::unique_ptr<Progress> progress = terminal_progress();
  ProbeRecord record;
  const auto begin = std::chrono::steady_clock::now();
  const Transformer transformer = model.load(options.model.compute);
  if (is_default(options, block_given)) {
    record.scores = default_probe(model, transformer, *progress);
  } else {
    record.scores = run_probe(transformer, block, options.repeats, bos, variant, *progress);
  }
  record.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (options.ids_file.empty()) {
    record.scores.seed = options.common.seed;
    record.scores.token_source = options.source;
  } else {
    record.block = block;
  }
  record.model = {model.shape(), model.sha256()};
  record.command_line = command_line();
  record.provenance = current_provenance(options.model.compute);
  return record;
}

void print_text(const HeadScores& scores, const std::vector<HeadId>& retrieval, const std::string& choose) {
  fmt::print("probe: {} tokens x {} repeats, {}, tokens from {}, seed {}\n", scores.block, scores.repeats,
             scores.variant, scores.token_source, scores.seed);
  const std::vector<double> echo = scores.kv_echo();
  const std::vector<double> induction = scores.kv_induction();
  fmt::print(
      "{} retrieval heads of {} KV heads (choose={}), best first:\n  layer  KV head  induction      echo\n",
      retrieval.size(), induction.size(), choose);
  const std::set<HeadId> chosen(retrieval.begin(), retrieval.end());
  for (const HeadId& head : rank_heads(scores)) {
    if (!chosen.contains(head)) continue;
    const auto i = static_cast<size_t>(head.first * scores.kv_heads + head.second);
    fmt::print("  {:>5}  {:>7}  {:>9.4f} {:>9.4f}\n", head.first, head.second, induction[i], echo[i]);
  }
}

void print_result(const Options& options, const HeadScores& scores) {
  const std::vector<HeadId> retrieval = choose_retrieval_heads(scores, head_choice(options.choose));
  if (!options.common.json) {
    print_text(scores, retrieval, options.choose);
    return;
  }
  const auto rows = [&](const std::vector<double>& echo, const std::vector<double>& induction, int heads) {
    nlohmann::json out = nlohmann::json::array();
    for (size_t i = 0; i < echo.size(); ++i) {
      const auto index = static_cast<int>(i);
      out.push_back({{"layer", index / heads},
                     {"head", index % heads},
                     {"echo", echo[i]},
                     {"induction", induction[i]}});
    }
    return out;
  };
  print_json({{"query_heads", rows(scores.echo, scores.induction, scores.query_heads)},
              {"kv_heads", rows(scores.kv_echo(), scores.kv_induction(), scores.kv_heads)},
              {"retrieval_kv_heads", retrieval},
              {"choose", options.choose},
              {"block", scores.block},
              {"repeats", scores.repeats},
              {"seed", scores.seed},
              {"token_source", scores.token_source},
              {"variant", scores.variant}});
}

void run(const Options& options, bool block_given) {
  head_choice(options.choose);  // a wrong name is an error before the model runs
  const ProbeRecord record = measure(options, ModelFile(find_model(options.model.name)), block_given);
  const std::filesystem::path db = results_database(options.db);
  Store::open_for_writing(db).add_probe(record);
  print_result(options, record.scores);
  fmt::print(stderr, "probe stored in {}\n", db.string());
}

}  // namespace

void add_probe(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, "probe", "echo and induction score of every head, and the retrieval heads",
                  "razorscope probe --model smollm2-135m --block 200 --repeats 4");
  add_model_options(*command, options->model);
  CLI::Option* block =
      command
          ->add_option("--block", options->block,
                       "random tokens in the block that is repeated; cut to the context unless given")
          ->capture_default_str()
          ->check(CLI::PositiveNumber);
  command->add_option("--repeats", options->repeats, "copies of the block that the model reads")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  CLI::Option* ids = command->add_option("--ids", options->ids_file,
                                         "the block's token ids, without BOS, instead of random ones");
  ids->excludes(block);
  command
      ->add_option("--source", options->source,
                   "random tokens from: vocabulary (all normal ids) or range (10000 to 12500)")
      ->capture_default_str();
  command
      ->add_option("--variant", options->variant,
                   "sum-prior (all earlier occurrences) or last-prior (the latest)")
      ->capture_default_str();
  command
      ->add_option("--choose", options->choose, "retrieval heads: paper (14 % + 1 %), threshold (0.1), gap")
      ->capture_default_str();
  add_database_option(*command, options->db);
  add_common_options(*command, options->common, true);
  add_estimate_option(*command, options->common);
  command->callback([options, block] {
    apply_common_options(options->common);
    run(*options, block->count() > 0);
  });
}

}  // namespace razorscope::cli
