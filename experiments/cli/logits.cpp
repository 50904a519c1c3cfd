#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "models/base/error.hpp"
#include "models/language/model_file.hpp"
#include "policies/cache/exact_memory.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  ModelChoice model;
  TokenSource source;
  int tokens = 0;
  int top = 8;
  std::string at;
};

struct ScoredToken {
  int32_t id;
  float logit;
};

/// Sums the NLL of every next token, and keeps the best tokens of the wanted positions.
class LogitsReader final : public ForwardObserver {
 public:
  LogitsReader(const std::vector<int32_t>& ids, int vocabulary, int top, const std::vector<int>& at)
      : ids_(ids), vocabulary_(vocabulary), top_(top) {
    for (const int position : at) best_[position] = {};
  }

  void logits(int first_position, int rows, const float* logits) override {
    std::vector<double> losses(static_cast<size_t>(rows), 0.0);
#pragma omp parallel for schedule(static)
    for (int r = 0; r < rows; ++r) {
      const auto position = static_cast<size_t>(first_position + r);
      if (position + 1 < ids_.size())
        losses[static_cast<size_t>(r)] = nll(logits + row_offset(r), ids_[position + 1]);
    }
    nll_sum_ = std::accumulate(losses.begin(), losses.end(), nll_sum_);
    for (int r = 0; r < rows; ++r) {
      const auto wanted = best_.find(first_position + r);
      if (wanted != best_.end()) wanted->second = best(logits + row_offset(r));
    }
  }

  double mean_nll() const { return nll_sum_ / static_cast<double>(ids_.size() - 1); }
  const std::map<int, std::vector<ScoredToken>>& best_tokens() const { return best_; }

 private:
  ptrdiff_t row_offset(int row) const { return static_cast<ptrdiff_t>(row) * vocabulary_; }

  double nll(const float* row, int32_t target) const {
    const float largest = *std::max_element(row, row + vocabulary_);
    double sum = 0.0;
    for (int i = 0; i < vocabulary_; ++i) sum += static_cast<double>(std::exp(row[i] - largest));
    return static_cast<double>(largest) + std::log(sum) - row[target];
  }

  std::vector<ScoredToken> best(const float* row) const {
    std::vector<int32_t> order(static_cast<size_t>(vocabulary_));
    std::iota(order.begin(), order.end(), 0);
    const auto count = std::min<ptrdiff_t>(top_, vocabulary_);
    std::partial_sort(order.begin(), order.begin() + count, order.end(),
                      [&](int32_t a, int32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
    std::vector<ScoredToken> out;
    for (ptrdiff_t i = 0; i < count; ++i)
      out.push_back({order[static_cast<size_t>(i)], row[order[static_cast<size_t>(i)]]});
    return out;
  }

  const std::vector<int32_t>& ids_;
  int vocabulary_;
  int top_;
  double nll_sum_ = 0.0;
  std::map<int, std::vector<ScoredToken>> best_;
};

void print_result(const Options& options, const ModelFile& model, const LogitsReader& reader, size_t tokens) {
  if (options.common.json) {
    nlohmann::json at = nlohmann::json::object();
    for (const auto& [position, best] : reader.best_tokens()) {
      nlohmann::json& list = at[fmt::to_string(position)] = nlohmann::json::array();
      for (const ScoredToken& token : best) list.push_back({{"id", token.id}, {"logit", token.logit}});
    }
    print_json({{"tokens", tokens},
                {"mean_nll", reader.mean_nll()},
                {"perplexity", std::exp(reader.mean_nll())},
                {"at", at}});
    return;
  }
  fmt::print("mean NLL {:.6f} nats, perplexity {:.4f} (n = {} targets, full cache in f32)\n",
             reader.mean_nll(), std::exp(reader.mean_nll()), tokens - 1);
  if (reader.best_tokens().empty()) return;
  std::optional<Tokenizer> tokenizer;
  if (!options.source.text_file.empty()) tokenizer.emplace(model.tokenizer());
  for (const auto& [position, best] : reader.best_tokens()) {
    fmt::print("after position {}:\n", position);
    for (const ScoredToken& token : best) {
      fmt::print("  {:>8}  {:>9.4f}  {}\n", token.id, token.logit,
                 tokenizer ? tokenizer->piece(token.id) : "");
    }
  }
}

void run(const Options& options) {
  const ModelFile model(find_model(options.model.name));
  const LoadedTokens loaded = load_tokens(options.source, model, options.tokens);
  if (loaded.ids.size() < 2)
    throw InputError("--tokens", "at least 2 tokens are needed: each predicts the next");
  const std::vector<int> at =
      options.at.empty() ? std::vector<int>() : parse_integer_list("--at", options.at);
  for (const int position : at) {
    if (position < 0 || static_cast<size_t>(position) >= loaded.ids.size()) {
      throw InputError("--at", fmt::format("position {} is out of range; allowed: 0 to {}", position,
                                           loaded.ids.size() - 1));
    }
  }
  const Transformer transformer = model.load(options.model.compute);
  const std::unique_ptr<Progress> progress = terminal_progress();
  ExactMemory memory(model.shape(), static_cast<int>(loaded.ids.size()));
  LogitsReader reader(loaded.ids, model.shape().vocabulary, options.top, at);
  SequenceInput sequence;
  sequence.tokens = loaded.ids;
  sequence.memory = &memory;
  sequence.observer = &reader;
  sequence.logits = LogitsWanted::all;
  prefill(transformer, sequence, *progress, "logits");
  print_result(options, model, reader, loaded.ids.size());
}

}  // namespace

void add_logits(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, "logits", "mean NLL and perplexity of a text, and the best next tokens at chosen positions",
      "razorscope logits --model smollm2-135m --text experiments/texts/harbour.txt --tokens 512 --at "
      "100,500");
  add_model_options(*command, options->model);
  add_token_source(*command, options->source);
  command->add_option("--tokens", options->tokens, "how many tokens, BOS included; default: the whole text")
      ->check(CLI::PositiveNumber);
  command->add_option("--top", options->top, "how many next tokens to list")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--at", options->at, "positions, from 0, such as 100,500: the row after that id");
  add_common_options(*command, options->common);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
