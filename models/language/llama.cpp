// Llama: RMSNorm, RoPE, SwiGLU, GQA. GGUF files hold the rows of Q and K permuted so that RoPE turns
// neighbouring channels; they are put back here into the order of the published weights, where channel i
// turns with i + dimensions/2. Attention is the same either way, but codecs that group channels then group
// them as PyTorch engines do.
#include <cstring>
#include <fmt/format.h>

#include "models/language/architecture.hpp"

namespace razorscope {
namespace {

float read_linear_scaling(const GgufFile& file) {
  const std::string type = file.text("llama.rope.scaling.type", "none");
  if (type == "none") return 1.0F;
  if (type != "linear") {
    file.fail("llama.rope.scaling.type", fmt::format("'{}' is not supported; allowed: none, linear", type));
  }
  const double factor = file.real("llama.rope.scaling.factor");
  if (factor < 1.0)
    file.fail("llama.rope.scaling.factor", fmt::format("{} is out of range; allowed: from 1", factor));
  return static_cast<float>(factor);
}

Shape read_shape(const GgufFile& file) {
  Shape shape = read_common_shape(file, "attention.layer_norm_rms_epsilon");
  shape.norm = NormKind::rms;
  shape.mlp = MlpKind::swiglu;
  shape.position = PositionScheme::rope;
  const double theta = file.real("llama.rope.freq_base", 10000.0);
  if (theta <= 1.0)
    file.fail("llama.rope.freq_base", fmt::format("{} is out of range; allowed: above 1", theta));
  shape.rope.theta = static_cast<float>(theta);
  shape.rope.dimensions =
      static_cast<int>(file.integer("llama.rope.dimension_count", 2, shape.head_size, shape.head_size));
  if (shape.rope.dimensions % 2 != 0)
    file.fail("llama.rope.dimension_count", "must be even: channels rotate in pairs");
  shape.rope.pairing = RopePairing::half;
  shape.rope.linear_scaling = read_linear_scaling(file);
  WeightReader reader(file, Compute::f32);
  if (reader.has("rope_freqs.weight")) {
    const Floats factors = reader.vector("rope_freqs.weight", static_cast<size_t>(shape.rope.dimensions) / 2);
    for (size_t i = 0; i < factors.size(); ++i) {
      if (factors[i] <= 0.0F) file.fail("rope_freqs.weight", "holds a factor that is not positive");
    }
    shape.rope.frequency_factors.assign(factors.data(), factors.data() + factors.size());
  }
  return shape;
}

/// Rows 2i and 2i+1 of each head, i < dimensions/2, become rows i and i + dimensions/2.
void separate_pairs(Matrix& weight, size_t first_row, int heads, const Shape& shape) {
  const auto pairs = static_cast<size_t>(shape.rope.dimensions) / 2;
  const size_t row_bytes = weight.columns * sizeof(float);
  Matrix head(2 * pairs, weight.columns);
  for (int h = 0; h < heads; ++h) {
    const size_t begin = first_row + static_cast<size_t>(h) * static_cast<size_t>(shape.head_size);
    for (size_t i = 0; i < pairs; ++i) {
      std::memcpy(head.row(i), weight.row(begin + 2 * i), row_bytes);
      std::memcpy(head.row(i + pairs), weight.row(begin + 2 * i + 1), row_bytes);
    }
    std::memcpy(weight.row(begin), head.data(), 2 * pairs * row_bytes);
  }
}

Weights read_weights(WeightReader& reader, const Shape& shape) {
  const auto hidden = static_cast<size_t>(shape.hidden);
  const auto query_width = static_cast<size_t>(shape.query_width());
  const auto kv_width = static_cast<size_t>(shape.kv_width());
  const auto feed_forward = static_cast<size_t>(shape.feed_forward);
  const auto vocabulary = static_cast<size_t>(shape.vocabulary);
  Weights weights;
  weights.embedding = reader.matrix("token_embd.weight", vocabulary, hidden);
  for (int i = 0; i < shape.layers; ++i) {
    const std::string block = fmt::format("blk.{}.", i);
    LayerWeights& layer = weights.layers.emplace_back();
    layer.attention_norm.scale = reader.vector(block + "attn_norm.weight", hidden);
    Matrix qkv(query_width + 2 * kv_width, hidden);
    reader.rows(block + "attn_q.weight", qkv, 0, query_width);
    reader.rows(block + "attn_k.weight", qkv, query_width, kv_width);
    reader.rows(block + "attn_v.weight", qkv, query_width + kv_width, kv_width);
    separate_pairs(qkv, 0, shape.query_heads + shape.kv_heads, shape);  // K's rows follow Q's
    layer.qkv = reader.pack(qkv);
    layer.attention_out = reader.packed(block + "attn_output.weight", hidden, query_width);
    layer.mlp_norm.scale = reader.vector(block + "ffn_norm.weight", hidden);
    layer.gate = reader.packed(block + "ffn_gate.weight", feed_forward, hidden);
    layer.up = reader.packed(block + "ffn_up.weight", feed_forward, hidden);
    layer.down = reader.packed(block + "ffn_down.weight", hidden, feed_forward);
  }
  weights.output_norm.scale = reader.vector("output_norm.weight", hidden);
  weights.head = reader.has("output.weight") ? reader.packed("output.weight", vocabulary, hidden)
                                             : reader.pack(weights.embedding);
  if (!shape.rope.frequency_factors.empty()) {
    reader.vector("rope_freqs.weight",
                  shape.rope.frequency_factors.size());  // read with the shape; taken here too
  }
  return weights;
}

}  // namespace

const Architecture& llama_architecture() {
  static const Architecture architecture = {"llama", read_shape, read_weights};
  return architecture;
}

}  // namespace razorscope
