#include <fmt/format.h>

#include "models/base/error.hpp"
#include "models/base/machine.hpp"
#include "policies/cache/layer_cache.hpp"
#include "sim/replay/calibrated_bounds.hpp"
#include "sim/replay/context.hpp"
#include "sim/replay/replay.hpp"

namespace razorscope {
namespace {

constexpr int smallest_size = 1;

/// The largest size in [smallest_size, prefix] whose caches fit. Bytes never fall as the size grows.
Policy largest_fitting(const Policy& policy, const SelectionContext& context, size_t bytes) {
  const auto predicted = [&](int size) { return PolicyRun(policy.with_size(size), context).predicted_bytes(context.prefix); };
  const size_t least = predicted(smallest_size);
  if (least > bytes) {
    throw InputError("--equal-bytes",
                     fmt::format("{} takes at least {} (with {}={}), more than the {} asked for", policy.name(),
                                 format_bytes(static_cast<double>(least)), policy.entry().size_parameter, smallest_size,
                                 format_bytes(static_cast<double>(bytes))));
  }
  int fits = smallest_size;
  int beyond = context.prefix + 1;
  while (beyond - fits > 1) {
    const int middle = fits + (beyond - fits) / 2;
    (predicted(middle) <= bytes ? fits : beyond) = middle;
  }
  return policy.with_size(fits);
}

}  // namespace

std::vector<Policy> solve_equal_bytes(const Trace& trace, int prefix, const std::vector<Policy>& policies, size_t bytes) {
  const TraceBounds bounds(trace, prefix);
  const SelectionContext context = selection_context(trace, prefix, bounds);
  std::vector<Policy> solved;
  for (const Policy& policy : policies) {
    std::string reason;
    if (!policy.has_size(&reason)) throw InputError("--equal-bytes", fmt::format("cannot size {}: {}", policy.name(), reason));
    solved.push_back(largest_fitting(policy, context, bytes));
  }
  return solved;
}

size_t full_f16_bytes(const Trace& trace, int prefix) {
  const TraceBounds bounds(trace, prefix);
  return PolicyRun(Policy::parse("full+f16"), selection_context(trace, prefix, bounds)).predicted_bytes(prefix);
}

}  // namespace razorscope
