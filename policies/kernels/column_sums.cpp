#include "policies/kernels/column_sums.hpp"

#include <algorithm>

#include "models/base/parallel.hpp"
#include "models/language/linear.hpp"
#include "policies/kernels/attend.hpp"

namespace razorscope {

Matrix causal_weights(const Shape& shape, const QueryBlock& block) {
  const auto keys = static_cast<size_t>(block.first_position + block.rows);
  const float slope = shape.alibi_slopes.empty() ? 0.0F : shape.alibi_slopes[static_cast<size_t>(block.head)];
  Matrix weights(static_cast<size_t>(block.rows), keys);
  multiply_transposed(weights.rows, keys, static_cast<size_t>(shape.head_size), shape.score_scale, block.q,
                      block.q_stride, block.keys, block.key_stride, weights.data(), keys);
  for (int r = 0; r < block.rows; ++r) {
    float* row = weights.row(static_cast<size_t>(r));
    const auto visible = static_cast<size_t>(block.first_position + r + 1);
    softmax_row(row, visible, slope);
    std::fill(row + visible, row + keys, 0.0F);
  }
  return weights;
}

ColumnParts::ColumnParts(ColumnSums& into, int blocks, int query_heads)
    : into_(into),
      query_heads_(query_heads),
      parts_(static_cast<size_t>(blocks) * static_cast<size_t>(query_heads)) {}

void ColumnParts::add(int index, const QueryBlock& block, const Matrix& weights) {
  const int first = std::max(0, into_.begin - block.first_position);
  const int last = std::min(block.rows, into_.end - block.first_position);
  if (first >= last) return;
  std::vector<double>& part = parts_[static_cast<size_t>(index * query_heads_ + block.head)];
  part.assign(std::min(weights.columns, static_cast<size_t>(into_.columns)), 0.0);
  for (int r = first; r < last; ++r) {
    const float* row = weights.row(static_cast<size_t>(r));
    for (size_t n = 0; n < part.size(); ++n) part[n] += static_cast<double>(row[n]);
  }
}

void ColumnParts::merge() {
  parallel_for(query_heads_, [&](int head) {
    for (size_t i = static_cast<size_t>(head); i < parts_.size(); i += static_cast<size_t>(query_heads_)) {
      if (parts_[i].empty()) continue;  // and so may be the sums, once they were taken
      double* sums = into_.sums.data() + static_cast<size_t>(head) * static_cast<size_t>(into_.columns);
      for (size_t n = 0; n < parts_[i].size(); ++n) sums[n] += parts_[i][n];
    }
  });
}

}  // namespace razorscope
