#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace razorscope {

/// What the jobs of a sweep ask of Slurm; "" leaves it to the cluster's defaults.
struct SlurmRequest {
  std::string partition;
  std::string time;                  // of a task, as sbatch takes it: "2:00:00"
  std::string memory;                // likewise: "16G"
  int cpus = 1;                      // of a task
  std::vector<std::string> options;  // more of sbatch's, one each: "--account=lab"

  bool operator==(const SlurmRequest&) const = default;
};

/// A sweep on a cluster: absolute paths, that all nodes see.
struct SlurmSweep {
  std::string name;
  std::filesystem::path folder;  // its own
  std::filesystem::path base;    // that relative paths in the file start from
  std::filesystem::path db;
  std::filesystem::path program;
  int tasks = 1;
  SlurmRequest request;

  std::filesystem::path file() const { return folder / (name + ".toml"); }
  std::filesystem::path traces() const { return folder / "traces"; }
  std::filesystem::path shards() const { return folder / "shards"; }
  std::filesystem::path shard(int task) const { return shards() / (std::to_string(task) + ".db"); }
  std::filesystem::path logs() const { return folder / "logs"; }
};

/// InputError where a path or a word cannot stand in a script: #SBATCH lines know no quoting worth the name.
void check_words(const SlurmSweep& sweep);

/// The job that records, once, what several tasks need.
std::string prepare_script(const SlurmSweep& sweep);
/// The job array: a task runs its part of the sweep into a shard of its own, and goes on with that shard
/// where it is started again.
std::string array_script(const SlurmSweep& sweep);
/// The job that merges all shards, and submits again what is missing.
std::string merge_script(const SlurmSweep& sweep);

}  // namespace razorscope
