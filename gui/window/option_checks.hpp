#pragma once

#include <QJsonObject>
#include <vector>

#include "gui/data/run_filter.hpp"

namespace razorscope::gui {

class View;

// What was typed is taken as it is or refused, where a session's settings that no longer fit are left out.
// All throw InputError, with what is allowed.

/// Of --filter: keys and kinds of values.
void check_filter(const QJsonObject& json);
/// Whether the database has what the filter names.
void check_filter_names(const RunFilter& filter, const Snapshot& snapshot);
/// Of --select.
void check_runs(const std::vector<RunRef>& runs, const Snapshot& snapshot);
/// Of --state, before the view has taken it: keys and kinds of values.
void check_state(const QJsonObject& state, const View& view);
/// Afterwards: whether it did.
void check_state_taken(const QJsonObject& state, const View& view);

}  // namespace razorscope::gui
