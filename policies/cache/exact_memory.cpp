#include "policies/cache/exact_memory.hpp"

#include <cstring>
#include <stdexcept>
#include <utility>

#include "policies/kernels/attend.hpp"

namespace razorscope {

ExactMemory::ExactMemory(const Shape& shape, int capacity)
    : shape_(shape), capacity_(capacity), columns_(static_cast<size_t>(shape.layers)) {
  const size_t floats = static_cast<size_t>(capacity) * static_cast<size_t>(shape.kv_width());
  for (int i = 0; i < shape.layers; ++i) {
    keys_.emplace_back(floats);
    values_.emplace_back(floats);
  }
}

ExactLayer ExactMemory::layer(int index) const {
  const auto i = static_cast<size_t>(index);
  return {keys_[i].data(), values_[i].data(),
          static_cast<size_t>(capacity_) * static_cast<size_t>(shape_.head_size)};
}

void ExactMemory::sum_columns(int begin, int end) {
  for (std::vector<ColumnSums>& layer : columns_) layer.emplace_back(shape_, begin, end, end);
}

std::vector<double> ExactMemory::take_columns(int layer, int begin) {
  for (ColumnSums& columns : columns_[static_cast<size_t>(layer)]) {
    if (columns.begin == begin) return std::move(columns.sums);
  }
  throw std::logic_error("ExactMemory: these columns were not asked for");
}

void ExactMemory::append(int layer, const QueriesKeysValues& block) {
  if (block.first_position + block.tokens > capacity_)
    throw std::length_error("ExactMemory: more tokens than its capacity");
  const auto d = static_cast<size_t>(shape_.head_size);
  float* keys = keys_[static_cast<size_t>(layer)].data();
  float* values = values_[static_cast<size_t>(layer)].data();
  for (int t = 0; t < block.tokens; ++t) {
    const size_t from = static_cast<size_t>(t) * block.stride;
    for (int h = 0; h < shape_.kv_heads; ++h) {
      const auto slot = static_cast<size_t>(h) * static_cast<size_t>(capacity_) +
                        static_cast<size_t>(block.first_position + t);
      std::memcpy(keys + slot * d, block.k + from + static_cast<size_t>(h) * d, d * sizeof(float));
      std::memcpy(values + slot * d, block.v + from + static_cast<size_t>(h) * d, d * sizeof(float));
    }
  }
}

void ExactMemory::prefill(int layer, const QueriesKeysValues& block, float* out) {
  append(layer, block);
  prefill_attention(shape_, this->layer(layer), block, out, columns_[static_cast<size_t>(layer)]);
}

void ExactMemory::step(int layer, const QueriesKeysValues& token, float* out) {
  // The last chunk of a prefix may be one token.
  const int position = token.first_position;
  for (const ColumnSums& columns : columns_[static_cast<size_t>(layer)]) {
    if (position >= columns.begin && position < columns.end) return prefill(layer, token, out);
  }
  append(layer, token);
  const ExactLayer exact = this->layer(layer);
  const int group = shape_.group_size();
  const size_t row_bytes = static_cast<size_t>(shape_.head_size) * sizeof(float);
  std::vector<AttentionJob> jobs(static_cast<size_t>(shape_.kv_heads));
  for (int h = 0; h < shape_.kv_heads; ++h) {
    const size_t offset = static_cast<size_t>(h) * exact.head_stride;
    auto& [head, query, output] = jobs[static_cast<size_t>(h)];
    head.head_size = shape_.head_size;
    head.slots = token.first_position + 1;
    const auto rows = [&](const float* first) {
      return RowSegment{RowFormat::f32, reinterpret_cast<const std::byte*>(first + offset), row_bytes,
                        head.slots};
    };
    head.keys = rows(exact.keys);
    head.values = rows(exact.values);
    const ptrdiff_t first = static_cast<ptrdiff_t>(h) * group;
    query.group = group;
    query.q = token.q + first * shape_.head_size;
    query.scale = shape_.score_scale;
    query.slopes = shape_.alibi_slopes.empty() ? nullptr : shape_.alibi_slopes.data() + first;
    query.position = token.first_position;
    output.out = out + first * shape_.head_size;
  }
  attend_heads(jobs);
}

}  // namespace razorscope
