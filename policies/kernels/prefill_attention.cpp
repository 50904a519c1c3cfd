#include "policies/kernels/prefill_attention.hpp"

#include <algorithm>

#include "models/base/buffer.hpp"
#include "models/base/parallel.hpp"
#include "models/language/linear.hpp"
#include "policies/kernels/attend.hpp"

namespace razorscope {
namespace {

constexpr int query_block =
    64;  // rows of scores at a time: 64 x 8192 floats are 2 MiB, the size of a core's L2

}  // namespace

void prefill_attention(const Shape& shape, const ExactLayer& layer, const QueriesKeysValues& block,
                       float* out) {
  const auto d = static_cast<size_t>(shape.head_size);
  const int blocks = (block.tokens + query_block - 1) / query_block;
  const int jobs = blocks * shape.query_heads;
  const auto out_stride = static_cast<size_t>(shape.query_width());
  parallel_for(jobs, [&](int job) {
    // Late blocks have the most keys: they go first, so that no thread is left with one at the end.
    const int begin = (blocks - 1 - job / shape.query_heads) * query_block;
    const int head = job % shape.query_heads;
    const int rows = std::min(query_block, block.tokens - begin);
    const auto keys = static_cast<size_t>(block.first_position + begin + rows);
    const size_t kv_offset = static_cast<size_t>(head / shape.group_size()) * layer.head_stride;
    const float* q = block.q + static_cast<size_t>(begin) * block.stride + static_cast<size_t>(head) * d;
    const float slope = shape.alibi_slopes.empty() ? 0.0F : shape.alibi_slopes[static_cast<size_t>(head)];
    Matrix scores(static_cast<size_t>(rows), keys);
    multiply_transposed(scores.rows, keys, d, shape.score_scale, q, block.stride, layer.keys + kv_offset, d,
                        scores.data(), keys);
    for (int r = 0; r < rows; ++r) {
      float* row = scores.row(static_cast<size_t>(r));
      const auto visible = static_cast<size_t>(block.first_position + begin + r + 1);
      softmax_row(row, visible, slope);
      std::fill(row + visible, row + keys, 0.0F);
    }
    multiply_plain(scores.rows, d, keys, scores.data(), keys, layer.values + kv_offset, d,
                   out + static_cast<size_t>(begin) * out_stride + static_cast<size_t>(head) * d, out_stride);
  });
}

}  // namespace razorscope
