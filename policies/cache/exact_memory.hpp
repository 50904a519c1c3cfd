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

  void prefill(int layer, const QueriesKeysValues& block, float* out) override;
  void step(int layer, const QueriesKeysValues& token, float* out) override;

  ExactLayer layer(int index) const;

 private:
  void append(int layer, const QueriesKeysValues& block);

  Shape shape_;
  int capacity_;
  std::vector<Floats> keys_;    // per layer [kv_heads, capacity, head_size]
  std::vector<Floats> values_;  // per layer [kv_heads, capacity, head_size]
};

}  // namespace razorscope
