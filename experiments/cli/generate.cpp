#include "sim/closed_loop/generate.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/policy_options.hpp"
#include "experiments/store/policy_label.hpp"
#include "models/base/error.hpp"
#include "models/base/machine.hpp"
#include "models/base/mapped_file.hpp"
#include "sim/equal_bytes.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  GenerationSettings settings;
  ModelChoice model;
  std::string prompt;
  std::string text_file;
  std::string policy = "full";
};

std::vector<int32_t> prompt_ids(const Options& options, const Tokenizer& tokenizer, const Shape& shape) {
  const std::string text = options.text_file.empty() ? options.prompt : read_utf8_file(options.text_file);
  check_utf8("--prompt", text);
  std::vector<int32_t> ids = tokenizer.encode(text);
  if (tokenizer.bos() >= 0) ids.insert(ids.begin(), tokenizer.bos());
  if (ids.size() < 2) throw InputError("--prompt", "at least two tokens are needed, BOS included");
  if (ids.size() + static_cast<size_t>(options.settings.tokens) > static_cast<size_t>(shape.context)) {
    throw InputError("--tokens", fmt::format("a prompt of {} tokens and {} more do not fit the context of {}",
                                             ids.size(), options.settings.tokens, shape.context));
  }
  return ids;
}

void run(Options& options) {
  options.settings.seed = options.common.seed;
  const std::vector<Policy> policies = {Policy::parse(options.policy)};
  const ModelFile model(find_model(options.model.name));
  const Tokenizer tokenizer = model.tokenizer();
  const std::vector<int32_t> ids = prompt_ids(options, tokenizer, model.shape());
  const Transformer transformer = model.load(options.model.compute);
  const std::unique_ptr<Progress> progress = terminal_progress();
  const PolicyKnowledge knowledge(model, transformer, policies, *progress);
  CompressedContext context(transformer, std::span(ids).first(ids.size() - 1), policies, knowledge.view(), 0,
                            *progress, "reading the prompt");
  const ByteLedger compressed = context.memory(0).ledger();
  const size_t full_bytes = full_f16_bytes(knowledge.context(context.tokens()));
  progress->begin("generating", options.settings.tokens, "tokens");
  int done = 0;
  const std::vector<int32_t> generated =
      generate(transformer, context, ids.back(), tokenizer.eos(), options.settings, [&](int32_t token) {
        if (!options.common.json) {
          // Bytes as they come: a character that several tokens share is whole once the last has come.
          const std::string piece = tokenizer.piece(token);
          std::fwrite(piece.data(), 1, piece.size(), stdout);
          std::fflush(stdout);
        }
        progress->advance(++done);
        return true;
      });
  if (options.common.json) {
    print_json({{"policy", policies[0].name()},
                {"prompt_tokens", ids.size()},
                {"ids", generated},
                {"text", tokenizer.decode(generated)},
                {"bytes_logical", compressed.logical()},
                {"bytes_physical", compressed.physical()},
                {"bytes_full_f16", full_bytes}});
    return;
  }
  fmt::print("\n");
  fmt::print(stderr, "{}: {} tokens after a prompt of {}, whose cache took {} ({:.1f} % of full+f16)\n",
             policy_label(policies[0].name()), generated.size(), ids.size(),
             format_bytes(static_cast<double>(compressed.physical())),
             100.0 * static_cast<double>(compressed.physical()) / static_cast<double>(full_bytes));
}

}  // namespace

void add_generate(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, "generate", "the model continues a prompt under a policy: the quickest way to feel one",
      "razorscope generate --model smollm2-135m --prompt \"The capital of France is\" --tokens 40 "
      "--policy \"window:recent=128\"");
  add_model_options(*command, options->model);
  CLI::Option* prompt = command->add_option("--prompt", options->prompt, "the text to continue");
  command->add_option("--text", options->text_file, "the same from a UTF-8 file")->excludes(prompt);
  command->add_option("--tokens", options->settings.tokens, "tokens to generate at most")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--policy", options->policy, "one policy (see `razorscope policies`)")
      ->capture_default_str();
  command->add_option("--temperature", options->settings.temperature, "0: always the most likely token")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 100.0));
  command
      ->add_option("--top-k", options->settings.top_k,
                   "above temperature 0: the most likely tokens to draw from")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  add_common_options(*command, options->common, true);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
