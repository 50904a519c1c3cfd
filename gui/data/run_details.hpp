#pragma once

#include <QString>
#include <utility>
#include <vector>

#include "gui/data/snapshot.hpp"

namespace razorscope::gui {

/// Lines of a name and a value.
using DetailLines = std::vector<std::pair<QString, QString>>;

/// All figures that a run has, in the order of the table.
DetailLines run_details(const Snapshot& snapshot, const Run& run);

/// How a run came about: command, time, program, machine. Empty where the store does not have it (any more).
DetailLines provenance_details(const std::optional<RunProvenance>& origin);

}  // namespace razorscope::gui
