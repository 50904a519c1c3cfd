#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "policies/policy.hpp"

namespace razorscope {

/// How a policy is set in one engine.
struct EngineSetting {
  std::string engine;
  std::optional<std::string> setting;  // what to type; nothing: the engine has none
  std::string note = {};               // what it needs, or why there is none
};

/// What a setting may depend on beside the policy.
struct SettingContext {
  int context = 0;          // tokens of a prompt
  double kept_share = 1.0;  // of its tokens that a KV head holds in the mean
};

/// An engine whose settings are known. A new one is one entry of the registry.
struct Engine {
  std::string name;
  std::string source;  // where the options are documented
  std::function<EngineSetting(const Policy&, const SettingContext&)> setting;
};
const std::vector<Engine>& engines();

/// One a registered engine, in its order.
std::vector<EngineSetting> engine_settings(const Policy& policy, const SettingContext& context);

}  // namespace razorscope
