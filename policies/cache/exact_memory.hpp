#pragma once

#include <vector>

#include "models/base/buffer.hpp"
#include "models/language/attention_memory.hpp"
#include "models/language/shape.hpp"
#include "policies/kernels/prefill_attention.hpp"

namespace razorscope {

/// The uncompressed cache in f32: what prefill computes with, and what every policy starts from. Owns
/// 2·layers·kv_heads·capacity·head_size floats.
class ExactMemory final : public AttentionMemory {
 public:
  /// Room for `capacity` tokens; more throw std::length_error.
  ExactMemory(const Shape& shape, int capacity);

  /// From here on `prefill` also sums, in every layer, what the queries at positions [begin, end) give each
  /// of the tokens before `end`.
  void sum_columns(int begin, int end);
  /// Gives away the sums over the queries from `begin` on, which sum_columns asked for: [query_heads, end].
  std::vector<double> take_columns(int layer, int begin);

  void prefill(int layer, const QueriesKeysValues& block, float* out) override;
  void step(int layer, const QueriesKeysValues& token, float* out) override;

  ExactLayer layer(int index) const;

 private:
  void append(int layer, const QueriesKeysValues& block);

  Shape shape_;
  int capacity_;
  std::vector<Floats> keys_;                      // per layer [kv_heads, capacity, head_size]
  std::vector<Floats> values_;                    // per layer [kv_heads, capacity, head_size]
  std::vector<std::vector<ColumnSums>> columns_;  // per layer
};

}  // namespace razorscope
