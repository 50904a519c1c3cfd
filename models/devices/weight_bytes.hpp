#pragma once

#include <string>
#include <vector>

#include "models/language/shape.hpp"

namespace razorscope {

/// How the matrices of a deployed model are stored. int4 has an f16 scale for each 128 weights.
enum class WeightType { bf16, fp8, int8, int4 };

/// By the name that the command line uses; InputError(where) with the allowed ones.
WeightType weight_type(const std::string& where, const std::string& name);
std::string weight_type_name(WeightType type);
double bytes_per_weight(WeightType type);

/// One matrix product of a decoder layer as each of tp ranks computes it: [rows, inputs] x [inputs, outputs].
struct GemmShape {
  double inputs = 0.0;
  double outputs = 0.0;
  double weights() const { return inputs * outputs; }
};

/// KV heads of the rank that has the most: ceil(kv_heads / tp); with fewer heads than ranks they are
/// replicated.
int kv_heads_per_rank(const Shape& shape, int tp);

/// InputError where query heads cannot be shared out evenly, or there are more ranks than query heads.
void check_tensor_parallel(const Shape& shape, int tp);

/// qkv, o, gate+up (up alone without a gate), down: a rank's share of each.
std::vector<GemmShape> layer_gemms(const Shape& shape, int tp);
/// The LM head, a rank's share.
GemmShape head_gemm(const Shape& shape, int tp);

/// Bytes that a rank holds of the weights: layers and LM head in `type`, the embedding (shared with the head
/// where they are tied) and the norms in 16 bits.
double weight_memory_bytes(const Shape& shape, WeightType type, int tp);

}  // namespace razorscope
