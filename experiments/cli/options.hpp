#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "models/base/progress.hpp"
#include "models/language/compute.hpp"
#include "models/language/model_file.hpp"

namespace CLI {
class App;
}

namespace razorscope::cli {

/// What every subcommand understands.
struct CommonOptions {
  bool json = false;
  int threads = 0;  // 0: all cores
  std::string target;
  uint64_t seed = 1;
  bool estimate = false;  // see tell_cost; only of commands that take --estimate
};

/// Adds --json, --threads, --target and, where it matters, --seed.
void add_common_options(CLI::App& command, CommonOptions& options, bool with_seed = false);
/// Makes them effective: thread count and kernel target.
void apply_common_options(const CommonOptions& options);

/// Adds a subcommand with a help text that ends in an example.
CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description,
                      const std::string& example);

/// The model of a command that runs one, and the arithmetic of its products.
struct ModelChoice {
  std::string name;
  Compute compute = Compute::f32;
};
/// Adds --model, required where there is no default, and --compute.
void add_model_options(CLI::App& command, ModelChoice& choice);

/// Where a command's tokens come from: a text file with the model's BOS before it, or a file of ids as they
/// are.
struct TokenSource {
  std::string text_file;
  std::string ids_file;
};
void add_token_source(CLI::App& command, TokenSource& source);

struct LoadedTokens {
  std::vector<int32_t> ids;
  std::string text;  // "" where ids were given
  int32_t bos = -1;  // the first id, where it was put there
};
/// The first `wanted` tokens (all of them where it is 0). InputError where there are fewer. The model's
/// tokenizer is touched only if a text must be tokenised, since a model may lack a usable one.
LoadedTokens load_tokens(const TokenSource& source, const ModelFile& model, int wanted);

/// InputError in the option's name where the text is not valid UTF-8.
void check_utf8(const std::string& option, const std::string& text);

/// Integers separated by white space. InputError with line and word where one is not.
std::vector<int32_t> read_ids_file(const std::filesystem::path& path);

/// "1,2,3" as integers; `option` names it in errors.
std::vector<int> parse_integer_list(const std::string& option, const std::string& text);

/// Adds --db.
void add_database_option(CLI::App& command, std::string& db);
/// What --db names, else ${XDG_DATA_HOME:-~/.local/share}/razorscope/results.db.
std::filesystem::path results_database(const std::string& db);

/// The words that this process was started with, quoted for a shell.
std::string command_line();

/// Seconds that a model's matrix products take over so many rows, loading included, at 1e11 operations a
/// second (two cores with AVX-512), twice that in bf16: for a word before the run, progress shows the real
/// rate.
double assumed_seconds(const ModelFile& model, Compute compute, double rows);

/// Prints one JSON document and a newline on stdout.
void print_json(const nlohmann::json& document);

/// Progress on stderr: a line that redraws itself on a terminal, a line every 10 s otherwise; nothing for
/// what takes less than two seconds. Throws Interrupted once SIGINT or SIGTERM has come.
std::unique_ptr<Progress> terminal_progress();
/// Throws Interrupted once SIGINT or SIGTERM has come.
void throw_if_interrupted();
/// Makes SIGINT and SIGTERM end the program through Interrupted.
void install_interrupt_handler();
/// Whether one of them has come: for work that has no Progress.
bool interrupted();

}  // namespace razorscope::cli
