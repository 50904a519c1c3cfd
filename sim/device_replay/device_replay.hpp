#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/base/progress.hpp"
#include "sim/device_replay/event_log.hpp"
#include "sim/device_replay/occupancy.hpp"
#include "sim/replay/footprints.hpp"
#include "sim/serving/deployment.hpp"

namespace razorscope {

/// A recorded replay on a device. Sequences are copies of the recorded one: their prompts come one after
/// another, in chunks, each compressed as soon as it is in; then all decode together.
struct DeviceReplayRequest {
  Deployment deployment;    // on one device; its shape may be another than the recorded one (DeployedCache)
  int sequences = 1;        // identical ones
  int token_budget = 2048;  // prompt tokens of a step
  int context = 0;          // prompt tokens; 0: as recorded
};

/// One policy on the device. Bytes are those of all sequences.
struct DeviceReplayResult {
  std::string policy;  // canonical name
  std::string device;
  std::string shape;
  int sequences = 0;
  int prompt = 0;                      // tokens of a sequence
  double prefill_seconds = 0.0;        // of all prompts
  double compression_seconds = 0.0;    // of all prompts
  std::vector<double> decode_seconds;  // of each step; one token of each sequence
  double seconds = 0.0;                // of all

  double capacity_bytes = 0.0;  // that the engine may take: memory x utilisation
  double weights_bytes = 0.0;
  double non_kv_bytes = 0.0;
  double peak_kv_bytes = 0.0;
  DeviceMoment peak;
  /// The first token for which there was no room. The simulation went on as if there were.
  std::optional<DeviceMoment> overflow;
  double end_kv_bytes = 0.0;              // after the last step
  std::vector<OccupancyPoint> occupancy;  // of KV; weights and non-KV are always there

  CacheTraffic read_per_step;  // mean over the decoded tokens
  double weights_read_per_step = 0.0;
  LayerCompression compression;  // of all layers

  EventDetail detail = EventDetail::layers;
  std::vector<DeviceEvent> events;
  int layers_together = 1;  // simulated as one; above 1 where layer by layer would take too long
  Calibration calibration = Calibration::uncalibrated;

  double peak_bytes() const { return weights_bytes + non_kv_bytes + peak_kv_bytes; }
  double decode_mean() const;
};

/// Throws InputError where the request makes no sense, or the weights do not fit.
void check_device_replay(const DeviceReplayRequest& request);

/// Runs the policies one after another on one simulated device: a memory that processes bytes, which the
/// streams of a layer share fairly (weights, K and V, scores, compensation), and arithmetic beside it. Within
/// rounding, a step takes as long as StepTimeModel says of the same bytes. A few microseconds an event: at
/// most 200,000 layers a policy, beyond that runs of layers are simulated together. Takes this process's one
/// SimGrid engine. InputError as check_device_replay, and as DeployedCache.
std::vector<DeviceReplayResult> device_replay(
    const DeviceReplayRequest& request, const std::vector<std::shared_ptr<const ReplayFootprints>>& recorded,
    Progress& progress);

}  // namespace razorscope
