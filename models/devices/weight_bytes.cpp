#include "models/devices/weight_bytes.hpp"

#include <array>
#include <fmt/format.h>
#include <utility>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

constexpr std::array<std::pair<const char*, WeightType>, 4> types = {{{"bf16", WeightType::bf16},
                                                                      {"fp8", WeightType::fp8},
                                                                      {"int8", WeightType::int8},
                                                                      {"int4", WeightType::int4}}};
constexpr double sixteen_bits = 2.0;

}  // namespace

WeightType weight_type(const std::string& where, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& [known, type] : types) {
    if (name == known) return type;
    names.emplace_back(known);
  }
  throw InputError(where, unknown_name("type of weights", name, names));
}

std::string weight_type_name(WeightType type) {
  for (const auto& [name, known] : types) {
    if (known == type) return name;
  }
  return "";
}

double bytes_per_weight(WeightType type) {
  constexpr double group = 128.0;
  switch (type) {
    case WeightType::bf16:
      return sixteen_bits;
    case WeightType::int4:
      return 0.5 + sixteen_bits / group;
    default:
      return 1.0;
  }
}

int kv_heads_per_rank(const Shape& shape, int tp) { return (shape.kv_heads + tp - 1) / tp; }

void check_tensor_parallel(const Shape& shape, int tp) {
  if (tp < 1 || tp > shape.query_heads || shape.query_heads % tp != 0) {
    throw InputError("--tp", fmt::format("{} ranks cannot share the {} query heads of {} evenly", tp,
                                         shape.query_heads, shape.name));
  }
}

std::vector<GemmShape> layer_gemms(const Shape& shape, int tp) {
  const double hidden = shape.hidden;
  const double query_width = static_cast<double>(shape.query_width()) / tp;
  const double kv_width = static_cast<double>(kv_heads_per_rank(shape, tp)) * shape.head_size;
  const double feed_forward = static_cast<double>(shape.feed_forward) / tp;
  const double up = shape.mlp == MlpKind::swiglu ? 2.0 * feed_forward : feed_forward;
  return {
      {hidden, query_width + 2.0 * kv_width}, {query_width, hidden}, {hidden, up}, {feed_forward, hidden}};
}

GemmShape head_gemm(const Shape& shape, int tp) {
  return {static_cast<double>(shape.hidden), static_cast<double>(shape.vocabulary) / tp};
}

double weight_memory_bytes(const Shape& shape, WeightType type, int tp) {
  double layer = 0.0;
  for (const GemmShape& gemm : layer_gemms(shape, tp)) layer += gemm.weights();
  const double head = head_gemm(shape, tp).weights();
  const double norms = (2.0 * shape.layers + 1.0) * shape.hidden * sixteen_bits;
  const double matrices = shape.layers * layer * bytes_per_weight(type) + norms;
  if (shape.tied_head) return matrices + head * sixteen_bits;
  return matrices + head * (bytes_per_weight(type) + sixteen_bits);
}

}  // namespace razorscope
