#pragma once

#include <vector>

#include "gui/data/run_columns.hpp"

namespace razorscope::gui {

/// A run as two figures.
struct TradeoffPoint {
  size_t place = 0;  // in the snapshot
  double x = 0.0;
  double y = 0.0;
  std::optional<Interval> interval = {};  // of y
  bool on_front = false;                  // no run of the same subject beats it in both
};

/// The runs among `places` that have both figures and a subject (-1: any), by x. The front is told by the
/// rule of the database's view `pareto`, among all of these runs of a subject.
std::vector<TradeoffPoint> tradeoff_points(const Snapshot& snapshot, const std::vector<size_t>& places,
                                           int subject, const RunColumn& x, const RunColumn& y);

/// Whether a logarithmic axis shows figures upwards better: where at least half of those above 0 would lie in
/// the lowest tenth of a linear one.
bool spread_over_decades(const std::vector<TradeoffPoint>& points);

/// Subjects of which a run among `places` has both figures, those with most runs first.
std::vector<int> tradeoff_subjects(const Snapshot& snapshot, const std::vector<size_t>& places,
                                   const RunColumn& x, const RunColumn& y);

}  // namespace razorscope::gui
