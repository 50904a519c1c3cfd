#pragma once

#include <vector>

#include "experiments/runner/sweep_file.hpp"

namespace razorscope::cli {

/// The commands that sweeps may run, with their options as keys: as the command line declares them.
std::vector<SweepCommand> sweep_commands();

}  // namespace razorscope::cli
