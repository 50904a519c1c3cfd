#include "policies/kernels/attention_columns.hpp"

#include <algorithm>

#include "models/base/parallel.hpp"
#include "policies/kernels/column_sums.hpp"

namespace razorscope {

std::vector<double> attention_columns(const Shape& shape, const HeadRows& queries, const HeadRows& keys,
                                      int begin, int end, int columns) {
  constexpr int queries_at_a_time = blocks_at_a_time * query_block;
  ColumnSums sums(shape, begin, end, columns);
  for (int first = begin; first < end; first += queries_at_a_time) {
    const int count = std::min(queries_at_a_time, end - first);
    const int blocks = (count + query_block - 1) / query_block;
    ColumnParts parts(sums, blocks, shape.query_heads);
    parallel_for(blocks * shape.query_heads, [&](int job) {
      const int index = job / shape.query_heads;
      const int head = job % shape.query_heads;
      const int at = first + index * query_block;
      const QueryBlock block = {head,
                                at,
                                std::min(query_block, end - at),
                                queries.row(at, head),
                                queries.token_stride,
                                keys.row(0, head / shape.group_size()),
                                keys.token_stride};
      parts.add(index, block, causal_weights(shape, block));
    });
    parts.merge();
  }
  return std::move(sums.sums);
}

}  // namespace razorscope
