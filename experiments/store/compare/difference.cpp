#include "experiments/store/compare/difference.hpp"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

namespace razorscope {

const char* to_string(IntervalKind kind) {
  switch (kind) {
    case IntervalKind::exact:
      return "exact";
    case IntervalKind::unpaired:
      return "unpaired";
    case IntervalKind::newcombe:
      return "Newcombe";
    case IntervalKind::heads:
      return "paired heads";
    case IntervalKind::none:
      break;
  }
  return "none";
}

Interval difference_interval(double a, const Interval& of_a, double b, const Interval& of_b) {
  return {b - a - std::hypot(b - of_b.low, of_a.high - a), b - a + std::hypot(of_b.high - b, a - of_a.low)};
}

std::optional<Interval> mean_interval(const std::vector<double>& values) {
  if (values.size() < 2) return std::nullopt;
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const boost::math::students_t distribution(n - 1.0);
  const double half = boost::math::quantile(distribution, 0.975) * std::sqrt(squares / (n - 1.0) / n);
  return Interval{mean - half, mean + half};
}

bool FigureDifference::changed() const {
  const double rounding = (kind == IntervalKind::exact ? 1e-12 : 1e-6) * std::max(std::abs(a), std::abs(b));
  if (std::abs(difference()) <= rounding) return false;
  return !interval || interval->low > 0.0 || interval->high < 0.0;
}

}  // namespace razorscope
