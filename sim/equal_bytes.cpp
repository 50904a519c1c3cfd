#include "sim/equal_bytes.hpp"

#include <fmt/format.h>
#include <utility>

#include "models/base/error.hpp"
#include "models/base/machine.hpp"
#include "policies/cache/layer_cache.hpp"

namespace razorscope {
namespace {

constexpr int smallest_size = 1;

std::string takes_more(const std::string& what, size_t least, size_t bytes) {
  return fmt::format("{}, more than the {} asked for", what + format_bytes(static_cast<double>(least)),
                     format_bytes(static_cast<double>(bytes)));
}

/// The largest size in [smallest_size, prefix] whose caches fit. Bytes never fall as the size grows.
SizedPolicy largest_fitting(const Policy& policy, const SelectionContext& context, size_t bytes) {
  // A size that the selection refuses (occam, where protected heads alone exceed the budget) is too small.
  const auto predicted = [&](int size) -> std::optional<size_t> {
    try {
      return PolicyRun(policy.with_size(size), context).predicted_bytes(context.prefix);
    } catch (const InputError&) {
      return std::nullopt;
    }
  };
  int smallest = smallest_size;
  while (smallest <= context.prefix && !predicted(smallest))
    smallest = smallest * 2;  // refused sizes, if any, are the small ones
  if (smallest > smallest_size) {
    int refused = smallest / 2;
    while (smallest - refused > 1) {
      const int middle = refused + (smallest - refused) / 2;
      (predicted(middle) ? smallest : refused) = middle;
    }
  }
  const std::optional<size_t> least = predicted(smallest);
  if (!least) PolicyRun(policy.with_size(context.prefix), context);  // says why
  if (*least > bytes) {
    const std::string at = fmt::format("{} takes at least (with {}={}) ", policy.name(),
                                       policy.entry().size_parameter, smallest);
    return {std::nullopt, takes_more(at, *least, bytes)};
  }
  // The last sizes before everything is kept take more than everything: positions are stored as soon as one
  // token is gone.
  if (predicted(context.prefix) <= bytes) return {policy.with_size(context.prefix), ""};
  int fits = smallest;
  int beyond = context.prefix + 1;
  while (beyond - fits > 1) {
    const int middle = fits + (beyond - fits) / 2;
    (*predicted(middle) <= bytes ? fits : beyond) = middle;
  }
  return {policy.with_size(fits), ""};
}

}  // namespace

SizedPolicy size_policy(const SelectionContext& context, const Policy& policy, size_t bytes) {
  std::string reason;
  if (policy.has_size(&reason)) return largest_fitting(policy, context, bytes);
  const size_t taken = PolicyRun(policy, context).predicted_bytes(context.prefix);
  if (taken <= bytes) return {policy, ""};
  return {std::nullopt, takes_more(fmt::format("{}, and {} takes ", reason, policy.name()), taken, bytes)};
}

std::vector<Policy> solve_equal_bytes(const SelectionContext& context, const std::vector<Policy>& policies,
                                      size_t bytes) {
  std::vector<Policy> solved;
  for (const Policy& policy : policies) {
    SizedPolicy sized = size_policy(context, policy, bytes);
    if (!sized.policy) throw InputError("--equal-bytes", sized.reason);
    solved.push_back(std::move(*sized.policy));
  }
  return solved;
}

size_t full_f16_bytes(const SelectionContext& context) {
  return PolicyRun(Policy::parse("full+f16"), context).predicted_bytes(context.prefix);
}

}  // namespace razorscope
