#pragma once

#include <optional>
#include <vector>

#include "sim/closed_loop/bootstrap.hpp"

namespace razorscope {

/// How the interval of a difference came about.
enum class IntervalKind {
  none,      // there is none: only that the figures differ can be said
  exact,     // there is nothing that could vary: bytes, plans, simulations
  unpaired,  // from both figures' own intervals
  newcombe,  // the same of two Wilson intervals
  heads,     // 95 % t interval of the mean of the differences, query head by query head
};
const char* to_string(IntervalKind kind);

/// The interval of b - a, taken as independent: each side is the root of the sum of the squares of the sides
/// that it comes from (R. Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10, where both are
/// Wilson intervals of shares; Zou and Donner, 27 (2008) 1693-1702, of any).
Interval difference_interval(double a, const Interval& of_a, double b, const Interval& of_b);

/// The 95 % interval of the mean by Student's t; nothing of fewer than two values.
std::optional<Interval> mean_interval(const std::vector<double>& values);

/// A figure of two runs.
struct FigureDifference {
  const char* figure = "";  // by the name that the database gives it
  double a = 0.0;
  double b = 0.0;
  IntervalKind kind = IntervalKind::none;
  std::optional<Interval> interval = {};  // of b - a

  double difference() const { return b - a; }
  /// Whether the figures differ by more than their interval; without one, at all. What may be rounding, less
  /// than a millionth (of exact figures, 1e-12) of the larger one, is no change.
  bool changed() const;
};

}  // namespace razorscope
