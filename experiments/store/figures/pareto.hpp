#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiments/store/report_curves.hpp"

namespace razorscope {

/// A run as a trade-off of bytes against a figure.
struct ParetoPoint {
  int64_t run_id = 0;
  std::string policy;  // as it ran
  double bytes = 0.0;  // physical, right after the prefix was compressed
  double value = 0.0;
  std::optional<Interval> interval;
  size_t front_number = 0;  // from 1, by bytes; 0: not on the front

  bool on_front() const { return front_number > 0; }
};

/// Sorts points by bytes, then the better value first, and numbers those on the front: where no other has at
/// most as many bytes and a value at least as good, one of them better.
void mark_front(std::vector<ParetoPoint>& points, bool less_is_better);

/// Runs of one model on one text: they may differ in policy and size. The front is that of the
/// database's view pareto.
struct ParetoGroup {
  std::string heading;
  CurveMeasure measure = {};             // that is logarithmic: less is better; else more
  std::optional<double> full_f16_bytes;  // where all runs know it, and agree
  std::vector<ParetoPoint> points;       // by bytes, then the better figure first

  std::vector<ParetoPoint> front() const;
};

/// Figures as those of curve_groups.
std::vector<ParetoGroup> pareto_groups(const std::vector<TradeoffRow>& rows);
std::vector<ParetoGroup> pareto_groups(const std::vector<ClosedLoopRow>& rows);
std::vector<ParetoGroup> pareto_groups(const std::vector<TaskRow>& rows);

}  // namespace razorscope
