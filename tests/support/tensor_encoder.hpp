#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

#include "models/language/tensor_type.hpp"

namespace razorscope::testing {

/// The nearest IEEE half, ties to even; beyond its range infinity.
inline uint16_t to_f16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16U & 0x8000U;
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7e00U);
  const double magnitude = std::abs(static_cast<double>(value));
  constexpr double largest = 65504.0;
  constexpr double halfway_to_infinity = 65520.0;
  if (magnitude >= halfway_to_infinity) return static_cast<uint16_t>(sign | 0x7c00U);
  if (magnitude == 0.0) return static_cast<uint16_t>(sign);
  // A half is m · 2^(e - 10) with e from -14; below 2^-14 the step stays what it is there.
  const int exponent = std::max(std::ilogb(std::min(magnitude, largest)), -14);
  const auto steps = static_cast<uint32_t>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  return static_cast<uint16_t>(sign | (static_cast<uint32_t>(exponent + 14) * 1024U + steps));
}

/// What the half stands for, from its definition.
inline double from_f16(uint16_t half) {
  const int exponent = half >> 10U & 31U;
  const double fraction = half & 1023U;
  const double sign = (half & 0x8000U) != 0 ? -1.0 : 1.0;
  if (exponent == 31) return fraction == 0.0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024.0 + fraction, exponent - 25);
}

/// The nearest bfloat16, ties to even.
inline uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16U | 0x40U);
  return static_cast<uint16_t>((bits + 0x7fffU + (bits >> 16U & 1U)) >> 16U);
}

inline double from_bf16(uint16_t value) {
  return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(value) << 16U));
}

/// `values` in blocks of a type, each block with the scale that suits it. The number of values must be whole
/// blocks.
inline std::vector<std::byte> encode(TensorType type, std::span<const float> values) {
  constexpr size_t block = 32;
  const TensorTypeTraits traits = traits_of(type);
  if (values.size() % traits.block_elements != 0) throw std::invalid_argument("encode: not whole blocks");
  std::vector<std::byte> out;
  const auto put = [&out](const auto& value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    out.insert(out.end(), bytes.begin(), bytes.end());
  };
  const auto put_nibbles = [&](std::span<const float> x, double scale, double minimum) {
    const auto level = [&](size_t i) {
      const double steps = scale == 0.0 ? 0.0 : std::nearbyint((static_cast<double>(x[i]) - minimum) / scale);
      return static_cast<uint32_t>(std::clamp(steps, 0.0, 15.0));
    };
    for (size_t i = 0; i < block / 2; ++i) put(static_cast<uint8_t>(level(i) | level(i + block / 2) << 4U));
  };
  switch (type) {
    case TensorType::f32:
      for (const float x : values) put(x);
      return out;
    case TensorType::f16:
      for (const float x : values) put(to_f16(x));
      return out;
    case TensorType::bf16:
      for (const float x : values) put(to_bf16(x));
      return out;
    default:
      break;
  }
  for (; !values.empty(); values = values.subspan(block)) {
    const std::span<const float> x = values.first(block);
    const auto [lowest, highest] = std::minmax_element(x.begin(), x.end());
    const float farthest = -*lowest > *highest ? *lowest : *highest;
    if (type == TensorType::q8_0) {
      const uint16_t scale = to_f16(std::abs(farthest) / 127.0F);
      put(scale);
      const double step = from_f16(scale);
      for (const float value : x) {
        const double steps = step == 0.0 ? 0.0 : std::nearbyint(static_cast<double>(value) / step);
        put(static_cast<int8_t>(std::clamp(steps, -127.0, 127.0)));
      }
    } else if (type == TensorType::q4_0) {
      const uint16_t scale = to_f16(farthest / -8.0F);
      put(scale);
      put_nibbles(x, from_f16(scale), -8.0 * from_f16(scale));
    } else {
      const uint16_t scale = to_f16((*highest - *lowest) / 15.0F);
      const uint16_t minimum = to_f16(*lowest);
      put(scale);
      put(minimum);
      put_nibbles(x, from_f16(scale), from_f16(minimum));
    }
  }
  return out;
}

}  // namespace razorscope::testing
