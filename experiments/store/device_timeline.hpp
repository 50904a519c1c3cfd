#pragma once

#include "experiments/store/chrome_trace.hpp"
#include "sim/device_replay/device_replay.hpp"

namespace razorscope {

/// Adds a policy's timeline on a device: a process with a thread for each kind of stream, since those run
/// side by side, and the occupancy of its memory.
void add_device_timeline(const DeviceReplayResult& result, ChromeTrace& trace);

}  // namespace razorscope
