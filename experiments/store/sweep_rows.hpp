#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace razorscope {

/// What became of a cell of a sweep: one command with one policy.
enum class CellState { pending, running, done, failed };
std::string_view to_string(CellState state);

/// A sweep and how far it is.
struct SweepRow {
  std::string name;
  int cells = 0;
  int done = 0;
  int failed = 0;
  int running = 0;
  int pending = 0;
  double spent_seconds = 0.0;  // of processes, all cells
  double left_seconds = 0.0;   // likewise, as estimated; what runs counts as a whole
  std::string started_utc;     // "" before the first cell
  std::string finished_utc;    // of the latest cell that ended
};

/// A cell of a sweep. What is unknown yet is empty or 0.
struct CellRow {
  int64_t id = 0;
  std::string config_hash;
  std::string command;  // "replay", "task needle"
  std::string settings_json;
  std::string policy;  // "": the command has none
  CellState state = CellState::pending;
  int attempts = 0;
  double estimated_seconds = 0.0;
  std::string command_line;
  std::string started_utc;
  double wall_seconds = 0.0;
  int exit_code = 0;
  std::string message;
};

/// The ids of what came of a sweep so far: of replays, evaluations and tasks, and of runs on devices.
struct SweepRuns {
  std::set<int64_t> runs;
  std::set<int64_t> deployment_runs;
};

/// A program that works on cells.
struct RunnerRow {
  int64_t id = 0;
  std::string host;
  int64_t pid = 0;
  std::string process_start;    // tells processes of one number apart
  double silent_seconds = 0.0;  // since its last heartbeat
  int cells = 0;                // that it runs
};

}  // namespace razorscope
