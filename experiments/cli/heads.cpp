#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/policy_options.hpp"
#include "experiments/store/policy_label.hpp"
#include "experiments/store/store.hpp"
#include "models/base/error.hpp"
#include "models/base/mapped_file.hpp"
#include "policies/cache/layer_cache.hpp"
#include "policies/retrieval_heads.hpp"
#include "sim/equal_bytes.hpp"
#include "sim/probe/probe.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string db;
  ModelChoice model;
  std::string seeds = "1,2,3,4,5";
  std::string blocks = "50,100,200,400";
  std::vector<std::string> texts;
  std::string lengths = "1024,4096,8192,32768,131072";
  PolicyOptions policies;
};

constexpr std::array<HeadChoice, 3> choices = {HeadChoice::paper, HeadChoice::threshold, HeadChoice::gap};
constexpr std::array<const char*, 3> choice_names = {"paper", "threshold", "gap"};

/// One probe of the study: what was varied, and what it found.
struct StudiedProbe {
  std::string kind;  // seed, block, text
  std::string name;
  HeadScores scores;
  std::array<std::vector<HeadId>, choices.size()> heads;  // by choice
};

class HeadStudy {
 public:
  HeadStudy(const Options& options, const ModelFile& model, const Transformer& transformer)
      : options_(options), model_(model), transformer_(transformer), tokenizer_(model.tokenizer()) {}

  std::vector<StudiedProbe> run(Store& store) {
    const std::vector<int> seeds = parse_integer_list("--seeds", options_.seeds);
    const std::vector<int> blocks = parse_integer_list("--blocks", options_.blocks);
    const int fitting = (model_.shape().context - (tokenizer_.bos() >= 0 ? 1 : 0)) / default_probe_repeats;
    const int block = std::min(default_probe_block, fitting);
    for (const int seed : seeds)
      add(store, "seed", fmt::to_string(seed), random(block, static_cast<uint64_t>(seed)), seed);
    for (const int length : blocks) {
      if (length < 1 || length > fitting) {
        throw InputError("--blocks",
                         fmt::format("{} is out of range; allowed: 1 to {}, which {} times fits the context",
                                     length, fitting, default_probe_repeats));
      }
      add(store, "block", fmt::to_string(length), random(length, default_probe_seed),
          static_cast<int>(default_probe_seed));
    }
    for (const std::string& text : options_.texts) {
      std::vector<int32_t> ids = tokenizer_.encode(read_utf8_file(text), static_cast<size_t>(block));
      if (ids.size() < static_cast<size_t>(block))
        throw InputError(text, fmt::format("holds {} tokens, but a block takes {}", ids.size(), block));
      ids.resize(static_cast<size_t>(block));
      add(store, "text", text, ids, std::nullopt);
    }
    return std::move(probes_);
  }

 private:
  std::vector<int32_t> random(int length, uint64_t seed) const {
    return random_block(tokenizer_, length, seed, "vocabulary");
  }
  void add(Store& store, const std::string& kind, const std::string& name, const std::vector<int32_t>& block,
           std::optional<int> seed) {
    StudiedProbe& probe = probes_.emplace_back();
    probe.kind = kind;
    probe.name = name;
    const std::unique_ptr<Progress> progress = terminal_progress();
    const auto begin = std::chrono::steady_clock::now();
    probe.scores = run_probe(transformer_, block, default_probe_repeats, tokenizer_.bos(),
                             ProbeVariant::sum_prior, *progress);
    ProbeRecord record;
    record.command_line = command_line();
    record.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (seed) {
      probe.scores.seed = static_cast<uint64_t>(*seed);
      probe.scores.token_source = "vocabulary";
    } else {
      record.block = block;
    }
    record.scores = probe.scores;
    record.model = {model_.shape(), model_.sha256()};
    record.provenance = current_provenance(transformer_.compute());
    store.add_probe(record);
    for (size_t i = 0; i < choices.size(); ++i)
      probe.heads[i] = choose_retrieval_heads(probe.scores, usual_parameters(choices[i]));
  }

  const Options& options_;
  const ModelFile& model_;
  const Transformer& transformer_;
  Tokenizer tokenizer_;
  std::vector<StudiedProbe> probes_;
};

/// How alike the sets of some probes are, over all pairs.
struct Stability {
  int pairs = 0;
  double mean = 0.0;
  double least = 1.0;
};

Stability stability(const std::vector<StudiedProbe>& probes, const std::string& kind, size_t choice) {
  Stability found;
  for (size_t a = 0; a < probes.size(); ++a) {
    for (size_t b = a + 1; b < probes.size(); ++b) {
      if (!kind.empty() && (probes[a].kind != kind || probes[b].kind != kind)) continue;
      const double alike = jaccard(probes[a].heads[choice], probes[b].heads[choice]);
      ++found.pairs;
      found.mean += alike;
      found.least = std::min(found.least, alike);
    }
  }
  if (found.pairs > 0) found.mean /= found.pairs;
  return found;
}

/// Physical bytes of each policy at each length, and their ratio to full+f16.
nlohmann::json ratios(const Options& options, const Shape& shape, const HeadScores& probe) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Policy& policy : parse_policies(options.policies)) {
    for (const int length : parse_integer_list("--lengths", options.lengths)) {
      const SelectionContext context{.shape = shape, .prefix = length, .probe = &probe};
      const size_t full = full_f16_bytes(context);
      const size_t bytes = PolicyRun(policy, context).predicted_bytes(length);
      rows.push_back({{"policy", policy.name()},
                      {"tokens", length},
                      {"bytes_physical", bytes},
                      {"ratio", static_cast<double>(full) / static_cast<double>(bytes)}});
    }
  }
  return rows;
}

nlohmann::json document(const std::vector<StudiedProbe>& probes, const nlohmann::json& ratio_rows) {
  nlohmann::json out = {{"probes", nlohmann::json::array()}, {"jaccard", nlohmann::json::array()}};
  for (const StudiedProbe& probe : probes) {
    nlohmann::json row = {{"varied", probe.kind}, {"value", probe.name}, {"block", probe.scores.block}};
    for (size_t i = 0; i < choices.size(); ++i) row[choice_names[i]] = probe.heads[i];
    out["probes"].push_back(row);
  }
  for (size_t i = 0; i < choices.size(); ++i) {
    for (const char* kind : {"seed", "block", "text", ""}) {
      const Stability found = stability(probes, kind, i);
      if (found.pairs == 0) continue;
      out["jaccard"].push_back({{"choose", choice_names[i]},
                                {"varied", *kind == '\0' ? "all" : kind},
                                {"pairs", found.pairs},
                                {"mean", found.mean},
                                {"least", found.least}});
    }
  }
  out["ratios"] = ratio_rows;
  return out;
}

void print_text(const nlohmann::json& study, const Shape& shape) {
  fmt::print("{}: {} KV heads; probes of {} repeats, sum-prior\n\nheads chosen by each probe:\n", shape.name,
             shape.layers * shape.kv_heads, default_probe_repeats);
  fmt::print("{:<6} {:<44} {:>6} {:>7} {:>10} {:>5}\n", "varied", "value", "block", "paper", "threshold",
             "gap");
  for (const auto& probe : study["probes"]) {
    fmt::print("{:<6} {:<44} {:>6} {:>7} {:>10} {:>5}\n", probe["varied"].get<std::string>(),
               probe["value"].get<std::string>(), probe["block"].get<int>(), probe["paper"].size(),
               probe["threshold"].size(), probe["gap"].size());
  }
  fmt::print("\nJaccard of the chosen sets, over all pairs of probes:\n{:<10} {:<6} {:>6} {:>6} {:>6}\n",
             "choose", "varied", "pairs", "mean", "least");
  for (const auto& row : study["jaccard"]) {
    fmt::print("{:<10} {:<6} {:>6} {:>6.3f} {:>6.3f}\n", row["choose"].get<std::string>(),
               row["varied"].get<std::string>(), row["pairs"].get<int>(), row["mean"].get<double>(),
               row["least"].get<double>());
  }
  if (study["ratios"].empty()) return;
  fmt::print("\nfull+f16 bytes / policy's bytes right after a context of so many tokens:\n");
  std::map<int, int> columns;
  for (const auto& row : study["ratios"]) columns.emplace(row["tokens"].get<int>(), 0);
  fmt::print("{:<56}", "policy");
  for (const auto& [tokens, unused] : columns) fmt::print(" {:>8}", tokens);
  std::string policy;
  for (const auto& row : study["ratios"]) {
    if (row["policy"] != policy) {
      policy = row["policy"].get<std::string>();
      fmt::print("\n{:<56}", policy_label(policy));
    }
    fmt::print(" {:>8.3f}", row["ratio"].get<double>());
  }
  fmt::print("\n");
}

void run(const Options& options) {
  parse_policies(options.policies);  // a wrong name is an error before the model runs
  const ModelFile model(find_model(options.model.name));
  const Transformer transformer = model.load(options.model.compute);
  Store store = Store::open_for_writing(results_database(options.db));
  const std::vector<StudiedProbe> probes = HeadStudy(options, model, transformer).run(store);
  const nlohmann::json study = document(probes, ratios(options, model.shape(), probes.front().scores));
  if (options.common.json) {
    print_json(study);
  } else {
    print_text(study, model.shape());
  }
  fmt::print(stderr, "{} probes stored in {}\n", probes.size(), store.path().string());
}

}  // namespace

void add_heads(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, "heads",
                                  "how stable the retrieval heads are over seeds, block lengths and texts, "
                                  "and what a policy saves per length",
                                  "razorscope heads --model smollm2-135m --text "
                                  "experiments/texts/harbour.txt --policies \"razor;razor:recent=252\"");
  add_model_options(*command, options->model);
  command->add_option("--seeds", options->seeds, "seeds of random blocks of 200 tokens")
      ->capture_default_str();
  command->add_option("--blocks", options->blocks, "lengths of random blocks, seed 1")->capture_default_str();
  command->add_option("--text", options->texts,
                      "UTF-8 text file whose beginning is repeated instead; may be several");
  command->add_option("--lengths", options->lengths, "contexts that ratios are given for")
      ->capture_default_str();
  command->add_option("--policies", options->policies.policies, "policies whose ratio per length is shown");
  add_database_option(*command, options->db);
  add_common_options(*command, options->common);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
