#include "sim/device_replay/occupancy.hpp"

#include <algorithm>

namespace razorscope {
namespace {

constexpr size_t most_points = 2048;

}  // namespace

std::string_view to_string(DevicePhase phase) {
  switch (phase) {
    case DevicePhase::prefill:
      return "prefill";
    case DevicePhase::compression:
      return "compression";
    case DevicePhase::decode:
      return "decode";
  }
  return "";
}

void Occupancy::set(const DeviceMoment& now, double kv_bytes) {
  if (kv_bytes > peak_bytes_) {
    peak_bytes_ = kv_bytes;
    peak_ = now;
  }
  if (kv_bytes > pool_) overflow_at(now);
  latest_ = {now.seconds, kv_bytes};
  if (pending_ == 0) {
    points_.push_back(latest_);
  } else if (kv_bytes > points_.back().kv_bytes) {
    points_.back() = latest_;
  }
  pending_ = (pending_ + 1) % each_;
  if (points_.size() < most_points || pending_ != 0) return;
  // The first stays as it is; of each two others, the larger.
  size_t kept = 1;
  for (size_t i = 1; i < points_.size(); i += 2) {
    const bool second = i + 1 < points_.size() && points_[i + 1].kv_bytes > points_[i].kv_bytes;
    points_[kept++] = points_[second ? i + 1 : i];
  }
  points_.resize(kept);
  each_ *= 2;
}

void Occupancy::overflow_at(const DeviceMoment& moment) {
  if (!overflow_) overflow_ = moment;
}

std::vector<OccupancyPoint> Occupancy::points() const {
  std::vector<OccupancyPoint> all = points_;
  if (!all.empty() && (all.back().seconds != latest_.seconds || all.back().kv_bytes != latest_.kv_bytes))
    all.push_back(latest_);
  return all;
}

}  // namespace razorscope
