#include "policies/parameter.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdexcept>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

/// The whole text as a finite number, or throws std::invalid_argument.
double parse_real(std::string_view text) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw std::invalid_argument(fmt::format("'{}' is not a number", text.substr(0, 40)));
  }
  return value;
}

int64_t parse_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    throw std::invalid_argument(fmt::format("'{}' is not an integer", text.substr(0, 40)));
  }
  return value;
}

void check_range(const Parameter& parameter, double value) {
  if (value < parameter.lowest || value > parameter.highest) {
    throw std::invalid_argument(
        fmt::format("{} is out of range; allowed: {} to {}", value, parameter.lowest, parameter.highest));
  }
}

/// The canonical text of a value, or std::invalid_argument.
std::string canonical(const Parameter& parameter, const std::string& text) {
  switch (parameter.kind) {
    case ParameterKind::integer: {
      const int64_t value = parse_integer(text);
      check_range(parameter, static_cast<double>(value));
      return fmt::to_string(value);
    }
    case ParameterKind::real: {
      const double value = parse_real(text);
      check_range(parameter, value);
      return fmt::format("{}", value + 0.0);  // -0 is 0
    }
    case ParameterKind::choice:
      if (std::find(parameter.choices.begin(), parameter.choices.end(), text) == parameter.choices.end()) {
        throw std::invalid_argument(unknown_name("value", text, parameter.choices));
      }
      return text;
    case ParameterKind::budget:
      return format_budget(parse_budget(text));
    case ParameterKind::file:
      if (text.empty()) throw std::invalid_argument("an empty file name");
      return text;
    case ParameterKind::text:
      if (text.empty()) throw std::invalid_argument("is empty");
      return text;
  }
  return text;
}

bool contains(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool applies(const Parameter& parameter, std::string_view variant, const ParameterValues& values) {
  if (!parameter.variants.empty() && !contains(parameter.variants, variant)) return false;
  if (!parameter.excluded_by.empty() && values.has(parameter.excluded_by)) return false;
  if (parameter.needs_parameter.empty()) return true;
  return values.has(parameter.needs_parameter) &&
         contains(parameter.needs_values, values.text(parameter.needs_parameter));
}

/// Why a declared parameter does not apply beside the values so far.
std::string why_not(const Parameter& parameter, std::string_view variant, const ParameterValues& values) {
  if (!parameter.variants.empty() && !contains(parameter.variants, variant)) {
    return fmt::format("belongs to the variants {} only", fmt::join(parameter.variants, ", "));
  }
  if (!parameter.excluded_by.empty() && values.has(parameter.excluded_by)) {
    return fmt::format("cannot stand beside {}: give one of them", parameter.excluded_by);
  }
  return fmt::format("is used only where {} is {}", parameter.needs_parameter,
                     fmt::join(parameter.needs_values, " or "));
}

}  // namespace

int ParameterValues::integer(const std::string& name) const {
  return static_cast<int>(parse_integer(text(name)));
}
double ParameterValues::real(const std::string& name) const { return parse_real(text(name)); }

std::vector<const Parameter*> applicable_parameters(std::string_view variant,
                                                    const std::vector<Parameter>& declared,
                                                    const ParameterValues& values) {
  std::vector<const Parameter*> out;
  for (const Parameter& parameter : declared) {
    if (applies(parameter, variant, values) && values.has(parameter.name)) out.push_back(&parameter);
  }
  return out;
}

ParameterValues complete_parameters(std::string_view where, std::string_view owner, std::string_view variant,
                                    const std::vector<Parameter>& declared,
                                    const std::vector<std::pair<std::string, std::string>>& given) {
  const auto fail = [&](const std::string& key, const std::string& problem) {
    throw InputError(where, fmt::format("{}: {}", owner, key.substr(0, 80)),
                     problem.substr(0, 800));  // either may be garbage
  };
  std::vector<std::string> names;
  for (const Parameter& parameter : declared) {
    if (!contains(names, parameter.name)) names.push_back(parameter.name);
  }
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string& key = given[i].first;
    if (names.empty()) fail(key, fmt::format("{} has no parameters", owner));
    if (!contains(names, key)) fail(key, unknown_name("parameter", key, names));
    for (size_t j = 0; j < i; ++j) {
      if (given[j].first == key) fail(key, "is given twice");
    }
  }
  // Conditions refer to parameters declared earlier, so that one pass in the order of declaration settles
  // them all.
  ParameterValues values;
  for (const Parameter& parameter : declared) {
    if (!applies(parameter, variant, values)) continue;
    const auto found = std::find_if(given.begin(), given.end(),
                                    [&](const auto& pair) { return pair.first == parameter.name; });
    if (found == given.end() && parameter.fallback.empty()) continue;
    try {
      values.set(parameter.name,
                 canonical(parameter, found == given.end() ? parameter.fallback : found->second));
    } catch (const std::invalid_argument& problem) {
      fail(parameter.name, problem.what());
    }
  }
  for (const auto& [key, text] : given) {
    if (values.has(key)) continue;
    std::string reason;
    for (const Parameter& parameter : declared) {
      if (parameter.name != key) continue;
      reason += fmt::format("{}{}", reason.empty() ? "" : "; and ", why_not(parameter, variant, values));
    }
    fail(key, reason);
  }
  return values;
}

std::string describe_domain(const Parameter& parameter) {
  std::string domain;
  switch (parameter.kind) {
    case ParameterKind::integer:
      domain = fmt::format("integer, {} to {}", parameter.lowest, parameter.highest);
      break;
    case ParameterKind::real:
      domain = fmt::format("number, {} to {}", parameter.lowest, parameter.highest);
      break;
    case ParameterKind::choice:
      domain = fmt::format("{}", fmt::join(parameter.choices, " | "));
      break;
    case ParameterKind::budget:
      domain = "tokens (128), fraction of the prefix (0.25) or bytes (8MiB)";
      break;
    case ParameterKind::file:
      domain = "file";
      break;
    case ParameterKind::text:
      domain = "text";
      break;
  }
  domain += parameter.fallback.empty() ? "; no default" : fmt::format("; default {}", parameter.fallback);
  if (!parameter.variants.empty())
    domain += fmt::format("; variants {}", fmt::join(parameter.variants, ", "));
  if (!parameter.needs_parameter.empty()) {
    domain +=
        fmt::format("; where {} is {}", parameter.needs_parameter, fmt::join(parameter.needs_values, " or "));
  }
  if (!parameter.excluded_by.empty()) domain += fmt::format("; not beside {}", parameter.excluded_by);
  return domain;
}

namespace {
struct ByteUnit {
  std::string_view suffix;
  double bytes;
};
// Longest suffix first: "B" ends them all.
constexpr std::array<ByteUnit, 4> byte_units = {
    {{"GiB", 1073741824.0}, {"MiB", 1048576.0}, {"KiB", 1024.0}, {"B", 1.0}}};
}  // namespace

Budget parse_budget(std::string_view text) {
  const std::string allowed =
      "allowed: tokens per KV head (128), a fraction of the prefix above 0 (0.25, 1.0), bytes (900B, 64KiB, "
      "8MiB)";
  const auto refuse = [&](const std::string& problem) {
    throw std::invalid_argument(problem + "; " + allowed);
  };
  for (const ByteUnit& unit : byte_units) {
    if (!text.ends_with(unit.suffix)) continue;
    const double amount = parse_real(text.substr(0, text.size() - unit.suffix.size()));
    if (std::round(amount * unit.bytes) < 1.0 || amount * unit.bytes > 1e15)
      refuse(fmt::format("'{}' is not a size", text));
    return {Budget::Unit::bytes, std::round(amount * unit.bytes)};
  }
  const double amount = parse_real(text);
  if (text.find_first_of(".eE") != std::string_view::npos) {
    if (amount <= 0.0 || amount > 1.0) refuse(fmt::format("the fraction {} is out of range", text));
    return {Budget::Unit::fraction, amount};
  }
  if (amount < 1.0 || amount > 1e9) refuse(fmt::format("{} tokens are out of range", text));
  return {Budget::Unit::tokens, amount};
}

std::string format_budget(const Budget& budget) {
  switch (budget.unit) {
    case Budget::Unit::tokens:
      return fmt::format("{:.0f}", budget.amount);
    case Budget::Unit::bytes:
      return fmt::format("{:.0f}B", budget.amount);
    case Budget::Unit::fraction:
      break;
  }
  const std::string text = fmt::format("{}", budget.amount);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;  // "1" would mean one token
}

}  // namespace razorscope
