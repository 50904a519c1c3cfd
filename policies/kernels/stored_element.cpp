#include "policies/kernels/stored_element.hpp"

#include <Eigen/Core>
#include <bit>
#include <cmath>
#include <cstring>

namespace razorscope {
namespace {

template <typename T>
T load(const std::byte* address) {
  T value;
  std::memcpy(&value, address, sizeof(T));
  return value;
}

double half(const std::byte* address) {
  return static_cast<double>(static_cast<float>(load<Eigen::half>(address)));
}

unsigned byte(const std::byte* address) { return std::to_integer<unsigned>(*address); }

double e4m3(unsigned code) {
  const int exponent = static_cast<int>(code >> 3U & 15U);
  const double fraction = (code & 7U) / 8.0;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -6) : std::ldexp(1.0 + fraction, exponent - 7);
  return (code & 128U) != 0 ? -magnitude : magnitude;
}

constexpr size_t block = 32;

/// Code i of a block whose bytes hold codes that lie as far apart as there are bytes.
unsigned packed_code(const std::byte* codes, unsigned bits, size_t i) {
  const size_t bytes = block * bits / 8;
  return byte(codes + i % bytes) >> (i / bytes * bits) & ((1U << bits) - 1U);
}

double kivi_key(const std::byte* groups, size_t stride, unsigned bits, size_t d, size_t row, size_t i) {
  const std::byte* group = groups + row / block * stride;
  const size_t token = row % block;
  const size_t code_rows = block * bits / 8;
  const unsigned code =
      byte(group + 4 * d + token % code_rows * d + i) >> (token / code_rows * bits) & ((1U << bits) - 1U);
  return half(group + 2 * i) * code + half(group + 2 * d + 2 * i);
}

double unscaled(const RowSegment& segment, size_t d, size_t row, size_t i) {
  const std::byte* at = segment.data + row * segment.stride;
  const size_t b = i / block;
  const size_t j = i % block;
  switch (segment.format) {
    case RowFormat::f32:
      return static_cast<double>(load<float>(at + 4 * i));
    case RowFormat::f16:
      return half(at + 2 * i);
    case RowFormat::bf16:
      return static_cast<double>(
          std::bit_cast<float>(static_cast<uint32_t>(load<uint16_t>(at + 2 * i)) << 16U));
    case RowFormat::fp8_e4m3:
      return e4m3(byte(at + i));
    case RowFormat::q8_0:
      return half(at + 34 * b) * load<int8_t>(at + 34 * b + 2 + j);
    case RowFormat::q4_0:
      return half(at + 18 * b) * (static_cast<int>(packed_code(at + 18 * b + 2, 4, j)) - 8);
    case RowFormat::q4_1:
    case RowFormat::kivi4_values:
      return half(at + 20 * b) * packed_code(at + 20 * b + 4, 4, j) + half(at + 20 * b + 2);
    case RowFormat::int8_token:
      return half(at) * byte(at + 4 + i) + half(at + 2);
    case RowFormat::kivi2_values:
      return half(at + 12 * b) * packed_code(at + 12 * b + 4, 2, j) + half(at + 12 * b + 2);
    case RowFormat::kivi4_keys:
      return kivi_key(segment.data, segment.stride, 4, d, row, i);
    case RowFormat::kivi2_keys:
      return kivi_key(segment.data, segment.stride, 2, d, row, i);
  }
  return 0.0;
}

}  // namespace

double stored_element(const RowSegment& segment, int head_size, int row, int i) {
  return segment.scale *
         unscaled(segment, static_cast<size_t>(head_size), static_cast<size_t>(row), static_cast<size_t>(i));
}

}  // namespace razorscope
