#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "models/base/progress.hpp"
#include "models/trace/trace.hpp"
#include "sim/device_replay/device_replay.hpp"
#include "sim/replay/replay.hpp"

namespace CLI {
class App;
}

namespace razorscope::cli {

/// What `replay` says about a device that the recorded caches are put on.
struct DeviceReplayOptions {
  std::string device;  // "": none
  std::string shape;   // --as; "": the trace's own
  std::string weights = "bf16";
  std::string engine = "vllm";
  std::optional<int> token_budget;     // else the engine's
  std::optional<double> utilisation;   // else the engine's
  std::optional<double> non_kv_bytes;  // else the engine's
  int sequences = 1;
  int context = 0;
  std::string chrome_trace;
};
void add_device_replay_options(CLI::App& command, DeviceReplayOptions& options);

/// Nothing where no device is named. InputError where the options make no sense on the trace.
std::optional<DeviceReplayRequest> device_replay_request(const DeviceReplayOptions& options,
                                                         const Trace& trace);

/// The policies of a replay on the device, and the Chrome trace, if one is wanted.
std::vector<DeviceReplayResult> run_on_device(const DeviceReplayRequest& request,
                                              const std::vector<ReplayResult>& replayed,
                                              const std::string& chrome_trace, Progress& progress);

/// What was scaled from the recording, and what is not measured: lines that must stand below figures.
std::vector<std::string> device_replay_notes(const DeviceReplayRequest& request, const Trace& trace,
                                             int prefix, const std::vector<DeviceReplayResult>& results);

nlohmann::json device_replay_json(const DeviceReplayResult& result, const std::vector<std::string>& notes);
void print_device_replay(const std::vector<DeviceReplayResult>& results,
                         const std::vector<std::string>& notes);

}  // namespace razorscope::cli
