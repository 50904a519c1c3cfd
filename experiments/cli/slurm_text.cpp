#include "experiments/cli/slurm_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/sweep_text.hpp"
#include "experiments/store/text_table.hpp"

namespace razorscope::cli {
namespace {

ptrdiff_t count(const SlurmStatus& status, SlurmTask::State state) {
  return std::count_if(status.tasks.begin(), status.tasks.end(),
                       [state](const SlurmTask& task) { return task.state == state; });
}

/// Tasks that are done are only counted: there may be thousands.
std::string task_table(const SlurmStatus& status) {
  std::vector<Cells> table = {{"task", "state", "runs", "done", "failed", ""}};
  for (size_t i = 0; i < status.tasks.size(); ++i) {
    const SlurmTask& task = status.tasks[i];
    if (task.state == SlurmTask::State::done) continue;
    table.push_back({fmt::to_string(i), std::string(to_string(task.state)), fmt::to_string(task.cells),
                     fmt::to_string(task.done), fmt::to_string(task.failed),
                     printable(task.detail, TextStyle::plain)});
  }
  return table.size() > 1 ? format_table(table, TextStyle::plain) : "";
}

}  // namespace

std::string slurm_status_text(const SlurmRecord& record, const SlurmStatus& status) {
  std::string text =
      fmt::format("{}: {} of {} runs done, {} failed; of {} tasks {} done, {} running, {} pending, {} lost",
                  record.sweep.name, status.done(), status.cells(), status.failed(), status.tasks.size(),
                  count(status, SlurmTask::State::done), count(status, SlurmTask::State::running),
                  count(status, SlurmTask::State::pending), count(status, SlurmTask::State::lost));
  if (status.left_seconds > 0.0) text += fmt::format("; about {} left", duration(status.left_seconds));
  text += '\n' + task_table(status);
  if (!status.prepare.empty())
    text += fmt::format("prepare: job {}, {}\n", record.round.prepare, status.prepare);
  if (!status.merge.empty()) text += fmt::format("merge: job {}, {}\n", record.round.merge, status.merge);
  if (record.round.number > 0)
    text +=
        fmt::format("lost tasks were submitted again {} times of {}\n", record.round.number, record.rounds);
  if (status.merged < status.done() + status.failed())
    text += fmt::format("{} runs are not merged into {} yet\n",
                        status.done() + status.failed() - status.merged, record.sweep.db.string());
  if (!status.is_active() && status.done() + status.failed() < status.cells())
    text += "no job of it waits or runs: `razorscope sweep slurm` submits what is missing\n";
  return text;
}

nlohmann::json slurm_status_json(const SlurmRecord& record, const SlurmStatus& status) {
  nlohmann::json tasks = nlohmann::json::array();
  for (const SlurmTask& task : status.tasks) {
    tasks.push_back({{"state", to_string(task.state)},
                     {"detail", task.detail},
                     {"runs", task.cells},
                     {"done", task.done},
                     {"failed", task.failed}});
  }
  return {{"sweep", record.sweep.name},   {"runs", status.cells()},    {"done", status.done()},
          {"failed", status.failed()},    {"merged", status.merged},   {"left_seconds", status.left_seconds},
          {"active", status.is_active()}, {"prepare", status.prepare}, {"merge", status.merge},
          {"round", record.round.number}, {"rounds", record.rounds},   {"tasks", tasks}};
}

}  // namespace razorscope::cli
