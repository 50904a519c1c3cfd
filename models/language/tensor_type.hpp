#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace razorscope {

/// Storage types of GGUF tensors, with the numbers that the format gives them.
enum class TensorType : uint32_t { f32 = 0, f16 = 1, q4_0 = 2, q4_1 = 3, q8_0 = 8, bf16 = 30 };

struct TensorTypeTraits {
  std::string_view name;
  size_t block_elements;  // consecutive elements of a row that share a block
  size_t block_bytes;
};

/// Traits of a type number, or nullopt where this program cannot read it.
std::optional<TensorTypeTraits> tensor_type_traits(uint32_t type);
TensorTypeTraits traits_of(TensorType type);
/// "F32, F16, ...": what errors name as allowed.
std::string readable_tensor_types();

/// Decodes whole blocks. `data` holds out.size() / block_elements blocks.
///   f32, f16, bf16: plain, little-endian
///   q8_0: f16 scale d, 32 int8 q:          x = d·q
///   q4_0: f16 scale d, 16 bytes of nibbles: x = d·(q - 8); the low nibbles are elements 0..15, the high
///   ones 16..31 q4_1: f16 scale d, f16 minimum m, ...:  x = d·q + m
void dequantise(TensorType type, std::span<const std::byte> data, std::span<float> out);

}  // namespace razorscope
