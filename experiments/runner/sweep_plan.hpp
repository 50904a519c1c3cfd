#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "experiments/runner/sweep_file.hpp"

namespace razorscope {

/// A trace that replays of a sweep share: recorded once, as long as the longest of them needs.
struct SweepTrace {
  std::filesystem::path path;      // in the cache; its name tells what is in it
  std::vector<std::string> words;  // of the command that records it
};

/// One policy under one setting: what is made once or not at all.
struct SweepCell {
  std::string policy;       // canonical name; "": the command's own, or it has none
  std::string config_hash;  // of command, settings with the content of files that they name, and policy
};

/// Cells that one process makes: they share everything but the policy.
struct SweepBatch {
  std::string command;
  std::vector<std::string> words;  // of the command line, without policies
  nlohmann::json settings;         // as the file has them
  std::vector<SweepCell> cells;    // never empty
  int line = 1;                    // of the grid in the file
  int trace = -1;                  // index of the trace that has to be there first; -1: none
  int probe = -1;                  // likewise of the batch that measures the model's heads
  bool elsewhere = false;          // another part of the sweep makes it

  /// The command line's words for some of the cells.
  std::vector<std::string> words_for(const std::vector<SweepCell>& some) const;
};

/// What a sweep file comes to.
struct SweepPlan {
  std::vector<SweepTrace> traces;
  std::vector<SweepBatch> batches;  // a probe that others need stands before them

  /// Leaves all but every n-th batch to other parts of the sweep.
  void keep_part(size_t part, size_t parts);

  // Of this part:
  size_t cells() const;
  size_t processes() const;
};

/// All combinations of each grid's keys, cells that are asked for twice once; with the traces and probes that
/// several need. `cache`: the folder that traces are kept in. Reads the files that the sweep names, for their
/// hashes. InputError where there are too many, or a file cannot be read.
SweepPlan plan_sweep(const SweepFile& file, const std::vector<SweepCommand>& commands,
                     const std::filesystem::path& cache);

}  // namespace razorscope
