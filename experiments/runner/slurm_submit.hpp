#pragma once

#include <string>

#include "experiments/runner/slurm_status.hpp"

namespace razorscope {

struct SlurmSubmission {
  SlurmRecord record;  // what is wanted; jobs and round are taken from the folder, where it holds the sweep
  SlurmParts parts;    // one a task
  std::string toml;    // the sweep file
  bool needs_preparation = false;  // something that several tasks need is not there yet
};

/// Submits what of a sweep is neither done nor in the queue: the preparation, an array of the tasks that have
/// something left to do, and the merge after them. Returns a sentence about it.
///
/// Nothing is submitted twice: while a job of the sweep waits or runs, nothing is. InputError where the
/// folder holds the sweep in another cut, or the file was changed under jobs that run; std::runtime_error
/// where Slurm's commands are missing or refuse (jobs that were submitted by then are cancelled), or the
/// folder cannot be written to.
std::string submit_to_slurm(const SlurmSubmission& submission);

/// For the merge job: submits again what tasks that were lost have left, and another merge.
/// std::runtime_error where that was done as often as is allowed.
std::string submit_lost_tasks(const SlurmSubmission& submission);

/// What submit_to_slurm would write and run. Asks nobody and writes nothing.
std::string slurm_dry_run(const SlurmSubmission& submission);

}  // namespace razorscope
