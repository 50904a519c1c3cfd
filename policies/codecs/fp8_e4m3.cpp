#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "policies/codecs/rounding.hpp"
#include "policies/codecs/row_codec.hpp"

namespace razorscope {
namespace {

constexpr float largest_e4m3 = 448.0F;

/// The value of a code of the OCP 8-bit format E4M3: sign, 4 exponent bits with bias 7, 3 fraction bits, no
/// infinity. The two NaN codes are never made; they read as ±480.
constexpr float value_of(unsigned code) {
  const unsigned exponent = code >> 3U & 15U;
  const auto fraction = static_cast<float>(code & 7U);
  float magnitude = exponent == 0 ? fraction / 8.0F * 0x1p-6F : 1.0F + fraction / 8.0F;
  for (unsigned e = 7; e < exponent; ++e) magnitude *= 2.0F;
  for (unsigned e = exponent; exponent > 0 && e < 7; ++e) magnitude /= 2.0F;
  return (code & 128U) != 0 ? -magnitude : magnitude;
}

constexpr std::array<float, 256> all_values() {
  std::array<float, 256> values = {};
  for (unsigned code = 0; code < values.size(); ++code) values[code] = value_of(code);
  return values;
}

/// The nearest code, ties to even, saturated at ±448.
uint8_t code_of(float x) {
  const uint32_t sign = std::bit_cast<uint32_t>(x) >> 24U & 128U;
  const float magnitude = clamped(std::fabs(x), 0.0F, largest_e4m3);
  // Normal: keep 3 fraction bits; a carry goes into the exponent, as it should. Subnormal: steps of 2^-9.
  const auto bits = std::bit_cast<uint32_t>(magnitude);
  const uint32_t normal = ((bits + 0x7ffffU + (bits >> 20U & 1U)) >> 20U) - ((127U - 7U) << 3U);
  const auto subnormal = static_cast<uint32_t>(static_cast<int>(round_half_even(magnitude * 512.0F)));
  return static_cast<uint8_t>(sign | (magnitude < 0x1p-6F ? subnormal : normal));
}

/// As GPU engines store it: one scale a head, such that the largest magnitude of the head's prefix becomes
/// 448; what comes later saturates.
class Fp8E4m3 final : public RowFormatCodec {
 public:
  size_t row_bytes(int head_size) const override { return static_cast<size_t>(head_size); }
  std::optional<RowFormat> kernel_format() const override { return RowFormat::fp8_e4m3; }
  float full_scale() const override { return largest_e4m3; }
  void encode(const float* row, int head_size, float head_scale, std::byte* out) const override {
    for (int i = 0; i < head_size; ++i) out[i] = static_cast<std::byte>(code_of(row[i] / head_scale));
  }
  void decode(const std::byte* stored, int rows, int head_size, float head_scale, float* out) const override {
    static constexpr std::array<float, 256> values = all_values();
    const size_t count = static_cast<size_t>(rows) * static_cast<size_t>(head_size);
    for (size_t i = 0; i < count; ++i) out[i] = head_scale * values[static_cast<size_t>(stored[i])];
  }
};

}  // namespace

CodecEntry fp8_e4m3_codec() {
  return row_codec_entry<Fp8E4m3>("fp8-e4m3",
                                  "8-bit float, one scale a head set by its prefix; later tokens saturate");
}

}  // namespace razorscope
