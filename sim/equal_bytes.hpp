#pragma once

#include <vector>

#include "models/trace/trace.hpp"
#include "policies/policy.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {

/// Sets each policy's size so that its caches take at most `bytes` physical bytes after the prefix, and as
/// many as fit. Policies whose size is fixed are an InputError that says so. `bytes` below the smallest
/// possible size likewise.
std::vector<Policy> solve_equal_bytes(const SelectionContext& context, const std::vector<Policy>& policies,
                                      size_t bytes);
std::vector<Policy> solve_equal_bytes(const Trace& trace, int prefix, const std::vector<Policy>& policies,
                                      size_t bytes);

/// Physical bytes of full+f16 over the prefix: what a fraction in --equal-bytes refers to.
size_t full_f16_bytes(const SelectionContext& context);
size_t full_f16_bytes(const Trace& trace, int prefix);

}  // namespace razorscope
