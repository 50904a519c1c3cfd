#pragma once

#include <boost/interprocess/sync/file_lock.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "experiments/runner/sweep_plan.hpp"

namespace razorscope {

/// The traces that a plan's replays share: which are there, who records which. Of several runners the one
/// that holds a trace's lock (PATH.lock) records it; a lock goes with the process that holds it. Internal to
/// SweepRunner.
class TraceRecordings {
 public:
  enum class State { missing, running, there, failed };

  explicit TraceRecordings(const std::vector<SweepTrace>& traces);

  State state(size_t trace);  // looks at the disk
  const std::string& message(size_t trace) const { return entries_[trace].message; }
  /// Whether this process may record it now: it is missing, and nobody else does.
  bool take(size_t trace);
  /// Ends what take() began. message: why it failed; "": it is there.
  void end(size_t trace, const std::string& message);

 private:
  struct Entry {
    State state = State::missing;
    boost::interprocess::file_lock lock;  // held while this process records
    std::string message;
  };

  const std::vector<SweepTrace>& traces_;
  std::vector<Entry> entries_;
};

}  // namespace razorscope
