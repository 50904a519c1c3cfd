#pragma once

#include <string>
#include <vector>

#include "experiments/advise/candidate.hpp"
#include "experiments/advise/limit.hpp"

namespace razorscope {

/// What the best policy has most (or least) of.
struct Goal {
  std::string name;                // as --goal has it
  const Metric* metric = nullptr;  // of metrics()
  std::string meaning;             // for people
};
/// bytes, latency, throughput or batch; with a load, latency and throughput are those of serving it. "": the
/// default. InputError(where) with the allowed ones.
Goal find_goal(std::string_view where, const std::string& name, bool with_load);

/// How a candidate stands to the limits.
struct Standing {
  std::vector<Limit> broken;      // measured, and not held by the end of the interval that decides
  std::vector<Limit> unmeasured;  // no figure

  bool within() const { return broken.empty() && unmeasured.empty(); }
};
Standing standing(const Candidate& candidate, const std::vector<Limit>& limits);

/// Candidates by index.
struct Ranking {
  std::vector<size_t> within;        // hold all limits; the best first
  std::vector<size_t> rejected;      // cannot run here, or break a limit; those that would rank high first
  std::vector<size_t> not_measured;  // break none, but lack a figure that a limit needs; likewise

  bool empty() const { return within.empty(); }
};
Ranking rank(const std::vector<Candidate>& candidates, const std::vector<Limit>& limits, const Goal& goal);

/// Whether a is better for the goal. Values within about 1 % count as equal: then the smaller KL is better
/// (unmeasured is worst), then fewer bytes, then the name. A candidate without the goal's figure is last.
bool is_better(const Candidate& a, const Candidate& b, const Goal& goal);

/// Whether a and b are equal for the goal in that sense.
bool is_tie(const Candidate& a, const Candidate& b, const Goal& goal);

/// By how much a figure misses a limit, relative to it (to 1 where it is 0).
double excess(const Limit& limit, const CandidateFigure& figure);

/// The limit that the fewest candidates hold, of those that any breaks; null where there is none.
const Limit* hardest_limit(const std::vector<Candidate>& candidates, const std::vector<Limit>& limits);
/// Of those that can run here and break a limit, the candidate whose worst excess is smallest.
std::optional<size_t> closest(const std::vector<Candidate>& candidates, const std::vector<Limit>& limits);

}  // namespace razorscope
