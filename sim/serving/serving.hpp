#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/base/progress.hpp"
#include "sim/serving/deployment.hpp"
#include "sim/serving/metrics.hpp"
#include "sim/serving/request.hpp"
#include "sim/serving/scheduler.hpp"

namespace razorscope {

/// Which of several engines a new request goes to.
enum class Router { round_robin, least_outstanding };
/// InputError(--router) with the allowed names.
Router router(const std::string& name);
std::string router_name(Router router);

/// What serves a workload.
struct ServingSetup {
  Deployment deployment;  // of each engine
  int engines = 1;        // replicas that prefill and decode
  /// Prefill and decode on engines of their own, with K and V sent between them over the device's link; both
  /// or neither. `engines` counts for nothing then.
  int prefill_engines = 0;
  int decode_engines = 0;
  Router router = Router::round_robin;
  SchedulerLimits limits;
  ServiceLevel level;

  bool disaggregated() const { return prefill_engines > 0; }
  int all_engines() const { return disaggregated() ? prefill_engines + decode_engines : engines; }
};

/// What came of a workload. Seconds.
struct ServingResult {
  size_t requests = 0;  // that arrived
  size_t completed = 0;
  std::map<std::string, size_t> refused;  // requests that could never run, by the reason of the first such
  double seconds = 0.0;                   // until the last token
  Percentiles ttft;
  Percentiles tpot;
  Percentiles itl;  // between two tokens of a request
  Percentiles e2e;
  double request_rate = 0.0;  // completed a second
  double token_rate = 0.0;    // output tokens a second
  double prompt_token_rate = 0.0;
  double goodput = 0.0;        // completed within the service level, a second
  double goodput_share = 0.0;  // of all that arrived
  int64_t preemptions = 0;
  int64_t cached_tokens = 0;  // prompt tokens found in prefix caches
  int64_t kv_blocks = 0;      // of all engines, 16 tokens of all heads uncompressed
  double peak_kv_use = 0.0;   // of the fullest engine
  double mean_running = 0.0;  // over time
  double mean_waiting = 0.0;
  double mean_kv_use = 0.0;
  double memory_utilisation = 0.0;   // share of the time that devices' memory streams, mean over engines
  double compute_utilisation = 0.0;  // the same of their arithmetic
  int64_t steps = 0;
  Calibration calibration = Calibration::uncalibrated;
  bool assumes_heads = false;
  std::vector<RequestRecord> records;  // in the workload's order
  std::vector<TimelinePoint> timeline;
};

/// Simulates the workload as discrete events on SimGrid: each device group's memory is a host that processes
/// bytes, its arithmetic a host that processes operations, connections are links; what overlaps shares them.
///
/// SimGrid allows one engine a process: a second call throws std::logic_error. Single-threaded; results
/// depend on nothing but the arguments. InputError where a figure makes no sense or no request could ever
/// run; std::runtime_error where requests are left that cannot proceed.
ServingResult serve(const ServingSetup& setup, PolicyFootprint& footprint, const Workload& workload,
                    Progress& progress);

/// The same for replicas by a plain event loop, where nothing overlaps: what serve() is checked against, any
/// number of times a process. Not for disaggregated setups.
ServingResult serve_plainly(const ServingSetup& setup, PolicyFootprint& footprint, const Workload& workload);

}  // namespace razorscope
