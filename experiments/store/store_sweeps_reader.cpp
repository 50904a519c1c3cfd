#include <algorithm>
#include <fmt/format.h>
#include <stdexcept>

#include "experiments/store/connection.hpp"
#include "experiments/store/store.hpp"
#include "experiments/store/sweep_cells.hpp"
#include "models/base/error.hpp"

// Reads what the journal of sweeps says.

namespace razorscope {
namespace {

CellState cell_state(const std::string& name) {
  for (const CellState state : {CellState::pending, CellState::running, CellState::done, CellState::failed}) {
    if (to_string(state) == name) return state;
  }
  throw std::runtime_error(fmt::format("unknown state of a cell: {}", name));
}

}  // namespace

std::string_view to_string(CellState state) {
  switch (state) {
    case CellState::pending:
      return "pending";
    case CellState::running:
      return "running";
    case CellState::done:
      return "done";
    case CellState::failed:
      break;
  }
  return "failed";
}

std::vector<CellRow> read_cells(SQLite::Statement& statement) {
  std::vector<CellRow> rows;
  while (statement.executeStep()) {
    int column = 0;
    const auto next = [&] { return statement.getColumn(column++); };
    CellRow row;
    row.id = next().getInt64();
    row.config_hash = next().getString();
    row.command = next().getString();
    row.settings_json = next().getString();
    row.policy = next().getString();  // "" of NULL, as below
    row.state = cell_state(next().getString());
    row.attempts = next().getInt();
    row.estimated_seconds = next().getDouble();
    row.command_line = next().getString();
    row.started_utc = next().getString();
    row.wall_seconds = next().getDouble();
    row.exit_code = next().getInt();
    row.message = next().getString();
    rows.push_back(row);
  }
  return rows;
}

std::vector<RunnerRow> read_runners(SQLite::Database& database) {
  SQLite::Statement statement(
      database,
      "SELECT id, host, pid, process_start, unixepoch('now') - unixepoch(heartbeat_utc), "
      "(SELECT count(*) FROM sweep_cells WHERE runner_id = sweep_runners.id) FROM sweep_runners ORDER BY id");
  std::vector<RunnerRow> rows;
  while (statement.executeStep()) {
    rows.push_back({statement.getColumn(0).getInt64(), statement.getColumn(1).getString(),
                    statement.getColumn(2).getInt64(), statement.getColumn(3).getString(),
                    statement.getColumn(4).getDouble(), statement.getColumn(5).getInt()});
  }
  return rows;
}

std::vector<SweepRow> Store::sweeps() {
  return connection_->guarded([&] {
    SQLite::Statement statement(connection_->database(),
                                "SELECT sweep, cells, done, failed, running, pending, spent_seconds, "
                                "left_seconds, started_utc, finished_utc "
                                "FROM sweep_progress ORDER BY sweep");
    std::vector<SweepRow> rows;
    while (statement.executeStep()) {
      rows.push_back({statement.getColumn(0).getString(), statement.getColumn(1).getInt(),
                      statement.getColumn(2).getInt(), statement.getColumn(3).getInt(),
                      statement.getColumn(4).getInt(), statement.getColumn(5).getInt(),
                      statement.getColumn(6).getDouble(), statement.getColumn(7).getDouble(),
                      statement.getColumn(8).getString(), statement.getColumn(9).getString()});
    }
    return rows;
  });
}

std::vector<CellRow> Store::sweep_cells(const std::string& sweep) {
  return connection_->guarded([&] {
    SQLite::Statement statement(
        connection_->database(),
        fmt::format("SELECT {} FROM sweeps JOIN sweep_members AS members ON members.sweep_id = sweeps.id "
                    "JOIN sweep_cells AS cells ON cells.id = members.cell_id WHERE sweeps.name = ? "
                    "ORDER BY members.ordinal",
                    cell_columns));
    bind_all(statement, sweep);
    return read_cells(statement);
  });
}

SweepRuns Store::sweep_runs(const std::string& sweep) {
  std::vector<std::string> names;
  for (const SweepRow& row : sweeps()) names.push_back(row.name);
  if (std::find(names.begin(), names.end(), sweep) == names.end())
    throw InputError(
        "--sweep", names.empty() ? path().string() + " holds no sweep" : unknown_name("sweep", sweep, names));
  return connection_->guarded([&] {
    SweepRuns found;
    SQLite::Statement statement(connection_->database(),
                                "SELECT id_of = 'run', run_id FROM sweep_runs WHERE sweep = ? AND id_of IN "
                                "('run', 'deployment run')");
    bind_all(statement, sweep);
    while (statement.executeStep()) {
      std::set<int64_t>& ids = statement.getColumn(0).getInt() != 0 ? found.runs : found.deployment_runs;
      ids.insert(statement.getColumn(1).getInt64());
    }
    return found;
  });
}

std::vector<RunnerRow> Store::sweep_runners() {
  return connection_->guarded([&] { return read_runners(connection_->database()); });
}

}  // namespace razorscope
