#pragma once

#include "models/language/attention_memory.hpp"
#include "models/language/shape.hpp"
#include "policies/cache/head_cache.hpp"

namespace razorscope {

/// Attention of a block of consecutive new tokens over one KV head that holds them in its last slots: token i
/// sees all slots before its own, its own, and the compensation slots (which must not depend on the query).
/// out: rows of out_stride floats; writes the columns of the head's group.
void block_attention(const Shape& shape, const HeadCache& head, int kv_head, const QueriesKeysValues& block,
                     float* out, size_t out_stride);

}  // namespace razorscope
