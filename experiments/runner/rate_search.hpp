#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace razorscope {

/// What a search for the highest rate within a service level came to.
///   found:  the rate, to RateSearch::tolerance
///   never:  too few requests meet the level even where each is served alone
///   always: enough do even where all arrive at once: the workload is too short to saturate what serves it
enum class RateOutcome { found, never, always };
std::string_view to_string(RateOutcome outcome);

/// Finds the highest request rate at which a wanted share of requests meets a service level: from what a
/// saturated run completes a second, up or down by halves and doubles to a bracket, which two probes at a
/// time then cut in three. Knows nothing of how a probe is made.
///
/// Contract. next_rates(); add() for each of them, in any order; and so on until there are none. Which rates
/// are asked for depends on nothing but what was added, so that a search can be repeated. The share is taken
/// to fall with the rate; where it does not, the answer is the highest rate below which no probe failed.
class RateSearch {
 public:
  static constexpr double tolerance = 0.02;       // of the rate
  static constexpr double saturating_rate = 1e6;  // requests/s: as good as all at once
  static constexpr double lone_share = 1e-4;      // of the saturated throughput: each request is alone
  static constexpr int typical_probes = 12;       // for a word about the time left

  /// wanted_share: of all requests, above 0, at most 1.
  explicit RateSearch(double wanted_share);

  /// Requests/s to be probed now, ascending; none when the search is over.
  std::vector<double> next_rates() const;
  /// share: of requests that met the level; throughput: completed requests/s.
  void add(double rate, double share, double throughput);

  /// Of a search that is over.
  RateOutcome outcome() const;
  /// found: the answer; never: 0; always: the highest rate tried.
  double rate() const;
  /// The probe to look at: the one at rate(), of `never` the lowest.
  double probed_rate() const;
  /// Whether the answer exceeds what the saturated run completed a second: the requests are over before a
  /// queue has built up, so that a longer workload would give less.
  bool exceeds_throughput() const {
    return outcome() == RateOutcome::found && saturated_throughput_ && rate() > *saturated_throughput_;
  }

 private:
  struct Bracket {
    double passed = 0.0;  // requests/s
    double failed = 0.0;
  };
  bool passes(double share) const { return share >= wanted_share_; }
  bool is_probed(double rate) const { return shares_.contains(rate); }
  Bracket bracket() const;
  double lone_rate() const;

  double wanted_share_;
  std::map<double, double> shares_;             // by rate
  std::optional<double> saturated_throughput_;  // requests/s
};

}  // namespace razorscope
