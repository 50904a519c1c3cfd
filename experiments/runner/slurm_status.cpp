#include "experiments/runner/slurm_status.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <stdexcept>

#include "experiments/runner/slurm_commands.hpp"
#include "experiments/store/store.hpp"

namespace razorscope {
namespace {

/// Cells of a sweep that are done or have failed, by config_hash.
using Ended = std::map<std::string, CellRow>;

/// Nothing where the file is not there yet.
Ended ended_cells(const std::filesystem::path& db, const std::string& sweep) {
  std::error_code unknown;
  const auto size = std::filesystem::file_size(db, unknown);
  if (unknown || size == 0) return {};
  Ended ended;
  for (const CellRow& cell : Store::open_read_only(db).sweep_cells(sweep)) {
    if (cell.state == CellState::done || cell.state == CellState::failed)
      ended.emplace(cell.config_hash, cell);
  }
  return ended;
}

std::string with_reason(const QueuedJob& job) {
  return job.reason.empty() || job.reason == "None" ? job.state
                                                    : fmt::format("{}, {}", job.state, job.reason);
}

/// Those of the latest round. A merge that submits the next one before it ends leaves the queue without a job
/// of the round that was asked for.
std::vector<QueuedJob> ask_latest_round(SlurmRecord& record) {
  while (true) {
    const SlurmRound asked = record.round;
    const std::vector<QueuedJob> queue = ask_queue({asked.prepare, asked.array, asked.merge});
    if (const auto latest = read_slurm_record(record.sweep.folder)) record.round = latest->round;
    if (record.round == asked) return queue;
  }
}

void apply_queue(const std::vector<QueuedJob>& queue, const SlurmRound& round, SlurmStatus& status) {
  for (const QueuedJob& job : queue) {
    if (job.id == round.prepare) status.prepare = with_reason(job);
    if (job.id == round.merge) status.merge = with_reason(job);
    if (job.id != round.array || job.task < 0 || job.task >= static_cast<int>(status.tasks.size())) continue;
    SlurmTask& task = status.tasks[static_cast<size_t>(job.task)];
    const bool waits = job.state == "PENDING";
    task.state = waits ? SlurmTask::State::pending : SlurmTask::State::running;
    if (waits) task.detail = job.reason;
  }
}

void explain_losses(const SlurmRound& round, SlurmStatus& status) {
  const auto lost = [](const SlurmTask& task) { return task.state == SlurmTask::State::lost; };
  if (std::none_of(status.tasks.begin(), status.tasks.end(), lost)) return;
  for (const auto& [number, ending] : ask_endings(round.array)) {
    if (number >= static_cast<int>(status.tasks.size())) continue;
    SlurmTask& task = status.tasks[static_cast<size_t>(number)];
    if (lost(task) && task.detail.empty()) task.detail = ending;
  }
}

}  // namespace

std::string_view to_string(SlurmTask::State state) {
  switch (state) {
    case SlurmTask::State::pending:
      return "pending";
    case SlurmTask::State::running:
      return "running";
    case SlurmTask::State::lost:
      return "lost";
    case SlurmTask::State::done:
      break;
  }
  return "done";
}

size_t SlurmStatus::cells() const {
  size_t sum = 0;
  for (const SlurmTask& task : tasks) sum += task.cells;
  return sum;
}

size_t SlurmStatus::done() const {
  size_t sum = 0;
  for (const SlurmTask& task : tasks) sum += task.done;
  return sum;
}

size_t SlurmStatus::failed() const {
  size_t sum = 0;
  for (const SlurmTask& task : tasks) sum += task.failed;
  return sum;
}

bool SlurmStatus::is_active() const {
  return !prepare.empty() || !merge.empty() ||
         std::any_of(tasks.begin(), tasks.end(), [](const SlurmTask& task) {
           return task.state == SlurmTask::State::pending || task.state == SlurmTask::State::running;
         });
}

std::vector<int> SlurmStatus::unfinished_tasks() const {
  std::vector<int> numbers;
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (!tasks[i].is_finished()) numbers.push_back(static_cast<int>(i));
  }
  return numbers;
}

SlurmStatus stored_slurm_status(const SlurmRecord& record, const SlurmParts& parts) {
  SlurmStatus status;
  const Ended merged = ended_cells(record.sweep.db, record.sweep.name);
  double spent = 0.0;
  for (size_t i = 0; i < parts.size(); ++i) {
    SlurmTask task;
    task.cells = parts[i].size();
    Ended here;
    try {
      here = ended_cells(record.sweep.shard(static_cast<int>(i)), record.sweep.name);
    } catch (const std::runtime_error& problem) {
      task.detail = problem.what();
    }
    for (const std::string& hash : parts[i]) {
      const auto in_database = merged.find(hash);
      const auto in_shard = here.find(hash);
      status.merged += in_database != merged.end() ? 1 : 0;
      if (in_shard == here.end() && in_database == merged.end()) continue;
      const bool is_done = (in_shard != here.end() && in_shard->second.state == CellState::done) ||
                           (in_database != merged.end() && in_database->second.state == CellState::done);
      ++(is_done ? task.done : task.failed);
      spent += in_shard != here.end() ? in_shard->second.wall_seconds : in_database->second.wall_seconds;
    }
    if (task.is_finished()) task.state = SlurmTask::State::done;
    status.tasks.push_back(task);
  }
  const size_t ended = status.done() + status.failed();
  if (ended > 0)
    status.left_seconds = spent / static_cast<double>(ended) * static_cast<double>(status.cells() - ended);
  return status;
}

SlurmStatus slurm_status(SlurmRecord& record, const SlurmParts& parts) {
  // In this order: what a job that is no longer in the queue has made is in the files.
  const std::vector<QueuedJob> queue = ask_latest_round(record);
  SlurmStatus status = stored_slurm_status(record, parts);
  apply_queue(queue, record.round, status);
  explain_losses(record.round, status);
  const auto running = std::count_if(status.tasks.begin(), status.tasks.end(), [](const SlurmTask& task) {
    return task.state == SlurmTask::State::running && !task.is_finished();
  });
  status.left_seconds /= static_cast<double>(std::max<ptrdiff_t>(1, running));
  return status;
}

}  // namespace razorscope
