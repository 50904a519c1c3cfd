#include "experiments/store/device_timeline.hpp"

#include <fmt/format.h>
#include <set>

#include "experiments/store/policy_label.hpp"

namespace razorscope {
namespace {

std::string span_name(const DeviceEvent& event) {
  std::string where;
  if (event.layers == 0) {
    where = ", LM head";
  } else if (event.layer >= 0) {
    where = event.layers == 1 ? fmt::format(", layer {}", event.layer)
                              : fmt::format(", layers {}-{}", event.layer, event.layer + event.layers - 1);
  }
  const std::string whose = event.phase == DevicePhase::decode ? "" : fmt::format(" {}", event.sequence);
  return fmt::format("{}{}, token {}{}", to_string(event.phase), whose, event.token, where);
}

}  // namespace

void add_device_timeline(const DeviceReplayResult& result, ChromeTrace& trace) {
  const int process = trace.add_process(fmt::format("{} on {}", policy_label(result.policy), result.device));
  std::set<StreamKind> named;
  for (const DeviceEvent& event : result.events) {
    const auto thread = static_cast<int>(event.kind);
    if (named.insert(event.kind).second) trace.name_thread(process, thread, to_string(event.kind));
    trace.add_complete({process, thread, span_name(event), event.start, event.seconds},
                       {{"bytes", event.bytes}});
  }
  for (const OccupancyPoint& point : result.occupancy) {
    trace.add_counter(
        process, "memory", point.seconds,
        {{"weights", result.weights_bytes}, {"non-KV", result.non_kv_bytes}, {"KV", point.kv_bytes}});
  }
}

}  // namespace razorscope
