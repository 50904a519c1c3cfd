#pragma once

#include <QString>
#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "experiments/store/records.hpp"
#include "experiments/store/rows.hpp"
#include "gui/data/snapshot.hpp"

namespace razorscope::gui {

/// A policy to be replayed on a recorded trace, now and without storing it.
struct TrialRequest {
  std::filesystem::path trace;
  std::string policy;  // as a user writes it
  int prefix = 0;      // tokens; less where the trace is shorter
  int steps = 64;      // at most
};

/// What came of it: the same figures that `replay` would store.
struct Trial {
  TradeoffRow row;
  double seconds = 0.0;  // of the replay, once the trace is open
};

/// Replays policies on traces, one after another. Keeps the latest trace open. Belongs to one thread at a
/// time.
class TrialBench {
 public:
  /// Ends soon with Interrupted once `stop` is set. InputError as replay().
  Trial run(const TrialRequest& request, const std::atomic<bool>& stop);

 private:
  void open(const std::filesystem::path& path);

  std::filesystem::path path_;
  std::filesystem::file_time_type written_;
  std::unique_ptr<Trace> trace_;
  ReplayRecord described_;  // by describe_trace, which reads the whole file
};

/// Recorded traces that are there: those of the snapshot's replays, then those in the cache, latest first.
/// Looks at each, so never on the thread that draws.
std::vector<std::filesystem::path> known_traces(const Snapshot* snapshot);

}  // namespace razorscope::gui
