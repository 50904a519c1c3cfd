#include "policies/policy.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>

#include "models/base/error.hpp"
#include "policies/quoted_value.hpp"

namespace razorscope {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

const std::vector<std::string> scopes = {"k",           "v",           "protected", "others",
                                         "protected.k", "protected.v", "others.k",  "others.v"};

[[noreturn]] void fail(std::string_view policy, const std::string& problem) {
  throw InputError(fmt::format("policy '{}'", policy.substr(0, 200)),
                   problem.substr(0, 800));  // either may be garbage
}

/// Splits at a separator outside quotes.
std::vector<std::string> split(std::string_view whole, std::string_view text, char separator) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (c == separator && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  if (quoted) fail(whole, "a quotation mark is not closed");
  return parts;
}

size_t find_unquoted(std::string_view text, char wanted) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (text[i] == wanted && !quoted) return i;
  }
  return std::string_view::npos;
}

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

std::string unquoted(std::string_view whole, const std::string& value) {
  if (value.find('"') == std::string::npos) return value;
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') {
    fail(whole, fmt::format("the value {} is quoted in part; quote it as a whole", value));
  }
  std::string out;
  for (size_t i = 1; i + 1 < value.size(); ++i) {
    if (value[i] == '"') {
      if (i + 2 >= value.size() || value[i + 1] != '"')
        fail(whole, fmt::format("in {} a quotation mark inside is not doubled", value));
      ++i;
    }
    out += value[i];
  }
  return out;
}

/// "head:key=value,key=value" into the head and the pairs.
std::string split_parameters(std::string_view whole, const std::string& text, Pairs& pairs) {
  const size_t colon = find_unquoted(text, ':');
  const std::string head = trimmed(text.substr(0, colon));
  if (colon == std::string::npos) return head;
  for (const std::string& part : split(whole, text.substr(colon + 1), ',')) {
    const size_t equals = find_unquoted(part, '=');
    const std::string key = trimmed(part.substr(0, equals));
    if (equals == std::string::npos || key.empty()) {
      fail(whole, fmt::format("'{}' after '{}:' is not key=value", part, head));
    }
    pairs.emplace_back(key, unquoted(whole, trimmed(part.substr(equals + 1))));
  }
  return head;
}

std::string print_parameters(const std::vector<const Parameter*>& parameters, const ParameterValues& values) {
  std::string out;
  for (const Parameter* parameter : parameters) {
    out += fmt::format("{}{}={}", out.empty() ? ":" : ",", parameter->name,
                       quoted_value(values.text(parameter->name)));
  }
  return out;
}

std::string print_codec(const CodecChoice& choice) {
  const CodecEntry& entry = find_codec("policy", choice.name);
  std::string variants;
  for (const std::string& variant : choice.variants) variants += "/" + variant;
  return fmt::format(
      "{}{}{}{}{}", choice.scope, choice.scope.empty() ? "" : "=", choice.name, variants,
      print_parameters(applicable_parameters("", entry.parameters, choice.values), choice.values));
}

/// Says why a selection cannot evict chunk by chunk, where it cannot: more than a list of what it knows.
void check_when(std::string_view whole, const SelectionEntry& entry, const std::string& variant,
                const Pairs& pairs) {
  const auto is_every_chunk = [](const auto& pair) {
    return pair.first == "when" && pair.second == "every-chunk";
  };
  if (std::none_of(pairs.begin(), pairs.end(), is_every_chunk)) return;
  for (const Parameter& parameter : entry.parameters) {
    if (parameter.name != "when") continue;
    const bool has_variant =
        parameter.variants.empty() ||
        std::find(parameter.variants.begin(), parameter.variants.end(), variant) != parameter.variants.end();
    if (has_variant && std::find(parameter.choices.begin(), parameter.choices.end(), "every-chunk") !=
                           parameter.choices.end())
      return;
  }
  fail(whole, fmt::format("when=every-chunk: a chunk's end does not show what {}{}{} decides by (the whole "
                          "prefix, or every step); window, razor, h2o/paper, h2o/flexgen and tova can evict "
                          "chunk by chunk",
                          entry.name, variant.empty() ? "" : "/", variant));
}

CodecChoice parse_codec(std::string_view whole, const std::string& text, const SelectionEntry& selection) {
  const std::string where = fmt::format("policy '{}'", whole.substr(0, 200));
  Pairs pairs;
  std::string head = split_parameters(whole, text, pairs);
  CodecChoice choice;
  const size_t equals = head.find('=');
  if (equals != std::string::npos) {
    choice.scope = trimmed(head.substr(0, equals));
    head = trimmed(head.substr(equals + 1));
    if (std::find(scopes.begin(), scopes.end(), choice.scope) == scopes.end()) {
      fail(whole, unknown_name("codec scope", choice.scope, scopes));
    }
    if (choice.scope.size() > 1 && !selection.protects_heads) {
      fail(whole, fmt::format("the scope '{}' needs a selection that protects heads, and {} has none",
                              choice.scope, selection.name));
    }
  }
  const std::vector<std::string> words = split(whole, head, '/');
  const CodecEntry& entry = find_codec(where, words.front());
  choice.name = entry.name;
  for (size_t i = 1; i < words.size(); ++i) {
    if (entry.variants.empty()) fail(whole, fmt::format("the codec {} has no variants", entry.name));
    if (std::find(entry.variants.begin(), entry.variants.end(), words[i]) == entry.variants.end()) {
      fail(whole, unknown_name("variant of " + entry.name, words[i], entry.variants));
    }
    if (std::count(words.begin() + 1, words.end(), words[i]) > 1)
      fail(whole, fmt::format("the variant {} is named twice", words[i]));
  }
  for (const std::string& variant : entry.variants) {
    if (std::find(words.begin() + 1, words.end(), variant) != words.end()) choice.variants.push_back(variant);
  }
  choice.values = complete_parameters(where, entry.name, "", entry.parameters, pairs);
  return choice;
}

/// The choices for one kind of row, narrowest scope first; two scopes of the same width that both cover it
/// are ambiguous.
const CodecChoice* resolve(const std::vector<CodecChoice>& codecs, bool keys, bool is_protected,
                           bool* ambiguous) {
  const std::string kind = keys ? "k" : "v";
  const std::string heads = is_protected ? "protected" : "others";
  const CodecChoice* narrow = nullptr;
  const CodecChoice* wide = nullptr;
  for (const CodecChoice& choice : codecs) {
    if (choice.scope == heads + "." + kind) return &choice;
  }
  for (const CodecChoice& choice : codecs) {
    if (choice.scope == kind || choice.scope == heads) {
      if (narrow != nullptr && ambiguous != nullptr) *ambiguous = true;
      narrow = &choice;
    }
    if (choice.scope.empty()) wide = &choice;
  }
  return narrow != nullptr ? narrow : wide;
}

const CodecChoice& default_codec() {
  static const CodecChoice choice = {"", "f16", {}, {}};
  return choice;
}

}  // namespace

std::string quoted_value(const std::string& value) {
  if (value.find_first_of(";+,:\"") == std::string::npos && trimmed(value) == value) return value;
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

Policy Policy::parse(std::string_view text) {
  const std::string where = fmt::format("policy '{}'", text.substr(0, 200));
  std::vector<std::string> parts = split(text, text, '+');
  Pairs pairs;
  std::string head = split_parameters(text, parts.front(), pairs);
  if (head.empty())
    fail(text, "a policy begins with the name of a selection, such as full or window:recent=508");
  Policy policy;
  const size_t slash = head.find('/');
  const SelectionEntry& entry = find_selection(where, head.substr(0, slash));
  policy.selection_ = entry.name;
  if (slash != std::string::npos) {
    policy.variant_ = head.substr(slash + 1);
    if (entry.variants.empty()) fail(text, fmt::format("the selection {} has no variants", entry.name));
    if (std::find(entry.variants.begin(), entry.variants.end(), policy.variant_) == entry.variants.end()) {
      fail(text, unknown_name("variant of " + entry.name, policy.variant_, entry.variants));
    }
  } else if (!entry.variants.empty()) {
    policy.variant_ = entry.variants.front();
  }
  check_when(text, entry, policy.variant_, pairs);
  const std::string owner = policy.variant_.empty() ? entry.name : entry.name + "/" + policy.variant_;
  policy.values_ = complete_parameters(where, owner, policy.variant_, entry.parameters, pairs);
  for (size_t i = 1; i < parts.size(); ++i) {
    CodecChoice choice = parse_codec(text, parts[i], entry);
    for (const CodecChoice& other : policy.codecs_) {
      if (other.scope == choice.scope) {
        fail(text, choice.scope.empty() ? "two codecs without a scope"
                                        : fmt::format("two codecs for the scope '{}'", choice.scope));
      }
    }
    policy.codecs_.push_back(std::move(choice));
  }
  if (policy.codecs_.empty()) policy.codecs_.push_back(default_codec());
  for (const bool keys : {true, false}) {
    for (const bool is_protected : {true, false}) {
      bool ambiguous = false;
      resolve(policy.codecs_, keys, is_protected, &ambiguous);
      if (ambiguous) {
        fail(text, fmt::format("two scopes name the codec of the {} of {} heads: add {}.{}=CODEC",
                               keys ? "keys" : "values", is_protected ? "protected" : "other",
                               is_protected ? "protected" : "others", keys ? "k" : "v"));
      }
    }
  }
  return policy;
}

std::vector<Policy> Policy::parse_list(std::string_view text) {
  std::vector<Policy> policies;
  for (const std::string& part : split(text, text, ';')) {
    if (trimmed(part).empty())
      throw InputError("--policies", "an empty policy in the list (between two ';', or at its end)");
    policies.push_back(parse(trimmed(part)));
  }
  return policies;
}

std::string Policy::name() const {
  return fmt::format("{}{}{}{}+{}", selection_, variant_.empty() ? "" : "/", variant_,
                     print_parameters(applicable_parameters(variant_, entry().parameters, values_), values_),
                     codec_name());
}

std::string Policy::codec_name() const {
  std::string out;
  for (const CodecChoice& choice : codecs_)
    out += fmt::format("{}{}", out.empty() ? "" : "+", print_codec(choice));
  return out;
}

nlohmann::json Policy::to_json() const {
  const auto texts = [](const std::vector<const Parameter*>& parameters, const ParameterValues& values) {
    nlohmann::json out = nlohmann::json::object();
    for (const Parameter* parameter : parameters) {
      const std::string& name = parameter->name;
      switch (parameter->kind) {
        case ParameterKind::integer:
          out[name] = values.integer(name);
          break;
        case ParameterKind::real:
          out[name] = values.real(name);
          break;
        default:
          out[name] = values.text(name);
      }
    }
    return out;
  };
  nlohmann::json codecs = nlohmann::json::array();
  for (const CodecChoice& choice : codecs_) {
    const CodecEntry& codec = find_codec("policy", choice.name);
    codecs.push_back(
        {{"scope", choice.scope},
         {"name", choice.name},
         {"variants", choice.variants},
         {"parameters", texts(applicable_parameters("", codec.parameters, choice.values), choice.values)}});
  }
  return {{"selection", selection_},
          {"variant", variant_},
          {"parameters", texts(applicable_parameters(variant_, entry().parameters, values_), values_)},
          {"codecs", codecs}};
}

bool Policy::has_size(std::string* reason) const {
  const auto unsized = entry().unsized_variants.find(variant_);
  if (!entry().size_parameter.empty() && unsized == entry().unsized_variants.end()) return true;
  if (reason != nullptr) {
    *reason =
        fmt::format("the size of {} is fixed", variant_.empty() ? selection_ : selection_ + "/" + variant_);
    if (unsized != entry().unsized_variants.end()) *reason += ": " + unsized->second;
  }
  return false;
}

Policy Policy::with_size(int size) const {
  const std::string& parameter = entry().size_parameter;
  Pairs pairs = {{parameter, fmt::to_string(size)}};
  for (const Parameter& declared : entry().parameters) {
    if (declared.name == parameter || declared.excluded_by == parameter || !values_.has(declared.name))
      continue;
    const bool known = std::any_of(pairs.begin(), pairs.end(),
                                   [&](const auto& pair) { return pair.first == declared.name; });
    if (!known) pairs.emplace_back(declared.name, values_.text(declared.name));
  }
  Policy sized = *this;
  sized.values_ = complete_parameters("--equal-bytes", selection_, variant_, entry().parameters, pairs);
  return sized;
}

const CodecChoice& Policy::codec_of(bool keys, bool is_protected) const {
  const CodecChoice* choice = resolve(codecs_, keys, is_protected, nullptr);
  return choice != nullptr ? *choice : default_codec();
}

}  // namespace razorscope
