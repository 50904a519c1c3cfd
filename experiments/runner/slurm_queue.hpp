#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

// What Slurm's commands print, as values. Slurm 20.11 and later.

namespace razorscope {

/// A job that waits or runs.
struct QueuedJob {
  int64_t id = 0;      // of the array, where it is a task of one
  int task = -1;       // of an array; -1: not of one
  std::string state;   // PENDING, RUNNING, COMPLETING, ...
  std::string reason;  // why it waits: Resources, Dependency, ...
};

/// The arguments of squeue whose output read_queue understands.
std::vector<std::string> queue_arguments(const std::vector<int64_t>& jobs);
/// std::runtime_error that shows the line where it is of another form.
std::vector<QueuedJob> read_queue(std::string_view output);

/// The arguments of sacct whose output read_endings understands.
std::vector<std::string> ending_arguments(int64_t array);
/// How tasks of an array ended, by number: "TIMEOUT", "OUT_OF_MEMORY", "CANCELLED by 0"; only of those that
/// did. Lines of another form are passed over: what is said of a task's end is a help, not a fact to build
/// on.
std::map<int, std::string> read_endings(std::string_view output);

/// The id that `sbatch --parsable` prints. std::runtime_error that shows the output where it holds none.
int64_t read_job_id(std::string_view output);

/// "0-3,7": numbers, ascending, as sbatch wants them for --array.
std::string array_list(const std::vector<int>& tasks);

}  // namespace razorscope
