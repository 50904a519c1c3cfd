#pragma once

#include <vector>

#include "sim/device_replay/layer_tasks.hpp"
#include "sim/device_replay/occupancy.hpp"

namespace razorscope {

/// Something that a device did.
struct DeviceEvent {
  double start = 0.0;    // seconds since the policy's first chunk began
  double seconds = 0.0;  // until its last byte or operation: streams side by side slow each other down
  DevicePhase phase = DevicePhase::prefill;
  StreamKind kind = StreamKind::weights;
  int sequence = 0;
  int token = 0;   // tokens of the sequence that are in once the step is over
  int layer = -1;  // the first of `layers`; -1: all of them, or the LM head
  int layers = 0;  // 0: the LM head
  double bytes = 0.0;
};

/// How finely events tell what happened: the finest of which 20,000 are enough.
enum class EventDetail {
  layers,  // a stream of a layer (of a run of layers, where those are simulated together)
  steps,   // a stream of a step
  coarse,  // a step
};
std::string_view to_string(EventDetail detail);

/// Collects events at one level of detail.
class EventLog {
 public:
  /// steps: chunks, compressions of a prompt and decoded tokens; layer_tasks: what they consist of.
  EventLog(double steps, double layer_tasks);

  EventDetail detail() const { return detail_; }
  /// What belongs to one step is added between two calls of this.
  void end_step();
  void add(const DeviceEvent& event);
  std::vector<DeviceEvent> take();

 private:
  EventDetail detail_;
  std::vector<DeviceEvent> events_;
  std::vector<DeviceEvent> step_;  // of the step at hand, merged
};

}  // namespace razorscope
