#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "experiments/advise/ranking.hpp"

namespace razorscope {

/// The nearest value of one limit at which another policy is the best, all else as it is.
struct LimitChange {
  Limit limit;  // as it was asked
  bool looser = false;
  /// looser: the winner needs at least so much. Tighter: from here on, short of this value, the answer is
  /// another one.
  double value = 0.0;
  std::optional<size_t> winner;  // tighter only: nothing where no policy is left
};
/// At most two a limit. The candidates are those of the ranking.
std::vector<LimitChange> limit_changes(const std::vector<Candidate>& candidates,
                                       const std::vector<Limit>& limits, const Goal& goal);

/// A candidate that better evidence could make the best.
struct EvidenceChange {
  size_t candidate = 0;
  std::vector<Limit> unmeasured = {};  // it lacks figures for these
  std::vector<Limit> undecided = {};   // it breaks these only by the end of the interval: its mean holds them
};
std::vector<EvidenceChange> evidence_changes(const std::vector<Candidate>& candidates,
                                             const std::vector<Limit>& limits, const Goal& goal);

/// A context at which the answer is another one.
struct ContextChange {
  int context = 0;                    // tokens
  std::optional<std::string> winner;  // nothing where no policy holds all limits
};
/// The nearest change below and above `context`, found among doublings within [lowest, highest] and then
/// narrowed to 2 %. best_at gives the best policy's name at a context.
std::vector<ContextChange> context_changes(const std::function<std::optional<std::string>(int)>& best_at,
                                           int context, int lowest, int highest);

}  // namespace razorscope
