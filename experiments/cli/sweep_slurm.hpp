#pragma once

#include <string>

namespace CLI {
class App;
}

namespace razorscope::cli {

/// Each adds a subcommand of `sweep`.
void add_sweep_merge(CLI::App& sweep);
void add_sweep_prepare(CLI::App& sweep);
void add_sweep_slurm(CLI::App& sweep);

/// `sweep status --folder`: how far the jobs of a sweep are. file: the sweep file or its name.
void show_slurm_status(const std::string& file, const std::string& base, const std::string& folder,
                       bool json);

}  // namespace razorscope::cli
