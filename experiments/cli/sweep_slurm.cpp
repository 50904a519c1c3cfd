#include "experiments/cli/sweep_slurm.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/options.hpp"
#include "experiments/cli/slurm_text.hpp"
#include "experiments/cli/sweep_commands.hpp"
#include "experiments/runner/child_pool.hpp"
#include "experiments/runner/slurm_submit.hpp"
#include "experiments/runner/sweep_plan.hpp"
#include "models/base/error.hpp"

namespace razorscope::cli {
namespace {

namespace fs = std::filesystem;

constexpr int default_tasks = 16;

struct Options {
  bool json = false;
  std::string file;
  std::string base;
  std::string folder;
  std::string db;
  int tasks = 0;
  int rounds = 3;
  SlurmRequest request;
  bool dry_run = false;
  bool after_merge = false;
};

fs::path base_of(const fs::path& file, const std::string& base) {
  return fs::absolute(base.empty() ? file.parent_path() : fs::path(base)).lexically_normal();
}

/// The cells of each task: as `--part` cuts the plan.
SlurmParts parts_of(const SweepPlan& plan, int tasks) {
  SlurmParts parts(static_cast<size_t>(tasks));
  for (size_t b = 0; b < plan.batches.size(); ++b) {
    for (const SweepCell& cell : plan.batches[b].cells) parts[b % parts.size()].push_back(cell.config_hash);
  }
  return parts;
}

bool lacks_a_trace(const SweepPlan& plan) {
  return std::any_of(plan.traces.begin(), plan.traces.end(),
                     [](const SweepTrace& trace) { return !fs::exists(trace.path); });
}

SlurmSubmission submission_of(const Options& options) {
  SlurmSubmission submission;
  const fs::path base = base_of(options.file, options.base);
  const SweepFile file = read_sweep(options.file, base);
  const fs::path folder = fs::absolute(options.folder).lexically_normal() / file.name;
  const std::optional<SlurmRecord> there = read_slurm_record(folder);
  SlurmRecord& record = submission.record;
  if (options.after_merge) {
    if (!there) throw InputError(folder.string(), "holds no jobs of this sweep");
    record = *there;
  }
  record.sweep.folder = folder;
  const SweepPlan plan = plan_sweep(file, sweep_commands(), record.sweep.traces());
  if (plan.batches.empty()) throw InputError(options.file, "asks for nothing");
  if (!options.after_merge) {
    const auto processes = static_cast<int>(plan.batches.size());
    const int wanted = options.tasks > 0 ? options.tasks : there ? there->sweep.tasks : default_tasks;
    record.sweep.name = file.name;
    record.sweep.base = base;
    record.sweep.db = fs::absolute(results_database(options.db)).lexically_normal();
    record.sweep.program = this_program();
    record.sweep.tasks = std::min(wanted, processes);
    record.sweep.request = options.request;
    record.rounds = options.rounds;
  }
  submission.parts = parts_of(plan, record.sweep.tasks);
  submission.toml = file.toml;
  submission.needs_preparation = lacks_a_trace(plan);
  return submission;
}

void slurm(const Options& options) {
  const SlurmSubmission submission = submission_of(options);
  if (options.dry_run) {
    fmt::print("{}", slurm_dry_run(submission));
    return;
  }
  const std::string said = options.after_merge ? submit_lost_tasks(submission) : submit_to_slurm(submission);
  const SlurmRecord record = read_slurm_record(submission.record.sweep.folder).value_or(submission.record);
  if (options.json) {
    print_json({{"sweep", record.sweep.name},
                {"message", said},
                {"tasks", record.sweep.tasks},
                {"round", record.round.number},
                {"prepare_job", record.round.prepare},
                {"array_job", record.round.array},
                {"merge_job", record.round.merge}});
    return;
  }
  fmt::print("{}: {}\n", record.sweep.name, said);
  if (!options.after_merge)
    fmt::print("`razorscope sweep status {} --folder {}` shows how far it is\n", record.sweep.name,
               options.folder);
}

void add_request_options(CLI::App& command, SlurmRequest& request) {
  command.add_option("--partition", request.partition, "Slurm partition; default the cluster's");
  command.add_option("--time", request.time, "limit of a task, such as 2:00:00; default the partition's");
  command.add_option("--memory", request.memory, "of a task, such as 16G; default the partition's");
  command.add_option("--cpus", request.cpus, "of a task")->capture_default_str()->check(CLI::Range(1, 1024));
  command
      .add_option("--sbatch-option", request.options,
                  "another option of sbatch, such as \"--account=lab\"; may be repeated")
      ->allow_extra_args(false);
}

}  // namespace

void show_slurm_status(const std::string& file, const std::string& base, const std::string& folder,
                       bool json) {
  std::string name = file;
  if (fs::exists(file)) name = read_sweep(file, base).name;
  const fs::path own = fs::absolute(folder).lexically_normal() / name;
  std::optional<SlurmRecord> record = read_slurm_record(own);
  if (!record)
    throw InputError(own.string(), "holds no jobs of this sweep; `razorscope sweep slurm` submits them");
  const SweepFile submitted = read_sweep(record->sweep.file(), record->sweep.base);
  const SweepPlan plan = plan_sweep(submitted, sweep_commands(), record->sweep.traces());
  const SlurmStatus status = slurm_status(*record, parts_of(plan, record->sweep.tasks));
  if (json) {
    print_json(slurm_status_json(*record, status));
  } else {
    fmt::print("{}", slurm_status_text(*record, status));
  }
}

void add_sweep_slurm(CLI::App& sweep) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      sweep, "slurm",
      "a sweep as a Slurm job array: tasks with databases of their own, merged at the end; what was lost is "
      "submitted again",
      "razorscope sweep slurm experiments/configs/full.toml --folder /shared/me --db /shared/me/results.db "
      "--tasks 20 --cpus 8 "
      "--time 2:00:00\n  razorscope sweep status experiments/configs/full.toml --folder /shared/me");
  command->add_option("FILE", options->file, "the sweep file (TOML)")->required();
  command
      ->add_option("--folder", options->folder,
                   "folder that all nodes see; the sweep gets one of its own in it")
      ->required();
  add_database_option(*command, options->db);
  command
      ->add_option(
          "--tasks", options->tasks,
          fmt::format("tasks of the array, at most one a process of the sweep; default {}", default_tasks))
      ->check(CLI::Range(1, 100'000));
  add_request_options(*command, options->request);
  command->add_option("--rounds", options->rounds, "how often tasks that were lost are submitted again")
      ->capture_default_str()
      ->check(CLI::Range(0, 100));
  command->add_option("--base", options->base,
                      "folder that relative paths in the file start from; default the file's");
  command->add_flag("--dry-run", options->dry_run,
                    "print the scripts and commands; write and submit nothing");
  command->add_flag("--after-merge", options->after_merge, "")->group("");  // for the merge job
  command->add_flag("--json", options->json, "one JSON document on stdout, nothing else");
  command->callback([options] { slurm(*options); });
}

}  // namespace razorscope::cli
