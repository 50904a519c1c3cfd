#include "policies/cache/block_attention.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "models/base/buffer.hpp"
#include "models/language/linear.hpp"
#include "policies/kernels/attend.hpp"

namespace razorscope {
namespace {

/// Keys and values of a head as GEMM wants them: compensation slots first, then the slots.
struct HeadRowsCopy {
  size_t compensation = 0;
  Matrix keys;
  Matrix values;
  std::vector<float> bias;  // of the compensation slots
};

HeadRowsCopy copy_rows(const HeadCache& head, size_t d) {
  HeadRowsCopy copy;
  copy.compensation = static_cast<size_t>(head.compensation_slots());
  copy.keys = Matrix(static_cast<size_t>(head.entries()), d);
  copy.values = Matrix(static_cast<size_t>(head.entries()), d);
  if (copy.compensation > 0) {
    const CompensationView view = head.compensation()->view(nullptr);
    std::memcpy(copy.keys.data(), view.keys, copy.compensation * d * sizeof(float));
    std::memcpy(copy.values.data(), view.values, copy.compensation * d * sizeof(float));
    copy.bias.assign(view.bias, view.bias + copy.compensation);
  }
  head.read_all(copy.keys.row(copy.compensation), copy.values.row(copy.compensation));
  return copy;
}

}  // namespace

void block_attention(const Shape& shape, const HeadCache& head, int kv_head, const QueriesKeysValues& block,
                     float* out, size_t out_stride) {
  const auto d = static_cast<size_t>(shape.head_size);
  const auto rows = static_cast<size_t>(block.tokens);
  const HeadRowsCopy copy = copy_rows(head, d);
  const size_t columns = copy.keys.rows;
  const std::span<const int32_t> positions = head.positions();
  Matrix scores(rows, columns);
  for (int g = 0; g < shape.group_size(); ++g) {
    const auto query_head = static_cast<size_t>(kv_head * shape.group_size() + g);
    const float slope = shape.alibi_slopes.empty() ? 0.0F : shape.alibi_slopes[query_head];
    multiply_transposed(rows, columns, d, shape.score_scale, block.q + query_head * d, block.stride,
                        copy.keys.data(), d, scores.data(), columns);
    for (size_t r = 0; r < rows; ++r) {
      float* row = scores.row(r);
      const size_t visible = columns - (rows - 1 - r);
      const int position = block.first_position + static_cast<int>(r);
      for (size_t c = 0; c < copy.compensation; ++c)
        row[c] += copy.bias[c] - slope * static_cast<float>(position);
      if (slope != 0.0F) {
        for (size_t c = copy.compensation; c < visible; ++c) {
          const auto slot = static_cast<int>(c - copy.compensation);
          const int held = positions.empty() ? slot : positions[static_cast<size_t>(slot)];
          row[c] -= slope * static_cast<float>(position - held);
        }
      }
      softmax_row(row, visible, 0.0F);
      std::fill(row + visible, row + columns, 0.0F);
    }
    multiply_plain(rows, d, columns, scores.data(), columns, copy.values.data(), d, out + query_head * d,
                   out_stride);
  }
}

}  // namespace razorscope
