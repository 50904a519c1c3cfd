#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "policies/codecs/codec.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {

/// One `+codec` of a policy. Scope: "" (everything that no narrower scope names), k, v, protected, others,
/// protected.k, protected.v, others.k, others.v.
struct CodecChoice {
  std::string scope;
  std::string name;
  std::vector<std::string> variants;  // in the order of the codec's declaration
  ParameterValues values;

  bool operator==(const CodecChoice&) const = default;
};

/// A policy: a selection times codecs, with every parameter set. The text form is the grammar of the command
/// line:
///   POLICY    = SELECTION { "+" CODEC }                                        without a codec: f16
///   SELECTION = name [ "/" variant ] [ ":" key "=" value { "," key "=" value } ]
///   CODEC     = [ scope "=" ] name { "/" variant } [ ":" key "=" value { "," ... } ]
/// A value that contains ; + , : or " is quoted with ", a " inside doubled. parse(name()) gives an equal
/// policy.
class Policy {
 public:
  /// Throws InputError that quotes the policy and names the part at fault, what is allowed, and the nearest
  /// name.
  static Policy parse(std::string_view text);
  /// A list: policies between ";". Empty entries are errors.
  static std::vector<Policy> parse_list(std::string_view text);

  /// The canonical name, with all parameters that apply.
  std::string name() const;
  const std::string& selection() const { return selection_; }
  const std::string& variant() const { return variant_; }
  const ParameterValues& values() const { return values_; }
  const std::vector<CodecChoice>& codecs() const { return codecs_; }
  const SelectionEntry& entry() const { return find_selection("policy", selection_); }
  /// The codecs' canonical text, without the selection.
  std::string codec_name() const;
  /// {"selection", "variant", "parameters": {...}, "codecs": [...]}
  nlohmann::json to_json() const;

  /// The policy with its size parameter set; only for policies that have one.
  Policy with_size(int size) const;
  /// Whether the equal-bytes solver can turn this policy's size, and the reason where it cannot.
  bool has_size(std::string* reason) const;

  std::unique_ptr<const Selection> make_selection(const SelectionContext& context) const {
    return entry().make(variant_, values_, context);
  }
  /// Whether each query head has a cache of its own (group_agg=query-head) instead of sharing its KV head's.
  bool caches_query_heads() const {
    return values_.has("group_agg") && values_.text("group_agg") == "query-head";
  }
  /// The codec of keys or values of protected or other heads.
  const CodecChoice& codec_of(bool keys, bool is_protected) const;

  bool operator==(const Policy&) const = default;

 private:
  std::string selection_;
  std::string variant_;
  ParameterValues values_;
  std::vector<CodecChoice> codecs_;  // never empty
};

}  // namespace razorscope
