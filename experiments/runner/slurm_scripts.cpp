#include "experiments/runner/slurm_scripts.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

/// For a shell; names have been checked by then, so that this holds for #SBATCH lines too.
std::string quoted(const std::string& text) { return '"' + text + '"'; }

/// A log's name, in which Slurm gives a meaning to %.
std::string log_name(const SlurmSweep& sweep, const std::string& name) {
  std::string out;
  for (const char c : sweep.logs().string()) out += c == '%' ? std::string("%%") : std::string(1, c);
  return quoted(out + '/' + name);
}

std::string header(const SlurmSweep& sweep, const std::string& job, const std::string& log) {
  const SlurmRequest& request = sweep.request;
  std::string text = fmt::format(
      "#!/bin/bash\n#SBATCH --job-name={}-{}\n#SBATCH --output={}\n#SBATCH --open-mode=append\n#SBATCH "
      "--requeue\n"
      "#SBATCH --nodes=1\n#SBATCH --ntasks=1\n#SBATCH --cpus-per-task={}\n",
      sweep.name, job, log_name(sweep, log), request.cpus);
  if (!request.partition.empty()) text += fmt::format("#SBATCH --partition={}\n", request.partition);
  if (!request.time.empty()) text += fmt::format("#SBATCH --time={}\n", request.time);
  if (!request.memory.empty()) text += fmt::format("#SBATCH --mem={}\n", request.memory);
  for (const std::string& option : request.options) text += fmt::format("#SBATCH {}\n", option);
  return text;
}

std::string sweep_command(const SlurmSweep& sweep, const std::string& command) {
  return fmt::format("{} sweep {} {} --base {}", quoted(sweep.program.string()), command,
                     quoted(sweep.file().string()), quoted(sweep.base.string()));
}

/// Where the words hold what a shell or Slurm gives a meaning to, even within "".
void check(const std::string& what, const std::string& text) {
  const auto is_bad = [](char c) {
    return std::iscntrl(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("\"'`\\$").find(c) != std::string_view::npos;
  };
  if (std::any_of(text.begin(), text.end(), is_bad))
    throw InputError(
        what,
        fmt::format("'{}' cannot stand in a Slurm script: no quotes, $, \\ or control characters", text));
}

}  // namespace

void check_words(const SlurmSweep& sweep) {
  const auto is_plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("._-").find(c) != std::string_view::npos;
  };
  if (sweep.name.empty() || sweep.name.front() == '.' ||
      !std::all_of(sweep.name.begin(), sweep.name.end(), is_plain)) {
    throw InputError(
        "name",
        fmt::format("'{}' cannot name a folder of jobs; allowed: letters, digits, . _ and -", sweep.name));
  }
  check("--folder", sweep.folder.string());
  check("the sweep file's folder", sweep.base.string());
  check("--db", sweep.db.string());
  check("the program", sweep.program.string());
  const SlurmRequest& request = sweep.request;
  for (const auto& [option, value] :
       {std::pair("--partition", request.partition), std::pair("--time", request.time),
        std::pair("--memory", request.memory)}) {
    check(option, value);
    if (value.find_first_of(" \t") != std::string::npos)
      throw InputError(option, fmt::format("'{}' holds blanks", value));
  }
  for (const std::string& option : request.options) {
    check("--sbatch-option", option);
    if (!option.starts_with('-'))
      throw InputError("--sbatch-option",
                       fmt::format("'{}' is not an option of sbatch, such as --account=lab", option));
  }
}

std::string prepare_script(const SlurmSweep& sweep) {
  return header(sweep, "prepare", "prepare-%j.log") +
         fmt::format(
             "# Records, once, what several tasks need.\nexec {} --traces {} --threads "
             "\"$SLURM_CPUS_PER_TASK\"\n",
             sweep_command(sweep, "prepare"), quoted(sweep.traces().string()));
}

std::string array_script(const SlurmSweep& sweep) {
  // An array whose preparation failed would wait for ever.
  return header(sweep, "array", "task-%a-of-%A.log") +
         fmt::format(
             "#SBATCH --kill-on-invalid-dep=yes\n"
             "# A part of the sweep, into a database of its own; started again, it goes on with that.\n"
             "exec {} --traces {} --part \"$SLURM_ARRAY_TASK_ID/{}\" --db {}/\"$SLURM_ARRAY_TASK_ID.db\" "
             "--threads \"$SLURM_CPUS_PER_TASK\" ${{SLURM_MEM_PER_NODE:+--memory "
             "\"${{SLURM_MEM_PER_NODE}}MiB\"}}\n",
             sweep_command(sweep, "run"), quoted(sweep.traces().string()), sweep.tasks,
             quoted(sweep.shards().string()));
}

std::string merge_script(const SlurmSweep& sweep) {
  return header(sweep, "merge", "merge-%j.log") +
         fmt::format(
             "# All shards into one database; then what tasks that were lost have not done is submitted "
             "again.\n"
             "shards=()\n"
             "for shard in {}/*.db; do\n"
             "  if [[ -s $shard ]]; then shards+=(\"$shard\"); fi\n"
             "done\n"
             "if ((${{#shards[@]}} > 0)); then\n"
             "  {} sweep merge \"${{shards[@]}}\" --db {} || exit\n"
             "fi\n"
             "exec {} --folder {} --db {} --after-merge\n",
             quoted(sweep.shards().string()), quoted(sweep.program.string()), quoted(sweep.db.string()),
             sweep_command(sweep, "slurm"), quoted(sweep.folder.parent_path().string()),
             quoted(sweep.db.string()));
}

}  // namespace razorscope
