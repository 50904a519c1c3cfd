#pragma once

#include <filesystem>
#include <vector>

namespace razorscope::gui {

/// The command-line program, which runs experiments: beside this one, else where the shell would find it.
/// Empty where it is in neither place.
std::filesystem::path command_line_program();

/// The sample sweeps, by name: from the sources above this program. Empty where there are none.
std::vector<std::filesystem::path> sample_sweeps();

/// Where the command line stores results unless it is told otherwise.
std::filesystem::path usual_database();

}  // namespace razorscope::gui
