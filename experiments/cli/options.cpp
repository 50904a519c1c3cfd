#include "experiments/cli/options.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <omp.h>

#include "experiments/runner/shell_line.hpp"
#include "models/base/error.hpp"
#include "models/base/mapped_file.hpp"
#include "policies/kernels/target.hpp"

namespace razorscope::cli {

CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description,
                      const std::string& example) {
  CLI::App* command = app.add_subcommand(name, description);
  command->footer("Example:\n  " + example);
  return command;
}

void add_common_options(CLI::App& command, CommonOptions& options, bool with_seed) {
  command.add_flag("--json", options.json, "one JSON document on stdout, nothing else");
  command.add_option("--threads", options.threads, "threads; 0 = all cores")->check(CLI::Range(0, 1024));
  command.add_option("--target", options.target,
                     "kernels: scalar, avx2, avx512; default the best that runs here");
  if (with_seed)
    command.add_option("--seed", options.seed, "seed of everything random")->capture_default_str();
}

void apply_common_options(const CommonOptions& options) {
  if (options.threads > 0) omp_set_num_threads(options.threads);
  if (!options.target.empty()) force_target(options.target);
}

void add_model_options(CLI::App& command, ModelChoice& choice) {
  CLI::Option* model = command.add_option("--model", choice.name, "GGUF file, or smollm2-135m or tiny-alibi");
  if (choice.name.empty()) {
    model->required();
  } else {
    model->capture_default_str();
  }
  command
      .add_option_function<std::string>(
          "--compute",
          [&choice](const std::string& name) { choice.compute = compute_named("--compute", name); },
          "products with the weights in f32, or in bf16: about twice as fast, results differ by some 0.3 %")
      ->default_str("f32");
}

void add_token_source(CLI::App& command, TokenSource& source) {
  CLI::Option* text =
      command.add_option("--text", source.text_file, "UTF-8 text file; the model's BOS is put before it");
  CLI::Option* ids = command.add_option("--ids", source.ids_file,
                                        "file of token ids separated by white space, used as they are");
  text->excludes(ids);
}

void check_utf8(const std::string& option, const std::string& text) {
  const size_t invalid = first_invalid_utf8(text);
  if (invalid != std::string::npos)
    throw InputError(option, fmt::format("is not valid UTF-8 (byte {})", invalid));
}

std::vector<int32_t> read_ids_file(const std::filesystem::path& path) {
  const std::string text = read_utf8_file(path);
  std::vector<int32_t> ids;
  size_t line = 1;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '\n') ++line;
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at;
      continue;
    }
    size_t end = text.find_first_of(" \t\r\n", at);
    if (end == std::string::npos) end = text.size();
    int32_t id = -1;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + end, id);
    if (error != std::errc() || stop != text.data() + end || id < 0) {
      throw InputError(
          path.string(), fmt::format("line {}", line),
          fmt::format("'{}' is not a token id", text.substr(at, std::min<size_t>(end - at, 40))));
    }
    ids.push_back(id);
    at = end;
  }
  if (ids.empty()) throw InputError(path.string(), "holds no token ids");
  return ids;
}

LoadedTokens load_tokens(const TokenSource& source, const ModelFile& model, int wanted) {
  LoadedTokens loaded;
  const std::string& file = source.text_file.empty() ? source.ids_file : source.text_file;
  if (file.empty()) throw InputError("--text", "a text file (or --ids with token ids) is needed");
  if (source.text_file.empty()) {
    loaded.ids = read_ids_file(file);
  } else {
    loaded.text = read_utf8_file(file);
    const Tokenizer tokenizer = model.tokenizer();
    loaded.bos = tokenizer.bos();
    if (loaded.bos >= 0) loaded.ids.push_back(loaded.bos);
    const size_t limit = wanted > 0 ? static_cast<size_t>(wanted) : std::string::npos;
    const std::vector<int32_t> ids = tokenizer.encode(loaded.text, limit);
    loaded.ids.insert(loaded.ids.end(), ids.begin(), ids.end());
  }
  for (const int32_t id : loaded.ids) {
    if (id >= model.shape().vocabulary) {
      throw InputError(file, fmt::format("token id {} is outside the vocabulary of {} entries", id,
                                         model.shape().vocabulary));
    }
  }
  if (wanted > 0) {
    if (loaded.ids.size() < static_cast<size_t>(wanted)) {
      throw InputError(file, fmt::format("holds {} tokens (BOS included), but --tokens asks for {}",
                                         loaded.ids.size(), wanted));
    }
    loaded.ids.resize(static_cast<size_t>(wanted));
  }
  if (loaded.ids.size() > static_cast<size_t>(model.shape().context)) {
    throw InputError("--tokens", fmt::format("{} tokens do not fit into the context of {}, which is {}",
                                             loaded.ids.size(), model.shape().name, model.shape().context));
  }
  return loaded;
}

std::vector<int> parse_integer_list(const std::string& option, const std::string& text) {
  std::vector<int> values;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    int value = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + end, value);
    if (error != std::errc() || stop != text.data() + end) {
      throw InputError(option, fmt::format("'{}' is not an integer; a list is written 100,500",
                                           text.substr(at, end - at)));
    }
    values.push_back(value);
    at = end + 1;
  }
  return values;
}

void add_database_option(CLI::App& command, std::string& db) {
  command.add_option(
      "--db", db,
      "results database (SQLite); default: razorscope/results.db in $XDG_DATA_HOME or ~/.local/share");
}

std::filesystem::path results_database(const std::string& db) {
  if (!db.empty()) return db;
  return user_directory("XDG_DATA_HOME", ".local/share") / "results.db";
}

std::string command_line() {
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(in, word, '\0');) words.push_back(word);
  return shell_line(words);
}

double assumed_seconds(const ModelFile& model, Compute compute, double rows) {
  const double operations_per_second = compute == Compute::bf16 ? 2e11 : 1e11;
  // A multiplication and an addition a weight.
  return 1.0 + 2.0 * static_cast<double>(model.weights()) * rows / operations_per_second;
}

void print_json(const nlohmann::json& document) {
  // Pieces of tokens need not be whole UTF-8 sequences: those bytes are shown as U+FFFD.
  const std::string text = document.dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

}  // namespace razorscope::cli
