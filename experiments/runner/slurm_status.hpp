#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/runner/slurm_record.hpp"

namespace razorscope {

/// The cells that each task makes, by config_hash.
using SlurmParts = std::vector<std::vector<std::string>>;

/// A task of the job array.
struct SlurmTask {
  /// lost: it is not in the queue, and cells of it are not done.
  enum class State { pending, running, lost, done };
  State state = State::lost;
  std::string detail;  // why it waits, how it ended, why its shard cannot be read; ""
  size_t cells = 0;
  size_t done = 0;
  size_t failed = 0;

  bool is_finished() const { return done + failed == cells; }
};
std::string_view to_string(SlurmTask::State state);

struct SlurmStatus {
  std::vector<SlurmTask> tasks;
  std::string prepare;        // the job's state in the queue, with a reason; "": it is not there
  std::string merge;          // likewise
  size_t merged = 0;          // cells that are done or have failed as far as the database knows
  double left_seconds = 0.0;  // by the pace so far, with the tasks that run now; 0: unknown

  size_t cells() const;
  size_t done() const;
  size_t failed() const;
  /// Whether a job of the sweep waits or runs.
  bool is_active() const;
  std::vector<int> unfinished_tasks() const;
};

/// What shards and database hold, without the queue: every task that is not done is lost.
SlurmStatus stored_slurm_status(const SlurmRecord& record, const SlurmParts& parts);

/// The same with what Slurm says. std::runtime_error where it cannot be asked. record: takes the latest round
/// from the sweep's folder, where a merge may submit another at any time.
SlurmStatus slurm_status(SlurmRecord& record, const SlurmParts& parts);

}  // namespace razorscope
