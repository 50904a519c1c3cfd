#include "policies/kernels/attention_columns.hpp"

#include <algorithm>

#include "models/base/buffer.hpp"
#include "models/base/parallel.hpp"
#include "models/language/linear.hpp"
#include "policies/kernels/attend.hpp"

namespace razorscope {

std::vector<double> attention_columns(const Shape& shape, const HeadRows& queries, const HeadRows& keys,
                                      int begin, int end, int columns) {
  constexpr int rows_at_a_time = 64;
  std::vector<double> sums(static_cast<size_t>(shape.query_heads) * static_cast<size_t>(columns), 0.0);
  parallel_for(shape.query_heads, [&](int head) {
    double* sum = sums.data() + static_cast<size_t>(head) * static_cast<size_t>(columns);
    const float slope = shape.alibi_slopes.empty() ? 0.0F : shape.alibi_slopes[static_cast<size_t>(head)];
    for (int at = begin; at < end; at += rows_at_a_time) {
      const int rows = std::min(rows_at_a_time, end - at);
      Matrix weights(static_cast<size_t>(rows), static_cast<size_t>(at + rows));
      multiply_transposed(weights.rows, weights.columns, static_cast<size_t>(shape.head_size),
                          shape.score_scale, queries.row(at, head), queries.token_stride,
                          keys.row(0, head / shape.group_size()), keys.token_stride, weights.data(),
                          weights.columns);
      for (int r = 0; r < rows; ++r) {
        float* row = weights.row(static_cast<size_t>(r));
        const int visible = at + r + 1;
        softmax_row(row, static_cast<size_t>(visible), slope);
        for (int n = 0; n < std::min(visible, columns); ++n) sum[n] += static_cast<double>(row[n]);
      }
    }
  });
  return sums;
}

}  // namespace razorscope
