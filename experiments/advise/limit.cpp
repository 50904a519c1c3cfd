#include "experiments/advise/limit.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vector>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

struct Comparison {
  std::string_view text;
  bool at_most;
};
/// Longer ones before those that they contain.
constexpr std::array<Comparison, 17> comparisons = {{{"<=", true},
                                                     {"≤", true},
                                                     {"<", true},
                                                     {">=", false},
                                                     {"≥", false},
                                                     {">", false},
                                                     {" no more than ", true},
                                                     {" no less than ", false},
                                                     {" less than ", true},
                                                     {" more than ", false},
                                                     {" at most ", true},
                                                     {" at least ", false},
                                                     {" under ", true},
                                                     {" over ", false},
                                                     {" below ", true},
                                                     {" above ", false},
                                                     {" up to ", true}}};

struct Unit {
  std::string name;
  double factor = 1.0;
  double divisor = 1.0;  // so that 95% is exactly 0.95
};
using Units = std::vector<Unit>;

/// The first is the one that a limit is printed in.
const Units& units_of(Quantity quantity) {
  static const Units none = {{""}};
  static const Units shares = {{""}, {"%", 1.0, 100.0}};
  static const Units bytes = {{"B", 1.0},  {"", 1.0},    {"kB", 1e3},     {"KB", 1e3},     {"MB", 1e6},
                              {"GB", 1e9}, {"TB", 1e12}, {"KiB", 1024.0}, {"MiB", 0x1p20}, {"GiB", 0x1p30}};
  static const Units times = {{"ms", 1.0}, {"us", 1e-3}, {"s", 1e3}, {"min", 6e4}};
  switch (quantity) {
    case Quantity::share:
    case Quantity::ratio:
      return shares;
    case Quantity::bytes:
      return bytes;
    case Quantity::milliseconds:
      return times;
    case Quantity::number:
    case Quantity::count:
      break;
  }
  return none;
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool ends_in_unit(const Metric& metric) { return metric.name.ends_with("_ms"); }

double parse_value(std::string_view where, const Metric& metric, std::string_view text) {
  std::vector<std::string> allowed;
  for (const Unit& unit : units_of(metric.quantity)) {
    if (!unit.name.empty()) allowed.push_back(unit.name);
  }
  double number = 0.0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view rest =
      trimmed(text.substr(static_cast<size_t>(stop - text.data())));  // stop is its beginning on failure
  if (problem != std::errc() || !std::isfinite(number) || number < 0.0) {
    throw InputError(where, metric.name,
                     fmt::format("'{}' is not a number from 0{}{}", text.substr(0, 40),
                                 allowed.empty() ? "" : ", with the unit ", fmt::join(allowed, ", ")));
  }
  for (const Unit& unit : units_of(metric.quantity)) {
    if (rest != unit.name) continue;
    const double value = number * unit.factor / unit.divisor;
    if (metric.quantity == Quantity::share && value > 1.0) {
      throw InputError(where, metric.name,
                       fmt::format("{} is above 1: a share is written 0.9 or 90%", text.substr(0, 40)));
    }
    return value;
  }
  if (rest.empty() && ends_in_unit(metric)) return number;
  throw InputError(where, metric.name,
                   rest.empty()      ? fmt::format("{} needs a unit: {}", number, fmt::join(allowed, ", "))
                   : allowed.empty() ? fmt::format("'{}': a plain number is wanted", text.substr(0, 40))
                                     : fmt::format("unknown unit '{}'; allowed: {}", rest.substr(0, 40),
                                                   fmt::join(allowed, ", ")));
}

}  // namespace

Limit parse_limit(std::string_view where, std::string_view text) {
  const std::string folded = lower(text);
  for (const Comparison& comparison : comparisons) {
    const size_t at = folded.find(comparison.text);
    if (at == std::string::npos) continue;
    const Metric& metric = find_metric(where, trimmed(text.substr(0, at)));
    if (comparison.at_most != metric.smaller_is_better) {
      throw InputError(where, metric.name,
                       fmt::format("is better when it is {}: write {}{}...",
                                   metric.smaller_is_better ? "smaller" : "larger", metric.name,
                                   metric.smaller_is_better ? "<=" : ">="));
    }
    return {&metric, parse_value(where, metric, trimmed(text.substr(at + comparison.text.size())))};
  }
  throw InputError(where, fmt::format("'{}' is not a limit such as kl<=0.02, top1>=95%, kv_bytes<=4GB, "
                                      "\"p99 TTFT under 2 s\"",
                                      text.substr(0, 80)));
}

std::string to_string(const Limit& limit) {
  return fmt::format("{}{}{}{}", limit.metric->name,
                     limit.metric->smaller_is_better ? "<=" : ">=", limit.value,
                     units_of(limit.metric->quantity).front().name);
}

std::string limit_text(const Limit& limit) {
  return fmt::format("{} {} {}", limit.metric->name, limit.metric->smaller_is_better ? "at most" : "at least",
                     value_text(*limit.metric, limit.value));
}

}  // namespace razorscope
