#include "experiments/advise/sensitivity.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace razorscope {
namespace {

std::optional<size_t> best_of(const std::vector<Candidate>& candidates, const std::vector<Limit>& limits,
                              const Goal& goal) {
  const Ranking ranking = rank(candidates, limits, goal);
  return ranking.empty() ? std::nullopt : std::optional(ranking.within.front());
}

/// A value that only just excludes `value`.
double tighter_than(const Limit& limit, double value) {
  const double infinity = std::numeric_limits<double>::infinity();
  return std::nextafter(value, limit.metric->smaller_is_better ? -infinity : infinity);
}

/// The figures that a limit is held against and that break it, the nearest first.
std::vector<double> values_beyond(const std::vector<Candidate>& candidates, const Limit& limit) {
  std::set<double> values;
  for (const Candidate& candidate : candidates) {
    const CandidateFigure* figure = candidate.figure(*limit.metric);
    if (figure == nullptr || !std::isfinite(figure->decisive(*limit.metric))) continue;
    if (!limit.holds(figure->decisive(*limit.metric))) values.insert(figure->decisive(*limit.metric));
  }
  std::vector<double> out(values.begin(), values.end());
  if (!limit.metric->smaller_is_better) std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

std::vector<LimitChange> limit_changes(const std::vector<Candidate>& candidates,
                                       const std::vector<Limit>& limits, const Goal& goal) {
  const std::optional<size_t> best = best_of(candidates, limits, goal);
  std::vector<LimitChange> changes;
  for (size_t i = 0; i < limits.size(); ++i) {
    std::vector<Limit> changed = limits;
    for (const double value : values_beyond(candidates, limits[i])) {
      changed[i].value = value;
      const std::optional<size_t> winner = best_of(candidates, changed, goal);
      if (winner == best) continue;
      changes.push_back({limits[i], true, value, winner});
      break;
    }
    if (!best) continue;
    const double needed = candidates[*best].figure(*limits[i].metric)->decisive(*limits[i].metric);
    changed[i].value = tighter_than(limits[i], needed);
    changes.push_back({limits[i], false, needed, best_of(candidates, changed, goal)});
  }
  return changes;
}

std::vector<EvidenceChange> evidence_changes(const std::vector<Candidate>& candidates,
                                             const std::vector<Limit>& limits, const Goal& goal) {
  const std::optional<size_t> best = best_of(candidates, limits, goal);
  const Ranking ranking = rank(candidates, limits, goal);
  std::vector<EvidenceChange> changes;
  const auto consider = [&](size_t i) {
    const Candidate& candidate = candidates[i];
    if (!candidate.refusal.empty() || (best && !is_better(candidate, candidates[*best], goal))) return;
    const Standing stands = standing(candidate, limits);
    const bool only_by_interval =
        std::all_of(stands.broken.begin(), stands.broken.end(),
                    [&](const Limit& limit) { return limit.holds(candidate.figure(*limit.metric)->value); });
    if (only_by_interval) changes.push_back({i, stands.unmeasured, stands.broken});
  };
  for (const size_t i : ranking.rejected) consider(i);
  for (const size_t i : ranking.not_measured) consider(i);
  return changes;
}

std::vector<ContextChange> context_changes(const std::function<std::optional<std::string>(int)>& best_at,
                                           int context, int lowest, int highest) {
  const std::optional<std::string> here = best_at(context);
  std::vector<ContextChange> changes;
  const auto search = [&](double factor) {
    int same = context;
    while (true) {
      const auto next = static_cast<int>(std::clamp(std::round(same * factor), 1.0 * lowest, 1.0 * highest));
      if (next == same) return;
      std::optional<std::string> winner = best_at(next);
      if (winner == here) {
        same = next;
        continue;
      }
      int other = next;
      while (std::abs(other - same) > std::max(1, std::min(other, same) / 50)) {
        const int middle = same + (other - same) / 2;
        std::optional<std::string> between = best_at(middle);
        if (between == here) {
          same = middle;
        } else {
          other = middle;
          winner = std::move(between);
        }
      }
      changes.push_back({other, std::move(winner)});
      return;
    }
  };
  search(0.5);
  search(2.0);
  return changes;
}

}  // namespace razorscope
