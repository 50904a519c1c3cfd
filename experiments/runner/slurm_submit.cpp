#include "experiments/runner/slurm_submit.hpp"

#include <boost/interprocess/sync/file_lock.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <stdexcept>

#include "experiments/runner/slurm_commands.hpp"
#include "experiments/store/write_file.hpp"
#include "models/base/error.hpp"
#include "models/base/mapped_file.hpp"

namespace razorscope {
namespace {

namespace fs = std::filesystem;

void make_folder(const fs::path& folder) {
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (problem)
    throw std::runtime_error(
        fmt::format("{}: cannot make the folder: {}", folder.string(), problem.message()));
}

/// Two submissions of one sweep at the same moment would not see each other's jobs.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder) {
    make_folder(folder);
    const std::string file = (folder / "lock").string();
    std::ofstream(file, std::ios::app).close();
    try {
      lock_ = boost::interprocess::file_lock(file.c_str());
      held_ = boost::interprocess::scoped_lock<boost::interprocess::file_lock>(lock_);
    } catch (const boost::interprocess::interprocess_exception& problem) {
      throw std::runtime_error(
          fmt::format("{}: the folder cannot be written to: {}", folder.string(), problem.what()));
    }
  }

 private:
  boost::interprocess::file_lock lock_;
  boost::interprocess::scoped_lock<boost::interprocess::file_lock> held_;
};

/// Cancels what was submitted, unless all went well.
class Jobs {
 public:
  Jobs() = default;
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;
  ~Jobs() {
    for (const int64_t job : submitted_) {
      try {
        cancel_job(job);
      } catch (const std::runtime_error&) {  // the first problem is the one to be told
        continue;
      }
    }
  }
  int64_t submit(const std::vector<std::string>& words) {
    submitted_.push_back(submit_job(words));
    return submitted_.back();
  }
  void keep() { submitted_.clear(); }

 private:
  std::vector<int64_t> submitted_;
};

fs::path prepare_file(const SlurmSweep& sweep) { return sweep.folder / "prepare.sh"; }
fs::path array_file(const SlurmSweep& sweep) { return sweep.folder / "array.sh"; }
fs::path merge_file(const SlurmSweep& sweep) { return sweep.folder / "merge.sh"; }

void write_files(const SlurmSweep& sweep, const std::string& toml) {
  for (const fs::path& folder : {sweep.shards(), sweep.logs(), sweep.traces()}) make_folder(folder);
  write_file(sweep.file(), toml);
  write_file(prepare_file(sweep), prepare_script(sweep));
  write_file(array_file(sweep), array_script(sweep));
  write_file(merge_file(sweep), merge_script(sweep));
}

/// The commands that submit tasks, each with the jobs that come before it by name: PREPARE, ARRAY.
struct Commands {
  std::vector<std::string> prepare;  // empty: there is nothing to prepare
  std::vector<std::string> array;    // empty: only the merge is left
  std::vector<std::string> merge;
};

Commands commands_for(const SlurmSubmission& submission, const std::vector<int>& tasks,
                      const std::string& prepare_job, const std::string& array_job) {
  const SlurmSweep& sweep = submission.record.sweep;
  Commands commands;
  const bool prepares = submission.needs_preparation && !tasks.empty();
  if (prepares) commands.prepare = submit_words(prepare_file(sweep), "", {});
  if (!tasks.empty())
    commands.array = submit_words(array_file(sweep), prepares ? "afterok:" + prepare_job : "", tasks);
  commands.merge = submit_words(merge_file(sweep), tasks.empty() ? "" : "afterany:" + array_job, {});
  return commands;
}

std::string submit(const SlurmSubmission& submission, SlurmRecord record, const std::vector<int>& tasks) {
  const SlurmSweep& sweep = record.sweep;
  write_files(sweep, submission.toml);
  record.round = {.number = record.round.number};
  SlurmRound& round = record.round;
  Jobs jobs;
  const auto commands = [&] {
    return commands_for(submission, tasks, fmt::to_string(round.prepare), fmt::to_string(round.array));
  };
  if (!commands().prepare.empty()) round.prepare = jobs.submit(commands().prepare);
  if (!commands().array.empty()) round.array = jobs.submit(commands().array);
  round.merge = jobs.submit(commands().merge);
  write_slurm_record(record);
  jobs.keep();
  std::string text = "submitted";
  if (round.prepare != 0) text += fmt::format(" job {} (prepare),", round.prepare);
  if (round.array != 0) text += fmt::format(" {} (tasks {}),", round.array, array_list(tasks));
  return fmt::format("{} {} (merge into {})", text, round.merge, sweep.db.string());
}

/// The wanted record with what the folder knows of it.
SlurmRecord continued(const SlurmSubmission& submission) {
  SlurmRecord record = submission.record;
  const std::optional<SlurmRecord> there = read_slurm_record(record.sweep.folder);
  if (!there) return record;
  if (there->sweep.tasks != record.sweep.tasks) {
    throw InputError(
        "--tasks",
        fmt::format("{} holds this sweep cut into {} tasks; go on with them, or use another --folder",
                    record.sweep.folder.string(), there->sweep.tasks));
  }
  record.round = there->round;
  return record;
}

std::string ended_text(const SlurmStatus& status) {
  return fmt::format("all {} runs have been made, {} of them failed", status.cells(), status.failed());
}

}  // namespace

std::string submit_to_slurm(const SlurmSubmission& submission) {
  check_words(submission.record.sweep);
  const FolderLock lock(submission.record.sweep.folder);
  SlurmRecord record = continued(submission);
  const SlurmStatus status = slurm_status(record, submission.parts);
  const fs::path file = record.sweep.file();
  if (status.is_active()) {
    if (fs::exists(file) && read_utf8_file(file) != submission.toml)
      throw InputError(
          record.sweep.name,
          fmt::format("the sweep file differs from {}, whose jobs wait or run: scancel them first",
                      file.string()));
    return "nothing submitted: jobs of this sweep wait or run, and the last of them submits again what "
           "others leave undone";
  }
  const std::vector<int> tasks = status.unfinished_tasks();
  if (tasks.empty() && status.merged == status.cells()) return "nothing submitted: " + ended_text(status);
  record.round.number = 0;
  return submit(submission, record, tasks);
}

std::string submit_lost_tasks(const SlurmSubmission& submission) {
  const FolderLock lock(submission.record.sweep.folder);
  SlurmRecord record = continued(submission);
  const SlurmStatus status = stored_slurm_status(record, submission.parts);
  const std::vector<int> tasks = status.unfinished_tasks();
  if (tasks.empty()) return ended_text(status);
  const std::string lost =
      fmt::format("{} of {} runs are missing: tasks {} were lost, killed or ran out of time",
                  status.cells() - status.done() - status.failed(), status.cells(), array_list(tasks));
  if (record.round.number >= record.rounds)
    throw std::runtime_error(fmt::format("{}, after they had been submitted again {} times; see {}", lost,
                                         record.rounds, record.sweep.logs().string()));
  ++record.round.number;
  return fmt::format("{}; round {} of {}: {}", lost, record.round.number, record.rounds,
                     submit(submission, record, tasks));
}

std::string slurm_dry_run(const SlurmSubmission& submission) {
  const SlurmSweep& sweep = submission.record.sweep;
  check_words(sweep);
  const std::vector<int> tasks =
      stored_slurm_status(continued(submission), submission.parts).unfinished_tasks();
  const Commands commands = commands_for(submission, tasks, "PREPARE", "ARRAY");
  std::string text;
  for (const auto& [path, script] :
       {std::pair(prepare_file(sweep), prepare_script(sweep)),
        std::pair(array_file(sweep), array_script(sweep)), std::pair(merge_file(sweep), merge_script(sweep))})
    text += fmt::format("--- {}\n{}\n", path.string(), script);
  for (const auto& [name, words] : {std::pair("PREPARE=", commands.prepare),
                                    std::pair("ARRAY=", commands.array), std::pair("", commands.merge)}) {
    if (!words.empty()) text += fmt::format("{}{}\n", name, fmt::join(words, " "));
  }
  return text;
}

}  // namespace razorscope
