#include "sim/device_replay/event_log.hpp"

#include <algorithm>
#include <utility>

namespace razorscope {
namespace {

constexpr double most_events = 20000.0;
constexpr double streams_at_most = 7.0;  // that one task has

}  // namespace

std::string_view to_string(EventDetail detail) {
  switch (detail) {
    case EventDetail::layers:
      return "layers";
    case EventDetail::steps:
      return "steps";
    case EventDetail::coarse:
      return "coarse";
  }
  return "";
}

EventLog::EventLog(double steps, double layer_tasks)
    : detail_(layer_tasks * streams_at_most <= most_events ? EventDetail::layers
              : steps * streams_at_most <= most_events     ? EventDetail::steps
                                                           : EventDetail::coarse) {}

void EventLog::add(const DeviceEvent& event) {
  if (detail_ == EventDetail::layers) {
    events_.push_back(event);
    return;
  }
  DeviceEvent merged = event;
  merged.layer = -1;
  if (detail_ == EventDetail::coarse) merged.kind = StreamKind::step;
  const auto same = std::find_if(step_.begin(), step_.end(),
                                 [&](const DeviceEvent& known) { return known.kind == merged.kind; });
  if (same == step_.end()) {
    step_.push_back(merged);
    return;
  }
  const double end = std::max(same->start + same->seconds, merged.start + merged.seconds);
  same->start = std::min(same->start, merged.start);
  same->seconds = end - same->start;
  same->bytes += merged.bytes;
  same->layers += merged.layers;
}

void EventLog::end_step() {
  events_.insert(events_.end(), step_.begin(), step_.end());
  step_.clear();
}

std::vector<DeviceEvent> EventLog::take() {
  end_step();
  return std::exchange(events_, {});
}

}  // namespace razorscope
