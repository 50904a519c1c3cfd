#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <vector>

#include "experiments/store/sweep_rows.hpp"

namespace razorscope {

/// What read_cells expects, of sweep_cells AS cells. Internal to this folder.
inline constexpr const char* cell_columns =
    "cells.id, cells.config_hash, cells.command, cells.settings_json, cells.policy, cells.state, "
    "cells.attempts, "
    "cells.estimated_seconds, cells.command_line, cells.started_utc, cells.wall_seconds, cells.exit_code, "
    "cells.message";

/// All rows of a statement that selects cell_columns.
std::vector<CellRow> read_cells(SQLite::Statement& statement);
std::vector<RunnerRow> read_runners(SQLite::Database& database);

}  // namespace razorscope
