#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "experiments/store/sweep_rows.hpp"

namespace razorscope {

class Connection;

/// The book that runners keep about sweeps in a results database: which cells there are, who works on which,
/// what came of them.
///
/// Contract. Any number of runners, of one machine or several, may keep it at once; every call is one
/// transaction. A cell is pending, claimed by one runner (running), then done or failed. Only who has claimed
/// a cell may end it. Cells of a runner that died are given back by release(), which whoever notices may
/// call. The cells' rows are kept by other connections: by the commands that the runner starts.
class SweepJournal {
 public:
  /// As Store::open_for_writing.
  explicit SweepJournal(const std::filesystem::path& path);
  SweepJournal(SweepJournal&&) noexcept;
  ~SweepJournal();

  /// Enters a sweep with its cells (of which hash, command, settings, policy and estimate count), or brings
  /// it up to date: cells that are known keep their state, those that it no longer asks for leave it. The
  /// cells' ids, in order.
  std::vector<int64_t> enter(const std::string& name, const std::string& toml,
                             const std::vector<CellRow>& cells);
  /// The rows of cells, in the order of the ids.
  std::vector<CellRow> cells(const std::vector<int64_t>& ids);
  /// Makes failed cells pending again.
  void retry_failed(const std::vector<int64_t>& ids);

  /// Enters a runner. Its id.
  int64_t add_runner(const std::string& host, int64_t pid, const std::string& process_start);
  void heartbeat(int64_t runner);
  /// Runners, with the cells that they work on.
  std::vector<RunnerRow> runners();
  /// Strikes a runner off; what it was working on is pending again.
  void release(int64_t runner);

  /// Claims the cells if all of them are pending; false, and nothing, otherwise.
  bool claim(const std::vector<int64_t>& ids, int64_t runner, const std::string& command_line);
  /// Gives claimed cells back, as if they had not been begun.
  void put_back(const std::vector<int64_t>& ids);
  /// Ends cells whose command came to its end, and notes the runs that it stored under its command line. A
  /// cell without one has failed, for the reason given.
  void finish(const std::vector<int64_t>& ids, double wall_seconds, const std::string& reason_without_run);
  void fail(const std::vector<int64_t>& ids, double wall_seconds, int exit_code, const std::string& message);

 private:
  std::unique_ptr<Connection> connection_;
};

}  // namespace razorscope
