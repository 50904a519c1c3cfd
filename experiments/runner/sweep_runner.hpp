#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "experiments/runner/sweep_plan.hpp"

namespace razorscope {

/// What a process of the sweep takes, as estimated before it begins.
struct SweepCost {
  double memory_bytes = 0.0;
  double seconds = 0.0;     // with all threads that it gets
  bool one_thread = false;  // it cannot use more
};

/// Of all batches and traces of a plan, in its order.
struct SweepCosts {
  std::vector<SweepCost> batches;
  std::vector<SweepCost> traces;
};

struct SweepRunOptions {
  std::filesystem::path program;  // that the commands belong to
  std::filesystem::path db;
  size_t threads = 1;         // of this machine, for all processes together
  double memory_bytes = 0.0;  // likewise
  bool retry_failed = false;
};

/// How far a sweep is.
struct SweepState {
  size_t cells = 0;
  size_t done = 0;
  size_t failed = 0;
  size_t running = 0;    // those of other runners included
  size_t elsewhere = 0;  // of them
  size_t recording = 0;  // traces
  double left_seconds = 0.0;
};

/// Runs the cells of a plan that are not done yet, each batch as a process of the program, as many at once as
/// threads and memory allow.
///
/// Contract. run() once. Several runners, of this machine or others, may work on one sweep or on sweeps that
/// share cells: each cell is made by one of them, and run() returns when none is left or being made. Killed
/// at any moment, it leaves nothing that another run() does not put right: what a process had not stored is
/// made again. `tell` is called about ten times a second; what it throws ends the run, and cells that were
/// being made are pending again. A process that refuses its input is cut in halves until the policy at fault
/// is alone; one that was killed is tried a second time.
class SweepRunner {
 public:
  /// File and plan must outlive it.
  SweepRunner(const SweepFile& file, const SweepPlan& plan, SweepCosts costs, SweepRunOptions options);

  SweepState run(const std::function<void(const SweepState&)>& tell);

 private:
  struct Run;

  const SweepFile& file_;
  const SweepPlan& plan_;
  SweepCosts costs_;
  SweepRunOptions options_;
};

}  // namespace razorscope
