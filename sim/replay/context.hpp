#pragma once

#include "models/trace/trace.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {

/// What a trace offers to a selection.
inline SelectionContext selection_context(const Trace& trace, int prefix, const ScoreBoundSource& bounds) {
  SelectionContext context{.shape = trace.shape(), .prefix = prefix};
  context.probe = trace.probe() ? &*trace.probe() : nullptr;
  context.bounds = &bounds;
  return context;
}

}  // namespace razorscope
