#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace razorscope {

enum class DevicePhase { prefill, compression, decode };
std::string_view to_string(DevicePhase phase);

/// Where a simulation is.
struct DeviceMoment {
  double seconds = 0.0;  // since the policy's first chunk began
  DevicePhase phase = DevicePhase::prefill;
  int sequence = 0;  // whose prompt it is; while all decode, 0
  int token = 0;     // tokens of a sequence that are in, prompt and decoded ones
  int layer = -1;    // that is compressed; -1: not while a layer is compressed
};

struct OccupancyPoint {
  double seconds = 0.0;
  double kv_bytes = 0.0;  // from then on
};

/// KV bytes in a device's memory over time. Memory has no end here: what exceeds the pool is noted, and the
/// simulation goes on.
class Occupancy {
 public:
  explicit Occupancy(double pool_bytes) : pool_(pool_bytes) {}

  void set(const DeviceMoment& now, double kv_bytes);
  /// The moment of the first bytes beyond the pool, where the caller knows it better than by the next set().
  void overflow_at(const DeviceMoment& moment);

  bool has_overflowed() const { return overflow_.has_value(); }
  double pool() const { return pool_; }
  double peak_bytes() const { return peak_bytes_; }
  const DeviceMoment& peak() const { return peak_; }
  const std::optional<DeviceMoment>& overflow() const { return overflow_; }
  /// At most 2048 points: of neighbours that were merged, the larger. The first, the largest and the last are
  /// always there.
  std::vector<OccupancyPoint> points() const;

 private:
  double pool_;
  double peak_bytes_ = -1.0;
  DeviceMoment peak_;
  std::optional<DeviceMoment> overflow_;
  OccupancyPoint latest_;
  std::vector<OccupancyPoint> points_;
  size_t each_ = 1;     // points that one stands for
  size_t pending_ = 0;  // of them, seen
};

}  // namespace razorscope
