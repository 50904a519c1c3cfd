#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace razorscope {

/// Of a list of values; zeros where it is empty. Percentiles lie linearly between ranks.
struct Percentiles {
  double mean = 0.0;
  double p50 = 0.0;
  double p90 = 0.0;
  double p99 = 0.0;
  double max = 0.0;
};
/// Reorders the values.
Percentiles percentiles(std::vector<float>& values);

/// What a request must not exceed to count as served well; absent: no limit. Seconds.
struct ServiceLevel {
  std::optional<double> ttft;
  std::optional<double> tpot;
  std::optional<double> e2e;
  bool empty() const { return !ttft && !tpot && !e2e; }
};
/// "ttft=2s,tpot=50ms,e2e=1min"; InputError(--slo) with what is allowed.
ServiceLevel parse_service_level(const std::string& text);
std::string to_string(const ServiceLevel& level);

/// One request's times, in seconds since the workload began.
struct RequestRecord {
  double arrival = 0.0;
  double first_token = 0.0;
  double last_token = 0.0;
  int input_tokens = 0;
  int output_tokens = 0;
  int preemptions = 0;
  bool completed = false;

  double ttft() const { return first_token - arrival; }
  double e2e() const { return last_token - arrival; }
  /// Mean seconds a token after the first; nothing where there is only one.
  std::optional<double> tpot() const {
    if (output_tokens < 2) return std::nullopt;
    return (last_token - first_token) / (output_tokens - 1);
  }
  bool meets(const ServiceLevel& level) const;
};

/// How one limit of a service level was kept.
struct LimitReport {
  std::string name;              // ttft, tpot, e2e
  double limit = 0.0;            // seconds
  double share = 0.0;            // of all requests that were within it
  std::optional<double> needed;  // the limit that the wanted share would keep; nothing: too few completed
};
/// One for each limit of the level. A request of one token keeps any tpot.
std::vector<LimitReport> limit_reports(const std::vector<RequestRecord>& records, const ServiceLevel& level,
                                       double wanted_share);

/// The state of all engines at a moment.
struct TimelinePoint {
  double time = 0.0;  // seconds
  int running = 0;
  int waiting = 0;
  double kv_use = 0.0;        // share of the pools that sequences hold
  int64_t preemptions = 0;    // so far
  int64_t output_tokens = 0;  // so far
  int64_t prompt_tokens = 0;  // so far
};

/// A bounded record of a run of unknown length: points at even distances, of which every other one is
/// forgotten whenever there are too many.
class Timeline {
 public:
  static constexpr size_t most_points = 4096;

  /// Whether a point at this time would be kept.
  bool wants(double time) const { return time >= next_; }
  void add(const TimelinePoint& point);
  const std::vector<TimelinePoint>& points() const { return points_; }

 private:
  std::vector<TimelinePoint> points_;
  double interval_ = 0.05;
  double next_ = 0.0;
};

}  // namespace razorscope
