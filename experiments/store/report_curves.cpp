#include "experiments/store/report_curves.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "experiments/store/report_words.hpp"
#include "experiments/store/text_table.hpp"

namespace razorscope {
namespace {

/// The curve of a policy, added where it is new.
Curve& curve_of(CurveGroup& group, std::map<std::string, size_t>& index, const std::string& policy) {
  const auto [found, is_new] = index.try_emplace(policy, group.curves.size());
  if (is_new) group.curves.push_back({policy, {}});
  return group.curves[found->second];
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

template <typename Row>
std::vector<CurveGroup> groups_of(const std::vector<Row>& rows) {
  std::vector<CurveGroup> groups;
  std::map<std::string, size_t> index;
  std::vector<std::map<std::string, size_t>> curves;  // of each group
  for (const Row& row : rows) {
    if (!row.equal_bytes_share) continue;
    const auto [found, is_new] = index.try_emplace(subject_key(row), groups.size());
    if (is_new) {
      groups.push_back({subject_heading(row), measure_of(row), {}, {}});
      curves.emplace_back();
    }
    CurveGroup& group = groups[found->second];
    const CurvePoint figure = curve_point(row);
    put(curve_of(group, curves[found->second], row.requested_policy), figure);
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

std::string subject_key(const TradeoffRow& row) {
  return fmt::format("{}\n{}\n{}\n{}\n{}", row.model, row.model_sha256, row.trace_hash, row.prefix,
                     row.steps);
}
std::string subject_key(const ClosedLoopRow& row) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", row.model, row.model_sha256, row.text, row.text_ids,
                     row.prefix, row.steps);
}
std::string subject_key(const TaskRow& row) {
  return fmt::format("{}\n{}\n{}\n{}\n{}", row.model, row.model_sha256, row.text, row.text_ids,
                     row.settings_json);
}

std::string subject_heading(const TradeoffRow& row) {
  return fmt::format("{}; {}", subject_text(row), n_text(row));
}
std::string subject_heading(const ClosedLoopRow& row) {
  return fmt::format("{}; {}", subject_text(row), n_text(row));
}
std::string subject_heading(const TaskRow& row) {
  return fmt::format("{}; {}", subject_text(row), n_text(row));
}

CurvePoint curve_point(const TradeoffRow& row) {
  return {.share = row.equal_bytes_share.value_or(0.0), .value = row.relative_error_mean, .interval = {}};
}
CurvePoint curve_point(const ClosedLoopRow& row) {
  return {.share = row.equal_bytes_share.value_or(0.0),
          .value = row.kl_to_full.mean,
          .interval = row.kl_to_full.interval};
}
CurvePoint curve_point(const TaskRow& row) {
  return {.share = row.equal_bytes_share.value_or(0.0), .value = row.accuracy, .interval = row.interval};
}

CurveMeasure measure_of(const TradeoffRow&) {
  return {"relative error of a head's output, mean", false, true, true};
}
CurveMeasure measure_of(const ClosedLoopRow&) {
  return {"KL(full || policy) of the next token (nats)", true, true, true};
}
CurveMeasure measure_of(const TaskRow&) {
  return {"accuracy (share of questions answered)", true, false, false};
}

std::vector<CurveGroup> curve_groups(const std::vector<TradeoffRow>& rows) { return groups_of(rows); }
std::vector<CurveGroup> curve_groups(const std::vector<ClosedLoopRow>& rows) { return groups_of(rows); }

std::vector<CurveGroup> curve_groups(const std::vector<TaskRow>& rows) {
  std::vector<TaskRow> can = rows;
  std::erase_if(can, [](const TaskRow& row) { return !row.model_can; });
  return groups_of(can);
}

std::string format_curves(const std::vector<CurveGroup>& groups, TextStyle style) {
  std::string out;
  for (const CurveGroup& group : groups) {
    if (group.shares.size() < 2) continue;
    std::vector<Cells> table = {{"policy, sized to a share of full+f16's bytes"}};
    for (const double share : group.shares) table.front().push_back(share_text(share));
    for (const Curve& curve : group.curves) {
      Cells& row = table.emplace_back();
      row.push_back(policy_cell(curve.policy, style));
      for (const double share : group.shares) row.push_back(cell(group, curve, share));
    }
    out += format_heading(fmt::format("{}{}: {}", group.measure.name,
                                      group.measure.has_intervals ? " [95 % interval]" : "", group.heading),
                          style);
    out += format_table(table, style) + '\n';
  }
  return out;
}

}  // namespace razorscope
