#pragma once

#include <Eigen/Core>
#include <bit>
#include <cstdint>

namespace razorscope {

// Roundings and conversions of single numbers, without branches or calls into the C library, so that loops
// over them vectorise on any target.

/// IEEE half precision to single, exactly.
inline float half_to_float(uint16_t half) {
  const uint32_t sign = (half & 0x8000U) << 16U;
  const uint32_t magnitude = (half & 0x7fffU) << 13U;  // exponent and fraction, at their place in a float
  constexpr uint32_t one_exponent = 1U << 23U;
  constexpr uint32_t rebias = (127U - 15U) * one_exponent;
  const uint32_t infinite = magnitude >= 31U * one_exponent ? rebias : 0U;
  // A subnormal half has no leading one: read with the smallest normal exponent, it has one too many. All
  // others subtract zero, since a subtraction for some only would be a branch.
  const uint32_t subnormal = magnitude < one_exponent ? one_exponent : 0U;
  const uint32_t excess = magnitude < one_exponent ? std::bit_cast<uint32_t>(0x1p-14F) : 0U;
  const float unsigned_value =
      std::bit_cast<float>(magnitude + rebias + infinite + subnormal) - std::bit_cast<float>(excess);
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(unsigned_value));
}

/// Into [lowest, highest]; NaN becomes lowest.
inline float clamped(float x, float lowest, float highest) {
  const float raised = x > lowest ? x : lowest;
  return raised < highest ? raised : highest;
}

/// The nearest half (ties to even), saturated at ±65504 so that no finite group decodes to infinities or NaN.
inline uint16_t saturated_half(float x) {
  constexpr float largest = 65504.0F;
  return std::bit_cast<uint16_t>(Eigen::half(clamped(x, -largest, largest)).x);
}

/// To the nearest integer, ties to even. |x| < 2^22.
inline float round_half_even(float x) {
  constexpr float shift = 0x1.8p23F;  // floats of this size are integers
  return (x + shift) - shift;
}

/// To the nearest integer, ties away from zero, as roundf. |x| < 2^31.
inline int round_half_away(float x) {
  const int whole = static_cast<int>(x);
  const float rest = x - static_cast<float>(whole);  // exact
  return whole + (rest >= 0.5F ? 1 : 0) - (rest <= -0.5F ? 1 : 0);
}

/// The code in 0 .. levels of x on the grid zero + scale·code, ties to even. Pass infinity as the scale of a
/// constant group: every code is then 0.
inline uint8_t grid_code(float x, float zero, float scale, float levels) {
  return static_cast<uint8_t>(static_cast<int>(round_half_even(clamped((x - zero) / scale, 0.0F, levels))));
}

}  // namespace razorscope
