#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>
#include <unistd.h>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/sweep_commands.hpp"
#include "experiments/cli/sweep_costs.hpp"
#include "experiments/cli/sweep_slurm.hpp"
#include "experiments/cli/sweep_text.hpp"
#include "experiments/runner/child_pool.hpp"
#include "experiments/store/store.hpp"
#include "models/base/error.hpp"
#include "models/base/machine.hpp"
#include "models/base/user_directory.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  bool json = false;
  std::string file;
  std::string base;
  std::string traces;
  std::string db;
  int threads = 0;            // 0: all cores
  double memory_bytes = 0.0;  // 0: nine tenths of what is free
  bool retry_failed = false;
  std::string part;
  std::string folder;
};

/// A sweep file, and what it comes to.
struct Sweep {
  SweepFile file;
  SweepPlan plan;
};

/// "2/8": the third of eight parts.
void keep_part(SweepPlan& plan, const std::string& part) {
  size_t index = 0;
  size_t parts = 0;
  char rest = 0;
  if (std::sscanf(part.c_str(), "%zu/%zu%c", &index, &parts, &rest) != 2 || parts == 0 || index >= parts)
    throw InputError("--part", fmt::format("'{}' is not I/N, such as 0/4 to 3/4", part));
  plan.keep_part(index, parts);
}

Sweep plan_of(const Options& options) {
  Sweep sweep{read_sweep(options.file, options.base), {}};
  const std::filesystem::path traces = options.traces.empty()
                                           ? user_directory("XDG_CACHE_HOME", ".cache") / "traces"
                                           : std::filesystem::path(options.traces);
  sweep.plan = plan_sweep(sweep.file, sweep_commands(), std::filesystem::absolute(traces));
  if (!options.part.empty()) keep_part(sweep.plan, options.part);
  return sweep;
}

size_t threads_of(const Options& options) {
  return options.threads > 0 ? static_cast<size_t>(options.threads)
                             : std::max(1U, std::thread::hardware_concurrency());
}

void check(const Options& options) {
  const Sweep sweep = plan_of(options);
  const SweepRunCosts costs = sweep_run_costs(sweep.plan, *terminal_progress());
  if (options.json) {
    print_json(plan_json(sweep.file, sweep.plan, costs));
  } else {
    fmt::print("{}", plan_text(sweep.file, sweep.plan, costs, threads_of(options)));
  }
  std::string refusals;
  for (const std::string& refusal : costs.refusals)
    refusals += fmt::format("\n{}: {}", options.file, refusal);
  if (!refusals.empty())
    throw InputError(options.file, fmt::format("{} of {} processes would be refused:{}", costs.refused,
                                               sweep.plan.batches.size(), refusals));
}

/// A line that redraws itself on a terminal, and one every ten seconds elsewhere.
class ProgressLine {
 public:
  void show(const std::string& line) {
    const auto now = std::chrono::steady_clock::now();
    const auto wait = is_terminal_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(10'000);
    if (now - shown_ < wait) return;
    shown_ = now;
    fmt::print(stderr, "{}sweep: {}{}", is_terminal_ ? "\r\033[K" : "", line, is_terminal_ ? "" : "\n");
    std::fflush(stderr);
  }
  ~ProgressLine() {
    if (is_terminal_) fmt::print(stderr, "\r\033[K");
  }

 private:
  bool is_terminal_ = ::isatty(STDERR_FILENO) != 0;
  std::chrono::steady_clock::time_point shown_ = std::chrono::steady_clock::now();
};

SweepStatus read_status(const std::string& name, const std::filesystem::path& db) {
  Store store = Store::open_read_only(db);
  SweepStatus status;
  std::vector<std::string> names;
  for (const SweepRow& sweep : store.sweeps()) {
    names.push_back(sweep.name);
    if (sweep.name == name) status.sweep = sweep;
  }
  if (status.sweep.name.empty())
    throw InputError(db.string(), names.empty() ? "holds no sweep" : unknown_name("sweep", name, names));
  status.cells = store.sweep_cells(name);
  status.runners = store.sweep_runners();
  return status;
}

void print_status(const Options& options, const SweepStatus& status) {
  if (options.json) {
    print_json(status_json(status));
  } else {
    fmt::print("{}", status_text(status));
  }
}

void run(const Options& options) {
  const Sweep sweep = plan_of(options);
  if (sweep.plan.processes() == 0) return;  // a part that is empty
  const SweepRunCosts costs = sweep_run_costs(sweep.plan, *terminal_progress());
  for (const std::string& refusal : costs.refusals)
    fmt::print(stderr, "sweep: {}: will be refused: {}\n", options.file, refusal);
  if (costs.refused == sweep.plan.batches.size())
    throw InputError(options.file, "all its commands are refused, so nothing was run");
  SweepRunOptions how;
  how.program = this_program();
  how.db = results_database(options.db);
  how.threads = threads_of(options);
  how.memory_bytes =
      options.memory_bytes > 0.0 ? options.memory_bytes : 0.9 * static_cast<double>(available_memory());
  how.retry_failed = options.retry_failed;
  const RunCost total = costs.total();
  fmt::print(stderr,
             "sweep: {} runs in {} processes, {} cores, at most {} of memory at once, about {} of work, "
             "results in {}\n",
             sweep.plan.cells(), sweep.plan.processes(), how.threads, format_bytes(how.memory_bytes),
             duration(total.seconds), how.db.string());
  {
    ProgressLine line;
    SweepRunner runner(sweep.file, sweep.plan, runner_costs(sweep.plan, costs), how);
    SweepState last;
    try {
      runner.run([&](const SweepState& state) {
        last = state;
        throw_if_interrupted();
        line.show(progress_line(state));
      });
    } catch (const Interrupted&) {
      fmt::print(stderr,
                 "sweep: stopped at {} of {} runs, which are stored; `razorscope sweep resume {}` goes on\n",
                 last.done, last.cells, options.file);
      throw;
    }
  }
  const SweepStatus status = read_status(sweep.file.name, how.db);
  print_status(options, status);
  if (status.sweep.failed > 0)
    throw std::runtime_error(fmt::format("{} of {} runs failed; `razorscope sweep resume` tries them again",
                                         status.sweep.failed, status.sweep.cells));
}

void show_status(const Options& options) {
  if (!options.folder.empty()) {
    show_slurm_status(options.file, options.base, options.folder, options.json);
    return;
  }
  std::string name = options.file;
  std::error_code unknown;
  if (std::filesystem::exists(options.file, unknown)) name = read_sweep(options.file, options.base).name;
  print_status(options, read_status(name, results_database(options.db)));
}

CLI::App* add_one(CLI::App& sweep, Options& options, const std::string& name, const std::string& description,
                  const std::string& example) {
  CLI::App* command = add_command(sweep, name, description, example);
  command
      ->add_option("FILE", options.file,
                   name == "status" ? "the sweep file, or its name" : "the sweep file (TOML)")
      ->required();
  command->add_flag("--json", options.json, "one JSON document on stdout, nothing else");
  command->add_option("--base", options.base,
                      "folder that relative paths in the file start from; default the file's");
  return command;
}

void add_run_options(CLI::App& command, Options& options) {
  add_database_option(command, options.db);
  command.add_option("--threads", options.threads, "threads of all processes together; 0 = all cores")
      ->check(CLI::Range(0, 1024));
  const std::map<std::string, double> units = {
      {"B", 1.0}, {"MB", 1e6}, {"GB", 1e9}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}};
  command
      .add_option("--memory", options.memory_bytes,
                  "memory of all processes together: 16GB; default most of what is free")
      ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::CASE_SENSITIVE));
  command.add_option(
      "--traces", options.traces,
      "folder that recorded traces are kept in; default razorscope/traces in $XDG_CACHE_HOME or ~/.cache");
  command.add_option("--part", options.part, "only the I-th of N parts, from 0: 2/8");
}

const char* const about =
    "a grid of runs from a TOML file, in parallel, resumable\n\n"
    "A sweep file has a table for each command (replay, eval, task.needle, task.multi-query, explain, plan, "
    "serve,\n"
    "probe), whose keys are the command's options without '--'. Lists multiply:\n\n"
    "  [[eval]]\n"
    "  model = \"smollm2-135m\"\n"
    "  text = \"../texts/harbour.txt\"      # relative to the file\n"
    "  prefix = [512, 1536]\n"
    "  steps = 64\n"
    "  policies = [\"full\", {selection = \"window\", recent = [124, 380], codec = [\"f16\", \"q8_0\"]}]\n\n"
    "replay takes `model` and `text` in place of `trace`: the trace is then recorded once for all of them.\n"
    "Samples: experiments/configs/";

}  // namespace

void add_sweep(CLI::App& app) {
  CLI::App* sweep = app.add_subcommand("sweep", about);
  sweep->require_subcommand(1);

  const auto checked = std::make_shared<Options>();
  CLI::App* command =
      add_one(*sweep, *checked, "check", "what a sweep would run, and what that takes; runs nothing",
              "razorscope sweep check experiments/configs/quick.toml");
  command->add_option("--traces", checked->traces, "folder that recorded traces are kept in");
  command->callback([checked] { check(*checked); });

  const auto fresh = std::make_shared<Options>();
  command = add_one(*sweep, *fresh, "run", "run what of a sweep is not done yet",
                    "razorscope sweep run experiments/configs/quick.toml --db results.db");
  add_run_options(*command, *fresh);
  command->add_flag("--retry-failed", fresh->retry_failed, "what failed before, too");
  command->callback([fresh] { run(*fresh); });

  const auto again = std::make_shared<Options>();
  again->retry_failed = true;
  command =
      add_one(*sweep, *again, "resume", "go on with a sweep that was stopped, and try what failed again",
              "razorscope sweep resume experiments/configs/quick.toml --db results.db");
  add_run_options(*command, *again);
  command->callback([again] { run(*again); });

  const auto asked = std::make_shared<Options>();
  command = add_one(*sweep, *asked, "status", "how far a sweep is, from any terminal",
                    "razorscope sweep status quick --db results.db");
  add_database_option(*command, asked->db);
  command->add_option("--folder", asked->folder,
                      "folder that `sweep slurm` was given: what its jobs do, too");
  command->callback([asked] { show_status(*asked); });

  add_sweep_merge(*sweep);
  add_sweep_prepare(*sweep);
  add_sweep_slurm(*sweep);
}

}  // namespace razorscope::cli
