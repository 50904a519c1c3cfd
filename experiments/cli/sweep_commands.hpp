#pragma once

#include <filesystem>
#include <vector>

#include "experiments/runner/sweep_file.hpp"

namespace razorscope::cli {

/// The commands that sweeps may run, with their options as keys: as the command line declares them.
std::vector<SweepCommand> sweep_commands();

/// A sweep file of these commands. base: the folder that relative paths in it start from; "": the file's.
SweepFile read_sweep(const std::filesystem::path& file, const std::filesystem::path& base);

}  // namespace razorscope::cli
