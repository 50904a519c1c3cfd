#pragma once

#include <vector>

#include "models/base/buffer.hpp"
#include "models/language/packed_weights.hpp"

namespace razorscope {

/// Scale (and for LayerNorm an optional bias, else empty) of a normalisation: [hidden].
struct NormWeights {
  Floats scale;
  Floats bias;
};

/// Matrices are [output rows, input columns], dequantised and packed once at load.
struct LayerWeights {
  NormWeights attention_norm;
  PackedWeights qkv;            // [(query_heads + 2·kv_heads)·head_size, hidden]: rows of Q, then K, then V
  PackedWeights attention_out;  // [hidden, query_heads·head_size]
  NormWeights mlp_norm;
  PackedWeights gate;  // [feed_forward, hidden] of SwiGLU; empty for GELU
  PackedWeights up;    // [feed_forward, hidden]
  PackedWeights down;  // [hidden, feed_forward]
};

struct Weights {
  Matrix embedding;  // [vocabulary, hidden], f32: rows are looked up
  std::vector<LayerWeights> layers;
  NormWeights output_norm;
  PackedWeights head;  // [vocabulary, hidden]; the embedding again where the two are tied
};

}  // namespace razorscope
