#pragma once

#include <vector>

#include "sim/equal_bytes.hpp"
#include "sim/replay/calibrated_bounds.hpp"
#include "sim/replay/context.hpp"

namespace razorscope::testing {

/// Equal bytes over a trace's prefix.
inline std::vector<Policy> solve_equal_bytes(const Trace& trace, int prefix,
                                             const std::vector<Policy>& policies, size_t bytes) {
  const TraceBounds bounds(trace, prefix);
  return razorscope::solve_equal_bytes(selection_context(trace, prefix, bounds), policies, bytes);
}
inline size_t full_f16_bytes(const Trace& trace, int prefix) {
  const TraceBounds bounds(trace, prefix);
  return razorscope::full_f16_bytes(selection_context(trace, prefix, bounds));
}

}  // namespace razorscope::testing
