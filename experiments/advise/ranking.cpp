#include "experiments/advise/ranking.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Steps of 1 %, smaller is better: a pure function of the figure, so that the order is one.
double goal_step(const Candidate& candidate, const Goal& goal) {
  const CandidateFigure* figure = candidate.figure(*goal.metric);
  if (figure == nullptr || !std::isfinite(figure->value)) return infinity;
  const double sign = goal.metric->smaller_is_better ? 1.0 : -1.0;
  if (figure->value <= 0.0) return -sign * 1e9;
  return sign * std::round(std::log(figure->value) / std::log(1.01));
}

double figure_or_worst(const Candidate& candidate, const char* name) {
  const Metric& metric = find_metric("ranking", name);
  const CandidateFigure* figure = candidate.figure(metric);
  return figure == nullptr ? infinity : figure->decisive(metric);
}

auto order_of(const Candidate& candidate, const Goal& goal) {
  return std::make_tuple(goal_step(candidate, goal), figure_or_worst(candidate, "kl"),
                         figure_or_worst(candidate, "kv_bytes"), candidate.policy);
}

}  // namespace

Goal find_goal(std::string_view where, const std::string& name, bool with_load) {
  const std::string chosen = !name.empty() ? name : with_load ? "throughput" : "bytes";
  const auto goal = [&](const char* metric, const char* meaning) {
    return Goal{chosen, &find_metric(where, metric), meaning};
  };
  if (chosen == "bytes") return goal("kv_bytes", "the smallest cache of a sequence");
  if (chosen == "batch") return goal("max_batch", "the most sequences in memory together");
  if (chosen == "latency") {
    return with_load ? goal("e2e_p99", "the shortest p99 of a request's whole time under the load")
                     : goal("decode_ms", "the shortest decode step of the batch");
  }
  if (chosen == "throughput") {
    return with_load ? goal("token_rate", "the most output tokens a second under the load")
                     : goal("tokens_per_second", "the most output tokens a second of a full device");
  }
  throw InputError(where, unknown_name("goal", chosen, {"bytes", "latency", "throughput", "batch"}));
}

Standing standing(const Candidate& candidate, const std::vector<Limit>& limits) {
  Standing out;
  for (const Limit& limit : limits) {
    const CandidateFigure* figure = candidate.figure(*limit.metric);
    if (figure == nullptr || std::isnan(figure->decisive(*limit.metric))) {
      out.unmeasured.push_back(limit);
    } else if (!limit.holds(figure->decisive(*limit.metric))) {
      out.broken.push_back(limit);
    }
  }
  return out;
}

bool is_better(const Candidate& a, const Candidate& b, const Goal& goal) {
  return order_of(a, goal) < order_of(b, goal);
}

bool is_tie(const Candidate& a, const Candidate& b, const Goal& goal) {
  return goal_step(a, goal) == goal_step(b, goal);
}

Ranking rank(const std::vector<Candidate>& candidates, const std::vector<Limit>& limits, const Goal& goal) {
  std::vector<size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return is_better(candidates[a], candidates[b], goal); });
  Ranking ranking;
  for (const size_t i : order) {
    const Standing stands = standing(candidates[i], limits);
    if (!candidates[i].refusal.empty() || !stands.broken.empty()) {
      ranking.rejected.push_back(i);
    } else if (!stands.unmeasured.empty()) {
      ranking.not_measured.push_back(i);
    } else {
      ranking.within.push_back(i);
    }
  }
  return ranking;
}

double excess(const Limit& limit, const CandidateFigure& figure) {
  return std::abs(figure.decisive(*limit.metric) - limit.value) / (limit.value > 0.0 ? limit.value : 1.0);
}

const Limit* hardest_limit(const std::vector<Candidate>& candidates, const std::vector<Limit>& limits) {
  const Limit* hardest = nullptr;
  size_t fewest = std::numeric_limits<size_t>::max();
  for (const Limit& limit : limits) {
    size_t measured = 0;
    size_t holding = 0;
    for (const Candidate& candidate : candidates) {
      const Standing stands = standing(candidate, {limit});
      if (!candidate.refusal.empty() || !stands.unmeasured.empty()) continue;
      ++measured;
      holding += stands.within() ? 1 : 0;
    }
    if (holding == measured || holding >= fewest) continue;
    fewest = holding;
    hardest = &limit;
  }
  return hardest;
}

std::optional<size_t> closest(const std::vector<Candidate>& candidates, const std::vector<Limit>& limits) {
  std::optional<size_t> best;
  double smallest = infinity;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Standing stands = standing(candidates[i], limits);
    if (!candidates[i].refusal.empty() || stands.broken.empty() || !stands.unmeasured.empty()) continue;
    double worst = 0.0;
    for (const Limit& limit : stands.broken)
      worst = std::max(worst, excess(limit, *candidates[i].figure(*limit.metric)));
    if (worst >= smallest) continue;
    smallest = worst;
    best = i;
  }
  return best;
}

}  // namespace razorscope
