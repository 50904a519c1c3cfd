#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "experiments/runner/slurm_scripts.hpp"

namespace razorscope {

/// What was submitted together; jobs of 0: none.
struct SlurmRound {
  int number = 0;  // how often tasks that were lost had been submitted again
  int64_t prepare = 0;
  int64_t array = 0;
  int64_t merge = 0;

  bool operator==(const SlurmRound&) const = default;
};

/// What was submitted of a sweep, as its folder keeps it.
struct SlurmRecord {
  SlurmSweep sweep;
  int rounds = 3;    // how often tasks that were lost are submitted again
  SlurmRound round;  // the latest
};

/// Nothing where the folder holds no sweep. InputError where its record is damaged.
std::optional<SlurmRecord> read_slurm_record(const std::filesystem::path& folder);

void write_slurm_record(const SlurmRecord& record);

}  // namespace razorscope
