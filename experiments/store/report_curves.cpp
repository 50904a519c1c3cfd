#include "experiments/store/report_curves.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "experiments/store/report_words.hpp"
#include "experiments/store/text_table.hpp"

namespace razorscope {
namespace {

constexpr CurveMeasure error_measure = {"relative error of a head's output, mean", false, true};
constexpr CurveMeasure kl_measure = {"KL(full || policy) of the next token (nats)", true, true};
constexpr CurveMeasure accuracy_measure = {"accuracy (share of questions answered)", true, false};

Curve& curve_of(CurveGroup& group, const std::string& policy) {
  const auto found = std::find_if(group.curves.begin(), group.curves.end(),
                                  [&](const Curve& curve) { return curve.policy == policy; });
  if (found != group.curves.end()) return *found;
  group.curves.push_back({policy, {}});
  return group.curves.back();
}

/// A later run at the same share takes the place of an earlier one.
void put(Curve& curve, const CurvePoint& point) {
  const auto at = std::find_if(curve.points.begin(), curve.points.end(),
                               [&](const CurvePoint& p) { return p.share <= point.share; });
  if (at != curve.points.end() && at->share == point.share) {
    *at = point;
  } else {
    curve.points.insert(at, point);
  }
}

/// `key` tells groups apart, `point` gives a row's figure.
template <typename Row, typename Key, typename Point>
std::vector<CurveGroup> group_curves(const std::vector<Row>& rows, const CurveMeasure& measure,
                                     const Key& key, const Point& point) {
  std::vector<CurveGroup> groups;
  std::map<std::string, size_t> index;
  for (const Row& row : rows) {
    if (!row.equal_bytes_share) continue;
    const auto [found, is_new] = index.try_emplace(key(row), groups.size());
    if (is_new) groups.push_back({fmt::format("{}; {}", subject_text(row), n_text(row)), measure, {}, {}});
    CurveGroup& group = groups[found->second];
    CurvePoint figure = point(row);
    figure.share = *row.equal_bytes_share;
    put(curve_of(group, row.requested_policy), figure);
    group.shares.push_back(figure.share);
  }
  for (CurveGroup& group : groups) {
    std::sort(group.shares.rbegin(), group.shares.rend());
    group.shares.erase(std::unique(group.shares.begin(), group.shares.end()), group.shares.end());
  }
  return groups;
}

std::string cell(const CurveGroup& group, const Curve& curve, double share) {
  const auto found = std::find_if(curve.points.begin(), curve.points.end(),
                                  [&](const CurvePoint& point) { return point.share == share; });
  if (found == curve.points.end()) return "-";
  if (!group.measure.has_intervals) return figure_text(found->value);
  if (group.measure.logarithmic)
    return fmt::format("{} {}", figure_text(found->value), figure_interval_text(found->interval));
  return fmt::format("{:.3f} {}", found->value, interval_text(found->interval, 3));
}

}  // namespace

std::vector<CurveGroup> curve_groups(const std::vector<TradeoffRow>& rows) {
  return group_curves(
      rows, error_measure,
      [](const TradeoffRow& row) {
        return fmt::format("{}\n{}\n{}\n{}\n{}", row.model, row.model_sha256, row.trace_hash, row.prefix,
                           row.steps);
      },
      [](const TradeoffRow& row) {
        return CurvePoint{.share = 0.0, .value = row.relative_error_mean, .interval = std::nullopt};
      });
}

std::vector<CurveGroup> curve_groups(const std::vector<ClosedLoopRow>& rows) {
  return group_curves(
      rows, kl_measure,
      [](const ClosedLoopRow& row) {
        return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", row.model, row.model_sha256, row.text, row.text_ids,
                           row.prefix, row.steps);
      },
      [](const ClosedLoopRow& row) {
        return CurvePoint{.share = 0.0, .value = row.kl_to_full.mean, .interval = row.kl_to_full.interval};
      });
}

std::vector<CurveGroup> curve_groups(const std::vector<TaskRow>& rows) {
  std::vector<TaskRow> can = rows;
  std::erase_if(can, [](const TaskRow& row) { return !row.model_can; });
  return group_curves(
      can, accuracy_measure,
      [](const TaskRow& row) {
        return fmt::format("{}\n{}\n{}\n{}\n{}", row.model, row.model_sha256, row.text, row.text_ids,
                           row.settings_json);
      },
      [](const TaskRow& row) {
        return CurvePoint{.share = 0.0, .value = row.accuracy, .interval = row.interval};
      });
}

std::string format_curves(const std::vector<CurveGroup>& groups, bool markdown) {
  std::string out;
  for (const CurveGroup& group : groups) {
    if (group.shares.size() < 2) continue;
    std::vector<Cells> table = {{"policy, sized to a share of full+f16's bytes"}};
    for (const double share : group.shares) table.front().push_back(share_text(share));
    for (const Curve& curve : group.curves) {
      Cells& row = table.emplace_back();
      row.push_back(policy_cell(curve.policy, markdown));
      for (const double share : group.shares) row.push_back(cell(group, curve, share));
    }
    out += format_heading(fmt::format("{}{}: {}", group.measure.name,
                                      group.measure.has_intervals ? " [95 % interval]" : "", group.heading),
                          markdown);
    out += format_table(table, markdown) + '\n';
  }
  return out;
}

}  // namespace razorscope
