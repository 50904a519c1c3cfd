#include "experiments/cli/policy_options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <functional>
#include <stdexcept>

#include "experiments/cli/probe_cache.hpp"
#include "models/base/error.hpp"
#include "policies/parameter.hpp"
#include "sim/equal_bytes.hpp"

namespace razorscope::cli {
namespace {

size_t equal_bytes_target(const std::string& text, size_t full_bytes) {
  Budget budget;
  try {
    budget = parse_budget(text);
  } catch (const std::invalid_argument& problem) {
    throw InputError("--equal-bytes", problem.what());
  }
  // A plain number is bytes here.
  return static_cast<size_t>(budget.unit == Budget::Unit::fraction
                                 ? budget.amount * static_cast<double>(full_bytes)
                                 : budget.amount);
}

}  // namespace

void add_policy_options(CLI::App& command, PolicyOptions& options, bool policies_required) {
  CLI::Option* policies = command.add_option("--policies", options.policies,
                                             "policies separated by ';' (see `razorscope policies`)");
  if (policies_required) policies->required();
  command.add_option("--equal-bytes", options.equal_bytes,
                     "size every policy to the same physical bytes: a fraction of full+f16 (0.3), bytes "
                     "(8MiB), or several of them (0.3,0.15,0.06)");
}

std::vector<Policy> parse_policies(const PolicyOptions& options) {
  std::vector<Policy> policies;
  for (const std::string& list : options.policies) {
    for (Policy& policy : Policy::parse_list(list)) policies.push_back(std::move(policy));
  }
  return policies;
}

bool needs_probe(const std::vector<Policy>& policies) {
  return std::any_of(policies.begin(), policies.end(), [](const Policy& policy) {
    return policy.values().has("heads") && policy.values().text("heads") == "probe";
  });
}

PolicyKnowledge::PolicyKnowledge(const ModelFile& model, const Transformer& transformer,
                                 const std::vector<Policy>& policies, Progress& progress)
    : transformer_(transformer) {
  if (needs_probe(policies)) probe_ = default_probe(model, transformer, progress);
  if (transformer.shape().position == PositionScheme::alibi)
    bounds_.emplace(transformer.shape(), transformer.weights());
}

SelectionContext PolicyKnowledge::context(int prefix) const {
  const ModelKnowledge known = view();
  return {.shape = transformer_.shape(), .prefix = prefix, .probe = known.probe, .bounds = known.bounds};
}

std::vector<size_t> equal_bytes_targets(const std::string& text, size_t full_bytes) {
  std::vector<size_t> targets;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    targets.push_back(equal_bytes_target(text.substr(at, end - at), full_bytes));
    at = end + 1;
  }
  std::sort(targets.begin(), targets.end(), std::greater<>());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  return targets;
}

std::vector<PlannedPolicy> plan_policies(const PolicyOptions& options, const std::vector<Policy>& policies,
                                         const SelectionContext& context) {
  std::vector<PlannedPolicy> planned;
  if (options.equal_bytes.empty()) {
    for (const Policy& policy : policies) planned.push_back({policy, policy, std::nullopt, std::nullopt});
    return planned;
  }
  const size_t full_bytes = full_f16_bytes(context);
  const std::vector<size_t> targets = equal_bytes_targets(options.equal_bytes, full_bytes);
  for (size_t i = 0; i < targets.size(); ++i) {
    const double share = static_cast<double>(targets[i]) / static_cast<double>(full_bytes);
    for (const Policy& policy : policies) {
      const SizedPolicy sized = size_policy(context, policy, targets[i]);
      if (!sized.policy) {
        if (targets.size() == 1) throw InputError("--equal-bytes", sized.reason);
        fmt::print(stderr, "left out at {:.1f} %: {}\n", 100.0 * share, sized.reason);
        continue;
      }
      const bool fits_the_next = !policy.has_size(nullptr) && i + 1 < targets.size() &&
                                 size_policy(context, policy, targets[i + 1]).policy.has_value();
      if (!fits_the_next) planned.push_back({*sized.policy, policy, targets[i], share});
    }
  }
  if (planned.empty()) throw InputError("--equal-bytes", "no policy fits any of the budgets");
  return planned;
}

}  // namespace razorscope::cli
