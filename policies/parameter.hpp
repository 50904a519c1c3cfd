#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace razorscope {

/// What a parameter's text may be.
///   integer, real: a number in [lowest, highest]
///   choice:        one of `choices`
///   text:          not empty; its owner parses it
///   budget:        tokens per KV head (128), a fraction of the prefix (0.25, 1.0), or bytes of the whole
///   sequence (8MiB) file:          a path, or the fallback word
enum class ParameterKind { integer, real, choice, budget, file, text };

/// A parameter's declaration: the one place that help, the policy grammar, stored JSON and forms are made
/// from. Where a parameter depends on others (`ratio` only without `recent`), the conditions say so; the same
/// name may be declared more than once with conditions that exclude each other, when its default depends on
/// them.
struct Parameter {
  std::string name;
  ParameterKind kind = ParameterKind::integer;
  std::string fallback = {};  // the default's text; "" = absent unless given
  std::string help = {};      // one line
  double lowest = 0.0;
  double highest = 1e9;
  std::vector<std::string> choices = {};
  std::vector<std::string> variants = {};      // of the selection or codec it belongs to; empty: all
  std::string needs_parameter = {};            // applies only while this earlier parameter ...
  std::vector<std::string> needs_values = {};  // ... has one of these values
  std::string excluded_by = {};                // does not apply where this earlier parameter was given
};

/// Parameter texts by name, complete and checked: every parameter that applies is there. Canonical: two
/// spellings of one value have one text.
class ParameterValues {
 public:
  void set(const std::string& name, std::string text) { texts_[name] = std::move(text); }
  bool has(const std::string& name) const { return texts_.contains(name); }
  const std::string& text(const std::string& name) const { return texts_.at(name); }
  int integer(const std::string& name) const;
  double real(const std::string& name) const;

  bool operator==(const ParameterValues&) const = default;

 private:
  std::map<std::string, std::string> texts_;
};

/// Checks what was given against the declarations, fills in defaults. `where` begins error messages, `owner`
/// is the selection or codec ("razor/weighted"). Throws InputError for an unknown key (with the nearest
/// name), a value that is out of range, or a parameter that does not apply beside the others.
ParameterValues complete_parameters(std::string_view where, std::string_view owner, std::string_view variant,
                                    const std::vector<Parameter>& declared,
                                    const std::vector<std::pair<std::string, std::string>>& given);

/// The declarations that apply to a complete set of values, in the order of declaration.
std::vector<const Parameter*> applicable_parameters(std::string_view variant,
                                                    const std::vector<Parameter>& declared,
                                                    const ParameterValues& values);

/// "integer, default 4, 0 to 1000000000" for help texts.
std::string describe_domain(const Parameter& parameter);

/// A budget's value. See ParameterKind::budget.
struct Budget {
  enum class Unit { tokens, fraction, bytes } unit = Unit::tokens;
  double amount = 0.0;
};
/// Throws std::invalid_argument with what is allowed.
Budget parse_budget(std::string_view text);
std::string format_budget(const Budget& budget);

}  // namespace razorscope
