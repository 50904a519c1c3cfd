#pragma once

#include "models/trace/trace.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {

/// What a trace offers to a selection.
inline SelectionContext selection_context(const Trace& trace, int prefix, const ScoreBoundSource& bounds) {
  SelectionContext context{.shape = trace.shape(), .prefix = prefix};
  context.probe = trace.probe() ? &*trace.probe() : nullptr;
  context.bounds = &bounds;
  constexpr double f16_bytes = 2.0;
  context.f16_bytes_per_token = 2.0 * trace.shape().head_size * f16_bytes;
  return context;
}

}  // namespace razorscope
