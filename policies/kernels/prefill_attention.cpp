#include "policies/kernels/prefill_attention.hpp"

#include <algorithm>

#include "models/base/parallel.hpp"
#include "models/language/linear.hpp"

namespace razorscope {
namespace {

/// The blocks [first, first + blocks) of queries.
struct BlockRange {
  int first = 0;
  int blocks = 0;
};

void attend_blocks(const Shape& shape, const ExactLayer& layer, const QueriesKeysValues& queries,
                   BlockRange range, float* out, std::span<ColumnSums> wanted) {
  const auto d = static_cast<size_t>(shape.head_size);
  const auto out_stride = static_cast<size_t>(shape.query_width());
  std::vector<ColumnParts> columns;
  for (ColumnSums& sums : wanted) columns.emplace_back(sums, range.blocks, shape.query_heads);
  parallel_for(range.blocks * shape.query_heads, [&](int job) {
    // Late blocks have the most keys: they go first, so that no thread is left with one at the end.
    const int index = range.blocks - 1 - job / shape.query_heads;
    const int begin = (range.first + index) * query_block;
    const int head = job % shape.query_heads;
    const size_t kv_offset = static_cast<size_t>(head / shape.group_size()) * layer.head_stride;
    const size_t head_offset = static_cast<size_t>(head) * d;
    const QueryBlock block = {head,
                              queries.first_position + begin,
                              std::min(query_block, queries.tokens - begin),
                              queries.q + static_cast<size_t>(begin) * queries.stride + head_offset,
                              queries.stride,
                              layer.keys + kv_offset,
                              d};
    const Matrix weights = causal_weights(shape, block);
    for (ColumnParts& parts : columns) parts.add(index, block, weights);
    multiply_plain(weights.rows, d, weights.columns, weights.data(), weights.columns,
                   layer.values + kv_offset, d, out + static_cast<size_t>(begin) * out_stride + head_offset,
                   out_stride);
  });
  for (ColumnParts& parts : columns) parts.merge();
}

}  // namespace

void prefill_attention(const Shape& shape, const ExactLayer& layer, const QueriesKeysValues& block,
                       float* out, std::span<ColumnSums> columns) {
  const int blocks = (block.tokens + query_block - 1) / query_block;
  for (int first = 0; first < blocks; first += blocks_at_a_time)
    attend_blocks(shape, layer, block, {first, std::min(blocks_at_a_time, blocks - first)}, out, columns);
}

}  // namespace razorscope
