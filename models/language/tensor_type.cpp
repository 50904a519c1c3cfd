#include "models/language/tensor_type.hpp"

#include <Eigen/Core>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace razorscope {
namespace {

constexpr size_t block = 32;

template <typename T>
T load(const std::byte* address) {
  T value;
  std::memcpy(&value, address, sizeof(T));
  return value;
}

float load_f16(const std::byte* address) { return static_cast<float>(load<Eigen::half>(address)); }

/// Nibble `i` of a block: the low halves of the 16 bytes are elements 0..15, the high halves 16..31.
int nibble(const std::byte* packed, size_t i) {
  const auto byte = std::to_integer<unsigned>(packed[i % (block / 2)]);
  return static_cast<int>(i < block / 2 ? byte & 15U : byte >> 4U);
}

}  // namespace

std::optional<TensorTypeTraits> tensor_type_traits(uint32_t type) {
  switch (static_cast<TensorType>(type)) {
    case TensorType::f32:
      return TensorTypeTraits{"F32", 1, 4};
    case TensorType::f16:
      return TensorTypeTraits{"F16", 1, 2};
    case TensorType::bf16:
      return TensorTypeTraits{"BF16", 1, 2};
    case TensorType::q8_0:
      return TensorTypeTraits{"Q8_0", block, 2 + block};
    case TensorType::q4_0:
      return TensorTypeTraits{"Q4_0", block, 2 + block / 2};
    case TensorType::q4_1:
      return TensorTypeTraits{"Q4_1", block, 4 + block / 2};
  }
  return std::nullopt;
}

TensorTypeTraits traits_of(TensorType type) {
  return tensor_type_traits(static_cast<uint32_t>(type)).value();
}

std::string readable_tensor_types() { return "F32, F16, BF16, Q8_0, Q4_0, Q4_1"; }

void dequantise(TensorType type, std::span<const std::byte> data, std::span<float> out) {
  static_assert(std::endian::native == std::endian::little, "GGUF is read in place as little-endian");
  const TensorTypeTraits traits = traits_of(type);
  const size_t blocks = out.size() / traits.block_elements;
  if (blocks * traits.block_elements != out.size() || blocks * traits.block_bytes != data.size()) {
    throw std::invalid_argument("dequantise: sizes do not match");
  }
  const std::byte* in = data.data();
  float* x = out.data();
  switch (type) {
    case TensorType::f32:
      std::memcpy(x, in, data.size());
      return;
    case TensorType::f16:
      for (size_t i = 0; i < blocks; ++i) x[i] = load_f16(in + 2 * i);
      return;
    case TensorType::bf16:
      for (size_t i = 0; i < blocks; ++i) {
        x[i] = std::bit_cast<float>(static_cast<uint32_t>(load<uint16_t>(in + 2 * i)) << 16U);
      }
      return;
    case TensorType::q8_0:
      for (size_t b = 0; b < blocks; ++b, in += traits.block_bytes, x += block) {
        const float scale = load_f16(in);
        for (size_t i = 0; i < block; ++i) x[i] = scale * static_cast<float>(load<int8_t>(in + 2 + i));
      }
      return;
    case TensorType::q4_0:
      for (size_t b = 0; b < blocks; ++b, in += traits.block_bytes, x += block) {
        const float scale = load_f16(in);
        for (size_t i = 0; i < block; ++i) x[i] = scale * static_cast<float>(nibble(in + 2, i) - 8);
      }
      return;
    case TensorType::q4_1:
      for (size_t b = 0; b < blocks; ++b, in += traits.block_bytes, x += block) {
        const float scale = load_f16(in);
        const float minimum = load_f16(in + 2);
        for (size_t i = 0; i < block; ++i) x[i] = scale * static_cast<float>(nibble(in + 4, i)) + minimum;
      }
      return;
  }
}

}  // namespace razorscope
