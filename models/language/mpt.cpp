// MPT: LayerNorm without bias, ALiBi, exact GELU, no biases, one fused matrix for Q, K and V.
#include <fmt/format.h>

#include "models/language/architecture.hpp"

namespace razorscope {
namespace {

Shape read_shape(const GgufFile& file) {
  Shape shape = read_common_shape(file, "attention.layer_norm_epsilon");
  shape.norm = NormKind::layer;
  shape.mlp = MlpKind::gelu;
  shape.position = PositionScheme::alibi;
  const double max_bias = file.real("mpt.attention.max_alibi_bias");
  if (max_bias <= 0.0 || max_bias > 64.0) {
    file.fail(
        "mpt.attention.max_alibi_bias",
        fmt::format("{} is out of range; allowed: above 0, at most 64 (learned positions are not supported)",
                    max_bias));
  }
  shape.alibi_slopes = alibi_slopes(shape.query_heads, static_cast<float>(max_bias));
  if (file.real("mpt.attention.clamp_kqv", 0.0) != 0.0) {
    file.fail("mpt.attention.clamp_kqv", "clamped queries, keys and values are not supported");
  }
  return shape;
}

Weights read_weights(WeightReader& reader, const Shape& shape) {
  const auto hidden = static_cast<size_t>(shape.hidden);
  const auto query_width = static_cast<size_t>(shape.query_width());
  const auto fused_rows = static_cast<size_t>(shape.query_width() + 2 * shape.kv_width());
  const auto feed_forward = static_cast<size_t>(shape.feed_forward);
  const auto vocabulary = static_cast<size_t>(shape.vocabulary);
  Weights weights;
  weights.embedding = reader.matrix("token_embd.weight", vocabulary, hidden);
  for (int i = 0; i < shape.layers; ++i) {
    const std::string block = fmt::format("blk.{}.", i);
    LayerWeights& layer = weights.layers.emplace_back();
    layer.attention_norm.scale = reader.vector(block + "attn_norm.weight", hidden);
    layer.qkv = reader.packed(block + "attn_qkv.weight", fused_rows, hidden);
    layer.attention_out = reader.packed(block + "attn_output.weight", hidden, query_width);
    layer.mlp_norm.scale = reader.vector(block + "ffn_norm.weight", hidden);
    layer.up = reader.packed(block + "ffn_up.weight", feed_forward, hidden);
    layer.down = reader.packed(block + "ffn_down.weight", hidden, feed_forward);
  }
  weights.output_norm.scale = reader.vector("output_norm.weight", hidden);
  weights.head = reader.has("output.weight") ? reader.packed("output.weight", vocabulary, hidden)
                                             : reader.pack(weights.embedding);
  return weights;
}

}  // namespace

const Architecture& mpt_architecture() {
  static const Architecture architecture = {"mpt", read_shape, read_weights};
  return architecture;
}

}  // namespace razorscope
