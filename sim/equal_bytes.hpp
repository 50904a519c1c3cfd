#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policies/policy.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {

/// A policy that fits into a number of bytes, or why there is none.
struct SizedPolicy {
  std::optional<Policy> policy;
  std::string reason;
};

/// Sets a policy's size so that its caches take at most `bytes` physical bytes after the prefix, and as many
/// as fit. A policy of fixed size (full with a codec) is left as it is where it fits.
SizedPolicy size_policy(const SelectionContext& context, const Policy& policy, size_t bytes);

/// Sets each policy's size so that its caches take at most `bytes` physical bytes after the prefix, and as
/// many as fit. Where there is none for a policy, an InputError says why.
std::vector<Policy> solve_equal_bytes(const SelectionContext& context, const std::vector<Policy>& policies,
                                      size_t bytes);

/// Physical bytes of full+f16 over the prefix: what a fraction in --equal-bytes refers to.
size_t full_f16_bytes(const SelectionContext& context);

}  // namespace razorscope
