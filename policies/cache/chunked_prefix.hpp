#pragma once

#include "models/language/shape.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {

/// What a prefix has lost by its end (When::every_chunk): a prefill in chunks of prefill_chunk tokens, after
/// each of which the selection plans and its heads drop. A chunk's queries attend causally to their chunk and
/// to what the head then holds, so that scores count what was held only. `prefix` as the selection needs it
/// (rows), shape as the caches see it. Rows are exact throughout: a codec runs once, over what is left at the
/// end, and tokens are folded there, from exact values, in the order of their positions.
LayerPlan plan_in_chunks(const Selection& selection, const Shape& shape, int layer, const PrefixView& prefix,
                         int tokens);

}  // namespace razorscope
