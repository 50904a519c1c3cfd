#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace razorscope {

enum class PositionScheme { rope, alibi };
enum class RopePairing {
  interleaved,
  half
};  // which two of a head's channels rotate together: (2i, 2i+1) or (i, i+d/2)
enum class NormKind { rms, layer };
enum class MlpKind { swiglu, gelu };

struct RopeScheme {
  float theta = 10000.0F;
  int dimensions = 0;  // how many of a head's channels rotate, from the first
  RopePairing pairing = RopePairing::interleaved;
  float linear_scaling = 1.0F;  // positions are divided by it
  std::vector<float>
      frequency_factors;  // [dimensions / 2] each frequency is divided by its factor; empty: none
};

/// What a model is, without its weights. Heads are numbered from 0; query head q belongs to KV head q /
/// group_size().
struct Shape {
  std::string architecture;  // as the file names it: llama, mpt
  std::string name;
  int layers = 0;
  int query_heads = 0;
  int kv_heads = 0;
  int head_size = 0;
  int hidden = 0;
  int feed_forward = 0;
  int vocabulary = 0;
  int context = 0;
  float norm_epsilon = 1e-5F;
  float score_scale = 0.0F;  // 1 / sqrt(head_size)
  NormKind norm = NormKind::rms;
  MlpKind mlp = MlpKind::swiglu;
  bool tied_head = false;  // the embedding is the LM head's matrix too
  PositionScheme position = PositionScheme::rope;
  RopeScheme rope;
  std::vector<float> alibi_slopes;  // [query_heads], empty under RoPE

  int group_size() const { return query_heads / kv_heads; }
  int query_width() const { return query_heads * head_size; }
  int kv_width() const { return kv_heads * head_size; }
  /// Bytes of K and V of one token in all layers, at `bits` an element.
  double kv_bytes_per_token(double bits) const { return 2.0 * layers * kv_width() * bits / 8.0; }
};

/// ALiBi slopes of `heads` query heads (Press et al. 2022): 2^(-max_bias·h/H), h = 1..H for a power of two H;
/// else those of the largest power of two c <= H, followed by every other slope of 2c.
std::vector<float> alibi_slopes(int heads, float max_bias);

}  // namespace razorscope
