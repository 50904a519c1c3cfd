#include "experiments/runner/rate_search.hpp"

#include <algorithm>
#include <cmath>

namespace razorscope {
namespace {

/// To four digits: rates are read, and typed again, by people.
double rounded(double rate) {
  const double unit = std::pow(10.0, std::floor(std::log10(rate)) - 3.0);
  return unit < 1.0 ? std::round(rate / unit) / std::round(1.0 / unit) : std::round(rate / unit) * unit;
}

}  // namespace

std::string_view to_string(RateOutcome outcome) {
  switch (outcome) {
    case RateOutcome::found:
      return "found";
    case RateOutcome::never:
      return "never";
    case RateOutcome::always:
      break;
  }
  return "always";
}

RateSearch::RateSearch(double wanted_share) : wanted_share_(wanted_share) {}

double RateSearch::lone_rate() const {
  return std::max(1e-6, rounded(saturated_throughput_.value_or(1.0) * lone_share));
}

RateSearch::Bracket RateSearch::bracket() const {
  Bracket bracket;
  for (const auto& [rate, share] : shares_) {
    bracket.failed = rate;
    if (!passes(share)) break;
    bracket.passed = rate;
  }
  return bracket;
}

std::vector<double> RateSearch::next_rates() const {
  if (!saturated_throughput_) return {saturating_rate};
  if (passes(shares_.at(saturating_rate))) return {};
  const double throughput = rounded(*saturated_throughput_);
  if (!is_probed(lone_rate())) return {lone_rate(), rounded(throughput / 2.0), throughput};
  const auto [passed, failed] = bracket();
  if (passed == 0.0) return {};
  if (failed == saturating_rate) {
    if (passed * 4.0 >= saturating_rate) return {};
    return {passed * 2.0, passed * 4.0};
  }
  if (passed == lone_rate() && failed > 8.0 * passed) return {rounded(failed / 4.0), rounded(failed / 2.0)};
  const double width = failed - passed;
  if (width <= tolerance * passed) return {};
  if (failed > 4.0 * passed)
    return {rounded(passed * std::cbrt(failed / passed)), rounded(failed / std::cbrt(failed / passed))};
  return {rounded(passed + width / 3.0), rounded(passed + 2.0 * width / 3.0)};
}

void RateSearch::add(double rate, double share, double throughput) {
  shares_[rate] = share;
  if (rate == saturating_rate) saturated_throughput_ = throughput;
}

RateOutcome RateSearch::outcome() const {
  if (passes(shares_.at(saturating_rate))) return RateOutcome::always;
  return bracket().passed == 0.0 ? RateOutcome::never : RateOutcome::found;
}

double RateSearch::rate() const {
  return outcome() == RateOutcome::always ? saturating_rate : bracket().passed;
}

double RateSearch::probed_rate() const {
  return outcome() == RateOutcome::never ? shares_.begin()->first : rate();
}

}  // namespace razorscope
