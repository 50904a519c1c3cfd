#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "experiments/cli/run_cost.hpp"

namespace razorscope::cli {

/// The program's command line with all its subcommands, ready to parse one set of arguments.
std::unique_ptr<CLI::App> command_app();

/// What a command of these words (without the program's name) would take, found out in this process.
/// InputError where the command would refuse them.
RunCost cost_of(const std::vector<std::string>& words);

}  // namespace razorscope::cli
