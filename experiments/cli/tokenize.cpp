#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "models/base/error.hpp"
#include "models/base/mapped_file.hpp"
#include "models/language/model_file.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string model;
  std::string text_file;
  std::string text;
};

/// A piece on one line: control characters escaped.
std::string shown(const std::string& piece) {
  std::string out;
  for (const char c : piece) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return out;
}

void run(const Options& options, bool has_string) {
  const ModelFile model(find_model(options.model));
  const Tokenizer tokenizer = model.tokenizer();
  if (options.text_file.empty() && !has_string)
    throw InputError("--text", "a text file, or --string, is needed");
  if (has_string && first_invalid_utf8(options.text) != std::string::npos)
    throw InputError("--string", "is not valid UTF-8");
  const std::string text = has_string ? options.text : read_utf8_file(options.text_file);
  std::vector<int32_t> ids = tokenizer.encode(text);
  if (tokenizer.bos() >= 0) ids.insert(ids.begin(), tokenizer.bos());
  std::vector<std::string> pieces;
  for (const int32_t id : ids) pieces.push_back(tokenizer.piece(id));
  if (options.common.json) {
    print_json({{"ids", ids}, {"pieces", pieces}});
    return;
  }
  for (size_t i = 0; i < ids.size(); ++i) fmt::print("{:>8}  {:>8}  {}\n", i, ids[i], shown(pieces[i]));
}

}  // namespace

void add_tokenize(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, "tokenize", "token ids and pieces of a text, the model's BOS first",
                                  "razorscope tokenize --model smollm2-135m --string \"Hello, world!\"");
  command->add_option("--model", options->model, "GGUF file, or smollm2-135m or tiny-alibi")->required();
  CLI::Option* file = command->add_option("--text", options->text_file, "UTF-8 text file");
  CLI::Option* string = command->add_option("--string", options->text, "the text itself");
  file->excludes(string);
  add_common_options(*command, options->common);
  command->callback([options, string] {
    apply_common_options(options->common);
    run(*options, string->count() > 0);
  });
}

}  // namespace razorscope::cli
