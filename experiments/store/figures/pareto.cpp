#include "experiments/store/figures/pareto.hpp"

#include <algorithm>
#include <iterator>
#include <map>

namespace razorscope {
namespace {

template <typename Row>
std::vector<ParetoGroup> groups_of(const std::vector<Row>& rows) {
  std::vector<ParetoGroup> groups;
  std::map<std::string, size_t> index;
  for (const Row& row : rows) {
    const auto [found, is_new] = index.try_emplace(subject_key(row), groups.size());
    const auto full =
        row.full_f16_bytes ? std::optional(static_cast<double>(*row.full_f16_bytes)) : std::nullopt;
    if (is_new) groups.push_back({subject_heading(row), measure_of(row), full, {}});
    ParetoGroup& group = groups[found->second];
    if (group.full_f16_bytes != full) group.full_f16_bytes.reset();
    const CurvePoint figure = curve_point(row);
    group.points.push_back({.run_id = row.run_id,
                            .policy = row.policy,
                            .bytes = static_cast<double>(row.physical_bytes),
                            .value = figure.value,
                            .interval = figure.interval});
  }
  for (ParetoGroup& group : groups) mark_front(group.points, group.measure.less_is_better);
  return groups;
}

}  // namespace

void mark_front(std::vector<ParetoPoint>& points, bool less_is_better) {
  const auto is_better = [less_is_better](double a, double b) { return less_is_better ? a < b : a > b; };
  std::stable_sort(points.begin(), points.end(), [&](const ParetoPoint& a, const ParetoPoint& b) {
    if (a.bytes != b.bytes) return a.bytes < b.bytes;
    return is_better(a.value, b.value);
  });
  const ParetoPoint* best = nullptr;
  size_t front = 0;
  for (ParetoPoint& point : points) {
    const bool equal = best != nullptr && point.bytes == best->bytes && point.value == best->value;
    if (best != nullptr && !equal && !is_better(point.value, best->value)) continue;
    point.front_number = ++front;
    best = &point;
  }
}

std::vector<ParetoPoint> ParetoGroup::front() const {
  std::vector<ParetoPoint> front;
  std::copy_if(points.begin(), points.end(), std::back_inserter(front),
               [](const ParetoPoint& point) { return point.on_front(); });
  return front;
}

std::vector<ParetoGroup> pareto_groups(const std::vector<TradeoffRow>& rows) { return groups_of(rows); }
std::vector<ParetoGroup> pareto_groups(const std::vector<ClosedLoopRow>& rows) { return groups_of(rows); }

std::vector<ParetoGroup> pareto_groups(const std::vector<TaskRow>& rows) {
  std::vector<TaskRow> can;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(can),
               [](const TaskRow& row) { return row.model_can; });
  return groups_of(can);
}

}  // namespace razorscope
