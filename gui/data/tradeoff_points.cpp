#include "gui/data/tradeoff_points.hpp"

#include <algorithm>
#include <map>

#include "experiments/store/figures/pareto.hpp"

namespace razorscope::gui {
namespace {

/// Marks the front of each subject. Where more of x is better, as of compression, it is turned round.
void mark_fronts(const Snapshot& snapshot, std::vector<TradeoffPoint>& points, const RunColumn& x,
                 const RunColumn& y) {
  std::map<int, std::vector<ParetoPoint>> by_subject;
  for (size_t i = 0; i < points.size(); ++i) {
    ParetoPoint point;
    point.run_id = static_cast<int64_t>(i);
    point.bytes = x.less_is_better ? points[i].x : -points[i].x;
    point.value = points[i].y;
    by_subject[snapshot.runs[points[i].place].subject].push_back(point);
  }
  for (auto& [subject, members] : by_subject) {
    mark_front(members, y.less_is_better);
    for (const ParetoPoint& point : members)
      points[static_cast<size_t>(point.run_id)].on_front = point.on_front();
  }
}

}  // namespace

std::vector<TradeoffPoint> tradeoff_points(const Snapshot& snapshot, const std::vector<size_t>& places,
                                           int subject, const RunColumn& x, const RunColumn& y) {
  std::vector<TradeoffPoint> points;
  for (const size_t place : places) {
    const Run& run = snapshot.runs[place];
    if (run.subject < 0 || (subject >= 0 && run.subject != subject)) continue;
    const auto across = x.number(snapshot, run);
    const auto up = y.number(snapshot, run);
    if (!across || !up) continue;
    TradeoffPoint& point = points.emplace_back(TradeoffPoint{place, *across, *up});
    if (y.interval != nullptr) point.interval = y.interval(snapshot, run);
  }
  std::stable_sort(points.begin(), points.end(),
                   [](const TradeoffPoint& a, const TradeoffPoint& b) { return a.x < b.x; });
  mark_fronts(snapshot, points, x, y);
  return points;
}

bool spread_over_decades(const std::vector<TradeoffPoint>& points) {
  std::vector<double> figures;
  for (const TradeoffPoint& point : points) {
    if (point.y > 0.0) figures.push_back(point.y);
  }
  if (figures.empty()) return false;
  std::sort(figures.begin(), figures.end());
  return figures[(figures.size() - 1) / 2] < 0.1 * figures.back();
}

std::vector<int> tradeoff_subjects(const Snapshot& snapshot, const std::vector<size_t>& places,
                                   const RunColumn& x, const RunColumn& y) {
  std::vector<size_t> runs(snapshot.subjects.size(), 0);
  for (const size_t place : places) {
    const Run& run = snapshot.runs[place];
    if (run.subject >= 0 && x.number(snapshot, run) && y.number(snapshot, run))
      ++runs[static_cast<size_t>(run.subject)];
  }
  std::vector<int> subjects;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i] > 0) subjects.push_back(static_cast<int>(i));
  }
  std::stable_sort(subjects.begin(), subjects.end(),
                   [&](int a, int b) { return runs[static_cast<size_t>(a)] > runs[static_cast<size_t>(b)]; });
  return subjects;
}

}  // namespace razorscope::gui
