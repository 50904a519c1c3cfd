#include "experiments/store/policy_label.hpp"

#include <fmt/format.h>
#include <string_view>
#include <vector>

#include "models/base/error.hpp"
#include "policies/policy.hpp"

namespace razorscope {
namespace {

/// A value as the grammar wants it.
std::string quoted(const std::string& value) {
  const bool plain = value.find_first_of(";+,:\" \t\r\n") == std::string::npos;
  if (plain) return value;
  std::string out = "\"";
  for (const char c : value) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::string telling_parameters(std::string_view variant, const std::vector<Parameter>& declared,
                               const ParameterValues& values) {
  std::string out;
  for (const Parameter* parameter : applicable_parameters(variant, declared, values)) {
    const std::string& text = values.text(parameter->name);
    if (text == parameter->fallback) continue;
    out += fmt::format("{}{}={}", out.empty() ? ":" : ",", parameter->name, quoted(text));
  }
  return out;
}

std::string shortened(const Policy& policy) {
  const SelectionEntry& entry = policy.entry();
  std::string out = policy.selection();
  const bool unnamed = entry.unnamed_default && policy.variant() == entry.variants.front();
  if (entry.variants.size() > 1 && !unnamed) out += "/" + policy.variant();
  out += telling_parameters(policy.variant(), entry.parameters, policy.values());
  for (const CodecChoice& codec : policy.codecs()) {
    std::string variants;
    for (const std::string& variant : codec.variants) variants += "/" + variant;
    out += fmt::format("+{}{}{}{}{}", codec.scope, codec.scope.empty() ? "" : "=", codec.name, variants,
                       telling_parameters("", find_codec("policy", codec.name).parameters, codec.values));
  }
  return out;
}

}  // namespace

std::string policy_label(const std::string& canonical_name) {
  try {
    const Policy policy = Policy::parse(canonical_name);
    std::string label = shortened(policy);
    // A default may depend on other parameters: only a name that means the same serves.
    return Policy::parse(label) == policy ? label : canonical_name;
  } catch (const InputError&) {
    return canonical_name;
  }
}

}  // namespace razorscope
