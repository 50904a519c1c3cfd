#pragma once

#include <cstddef>
#include <cstdint>

#include "models/trace/trace.hpp"

namespace razorscope::cli {

/// What a trace of random numbers is made like.
struct SyntheticTrace {
  int layers = 0;
  int kv_heads = 0;
  int group = 0;  // query heads that share a KV head
  int head_size = 0;
  int tokens = 0;
  uint64_t seed = 0;

  int query_heads() const { return kv_heads * group; }
  /// Of all tensors, in f32.
  size_t bytes() const;
};

/// Queries, keys and values of normal numbers, and random probe scores, so that policies find retrieval
/// heads. Its file has no name any more once it is open, so that nothing is left behind.
Trace make_trace(const SyntheticTrace& wanted);

}  // namespace razorscope::cli
