#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "experiments/runner/slurm_queue.hpp"

// Runs Slurm's commands. std::runtime_error where one is missing or refuses, with what it said.

namespace razorscope {

/// The words of a command that submits a script: an array of the tasks, where there are any; after what the
/// dependency says ("afterok:12"), where it says something.
std::vector<std::string> submit_words(const std::filesystem::path& script, const std::string& dependency,
                                      const std::vector<int>& tasks);
/// Runs them. The job's id.
int64_t submit_job(const std::vector<std::string>& words);

/// Those of the jobs that wait or run; ids of 0 stand for no job.
std::vector<QueuedJob> ask_queue(const std::vector<int64_t>& jobs);

/// How tasks of an array ended; empty where the cluster keeps no account of it.
std::map<int, std::string> ask_endings(int64_t array);

void cancel_job(int64_t job);

}  // namespace razorscope
