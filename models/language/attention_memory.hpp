#pragma once

#include <cstddef>

namespace razorscope {

/// Queries, keys and values of consecutive tokens of one sequence in one layer, after the position scheme was
/// applied (RoPE rotates q and k; ALiBi leaves them). Row i belongs to position first_position + i:
///   q + i·stride: [query_heads, head_size]    k + i·stride, v + i·stride: [kv_heads, head_size]
/// Views into the caller's buffers, valid during the call only.
struct QueriesKeysValues {
  int first_position = 0;
  int tokens = 0;
  size_t stride = 0;  // floats from one token's row to the next
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
};

/// What one sequence remembers of its past: its KV cache, and how attention over it is computed. Declared
/// here, where the transformer needs it, and implemented by the caches in policies/.
///
/// Contract. The transformer owns nothing here; it calls, for every layer in ascending order, `prefill` with
/// blocks of consecutive tokens whose positions continue where the last block ended, or `step` with one
/// token. Each call adds the tokens to the memory and then writes their attention outputs, causal: a token
/// sees itself and what is remembered of the tokens before it. out: [tokens, query_heads·head_size],
/// row-major, contiguous. Not thread-safe: one thread drives a sequence; an implementation may use OpenMP
/// inside.
class AttentionMemory {
 public:
  virtual ~AttentionMemory() = default;
  virtual void prefill(int layer, const QueriesKeysValues& block, float* out) = 0;
  virtual void step(int layer, const QueriesKeysValues& token, float* out) = 0;
};

}  // namespace razorscope
