#pragma once

#include <vector>

#include "models/base/buffer.hpp"

namespace razorscope {

/// Scale (and for LayerNorm an optional bias, else empty) of a normalisation: [hidden].
struct NormWeights {
  Floats scale;
  Floats bias;
};

/// Matrices are [output rows, input columns], f32, dequantised once at load.
struct LayerWeights {
  NormWeights attention_norm;
  Matrix qkv;            // [(query_heads + 2·kv_heads)·head_size, hidden]: rows of Q, then K, then V
  Matrix attention_out;  // [hidden, query_heads·head_size]
  NormWeights mlp_norm;
  Matrix up;    // SwiGLU: [2·feed_forward, hidden], gate rows first; GELU: [feed_forward, hidden]
  Matrix down;  // [hidden, feed_forward]
};

struct Weights {
  Matrix embedding;  // [vocabulary, hidden]
  std::vector<LayerWeights> layers;
  NormWeights output_norm;
  Matrix output;  // [vocabulary, hidden]; empty where it is tied to the embedding

  const Matrix& head() const { return output.empty() ? embedding : output; }
};

}  // namespace razorscope
