#include "experiments/store/sweep_journal.hpp"

#include <array>
#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>

#include "experiments/store/connection.hpp"
#include "experiments/store/provenance.hpp"
#include "experiments/store/sweep_cells.hpp"

namespace razorscope {
namespace {

// Many processes may write at once, and what a runner has computed is worth waiting for.
constexpr std::chrono::milliseconds patience{60'000};

constexpr const char* now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";

/// The tables that a command's results may stand in, and how they name the policy that was asked for.
struct Outcome {
  const char* links;
  const char* column;
  const char* found;  // SELECT id … for a command line and a policy
};
constexpr std::array<Outcome, 3> outcomes = {
    {{"sweep_cell_runs", "run_id",
      "SELECT id FROM runs WHERE command_line = ?1 AND (?2 IS NULL OR requested_policy = ?2)"},
     {"sweep_cell_deployment_runs", "run_id",
      "SELECT runs.id FROM deployment_runs AS runs JOIN policies ON policies.id = runs.policy_id "
      "WHERE command_line = ?1 AND (?2 IS NULL OR canonical_name = ?2)"},
     {"sweep_cell_probes", "probe_id", "SELECT id FROM probes WHERE command_line = ?1 AND ?2 IS NULL"}}};

std::string list(const std::vector<int64_t>& ids) { return nlohmann::json(ids).dump(); }

/// Runs one statement.
template <typename... Values>
void execute(SQLite::Database& database, const std::string& sql, const Values&... values) {
  SQLite::Statement statement(database, sql);
  bind_all(statement, values...);
  statement.exec();
}

/// Notes the runs of a cell; how many there are.
int link_runs(SQLite::Database& database, const CellRow& cell) {
  const auto policy = cell.policy.empty() ? std::nullopt : std::optional(cell.policy);
  int linked = 0;
  for (const Outcome& outcome : outcomes) {
    execute(database, fmt::format("DELETE FROM {} WHERE cell_id = ?", outcome.links), cell.id);
    SQLite::Statement statement(database, fmt::format("INSERT INTO {} (cell_id, {}) SELECT ?3, id FROM ({})",
                                                      outcome.links, outcome.column, outcome.found));
    bind_all(statement, cell.command_line, policy, cell.id);
    linked += statement.exec();
  }
  return linked;
}

constexpr const char* end_cell =
    "UPDATE sweep_cells SET state = ?, exit_code = ?, message = ?, wall_seconds = ?, runner_id = NULL, "
    "finished_utc = ";

}  // namespace

SweepJournal::SweepJournal(const std::filesystem::path& path)
    : connection_(std::make_unique<Connection>(path, Connection::Access::read_write, patience)) {}
SweepJournal::SweepJournal(SweepJournal&&) noexcept = default;
SweepJournal::~SweepJournal() = default;

std::vector<int64_t> SweepJournal::enter(const std::string& name, const std::string& toml,
                                         const std::vector<CellRow>& cells) {
  SQLite::Database& database = connection_->database();
  return connection_->transact([&] {
    const int64_t sweep = insert_returning_id(
        database,
        "INSERT INTO sweeps (name, toml, updated_utc) VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET toml = excluded.toml, updated_utc = excluded.updated_utc RETURNING "
        "id",
        name, toml, utc_now());
    execute(database, "DELETE FROM sweep_members WHERE sweep_id = ?", sweep);
    std::vector<int64_t> ids;
    for (const CellRow& cell : cells) {
      const auto policy = cell.policy.empty() ? std::nullopt : std::optional(cell.policy);
      ids.push_back(insert_returning_id(
          database,
          "INSERT INTO sweep_cells (config_hash, command, settings_json, policy, estimated_seconds) "
          "VALUES (?, ?, ?, ?, ?) ON CONFLICT (config_hash) DO UPDATE SET settings_json = "
          "excluded.settings_json, "
          "estimated_seconds = excluded.estimated_seconds RETURNING id",
          cell.config_hash, cell.command, cell.settings_json, policy, cell.estimated_seconds));
      execute(database, "INSERT INTO sweep_members (sweep_id, ordinal, cell_id) VALUES (?, ?, ?)", sweep,
              ids.size() - 1, ids.back());
    }
    return ids;
  });
}

std::vector<CellRow> SweepJournal::cells(const std::vector<int64_t>& ids) {
  SQLite::Database& database = connection_->database();
  return connection_->guarded([&] {
    SQLite::Statement statement(
        database,
        fmt::format(
            "SELECT {} FROM json_each(?) AS wanted JOIN sweep_cells AS cells ON cells.id = wanted.value "
            "ORDER BY wanted.key",
            cell_columns));
    bind_all(statement, list(ids));
    return read_cells(statement);
  });
}

void SweepJournal::retry_failed(const std::vector<int64_t>& ids) {
  connection_->transact([&] {
    execute(connection_->database(),
            "UPDATE sweep_cells SET state = 'pending' WHERE state = 'failed' AND id IN (SELECT value FROM "
            "json_each(?))",
            list(ids));
  });
}

int64_t SweepJournal::add_runner(const std::string& host, int64_t pid, const std::string& process_start) {
  return connection_->transact([&] {
    return insert_returning_id(
        connection_->database(),
        "INSERT INTO sweep_runners (host, pid, process_start, started_utc, heartbeat_utc) "
        "VALUES (?, ?, ?, ?4, ?4) "
        "ON CONFLICT DO UPDATE SET heartbeat_utc = excluded.heartbeat_utc RETURNING id",
        host, pid, process_start, utc_now());
  });
}

void SweepJournal::heartbeat(int64_t runner) {
  connection_->transact([&] {
    execute(connection_->database(), "UPDATE sweep_runners SET heartbeat_utc = ? WHERE id = ?", utc_now(),
            runner);
  });
}

std::vector<RunnerRow> SweepJournal::runners() {
  return connection_->guarded([&] { return read_runners(connection_->database()); });
}

void SweepJournal::release(int64_t runner) {
  connection_->transact([&] {
    execute(connection_->database(),
            "UPDATE sweep_cells SET state = 'pending', runner_id = NULL WHERE runner_id = ? AND state = "
            "'running'",
            runner);
    execute(connection_->database(), "DELETE FROM sweep_runners WHERE id = ?", runner);
  });
}

bool SweepJournal::claim(const std::vector<int64_t>& ids, int64_t runner, const std::string& command_line) {
  SQLite::Database& database = connection_->database();
  return connection_->transact([&] {
    SQLite::Statement free(database,
                           "SELECT count(*) FROM sweep_cells WHERE state = 'pending' AND id IN (SELECT value "
                           "FROM json_each(?))");
    bind_all(free, list(ids));
    free.executeStep();
    if (free.getColumn(0).getInt64() != static_cast<int64_t>(ids.size())) return false;
    execute(
        database,
        fmt::format(
            "UPDATE sweep_cells SET state = 'running', attempts = attempts + 1, command_line = ?, runner_id "
            "= ?, "
            "started_utc = {}, finished_utc = NULL, wall_seconds = NULL, exit_code = NULL, message = NULL "
            "WHERE id IN (SELECT value FROM json_each(?))",
            now),
        command_line, runner, list(ids));
    return true;
  });
}

void SweepJournal::put_back(const std::vector<int64_t>& ids) {
  connection_->transact([&] {
    execute(connection_->database(),
            "UPDATE sweep_cells SET state = 'pending', runner_id = NULL, attempts = attempts - 1 "
            "WHERE state = 'running' AND id IN (SELECT value FROM json_each(?))",
            list(ids));
  });
}

void SweepJournal::finish(const std::vector<int64_t>& ids, double wall_seconds,
                          const std::string& reason_without_run) {
  SQLite::Database& database = connection_->database();
  connection_->transact([&] {
    for (const CellRow& cell : cells(ids)) {
      const bool stored = link_runs(database, cell) > 0;
      execute(database, fmt::format("{}{} WHERE id = ?", end_cell, now),
              std::string(stored ? "done" : "failed"), 0,
              stored ? std::nullopt : std::optional(reason_without_run),
              wall_seconds / static_cast<double>(ids.size()), cell.id);
    }
  });
}

void SweepJournal::fail(const std::vector<int64_t>& ids, double wall_seconds, int exit_code,
                        const std::string& message) {
  connection_->transact([&] {
    execute(connection_->database(),
            fmt::format("{}{} WHERE id IN (SELECT value FROM json_each(?))", end_cell, now),
            std::string("failed"), exit_code, message, wall_seconds / static_cast<double>(ids.size()),
            list(ids));
  });
}

}  // namespace razorscope
