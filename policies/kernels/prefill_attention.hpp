#pragma once

#include <span>

#include "models/language/attention_memory.hpp"
#include "models/language/shape.hpp"
#include "policies/kernels/column_sums.hpp"

namespace razorscope {

/// One layer's exact keys and values so far: head h of position p at keys + h·head_stride + p·head_size, f32.
struct ExactLayer {
  const float* keys = nullptr;
  const float* values = nullptr;
  size_t head_stride = 0;
};

/// Exact causal attention of a block of new tokens, whose keys and values the layer already holds.
/// out: [block.tokens, query_heads·head_size]. Blocked over queries: scores of a block by GEMM, softmax per
/// row, then the product with V. Parallel over heads and blocks of queries; results do not depend on the
/// number of threads. What the block's queries give each token is added to every one of `columns`.
void prefill_attention(const Shape& shape, const ExactLayer& layer, const QueriesKeysValues& block,
                       float* out, std::span<ColumnSums> columns = {});

}  // namespace razorscope
