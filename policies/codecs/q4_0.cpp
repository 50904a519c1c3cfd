#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "policies/codecs/block_format.hpp"
#include "policies/codecs/rounding.hpp"

namespace razorscope {
namespace {

/// ggml's block_q4_0, byte for byte: d = m / -8 with m the element of the largest magnitude (the first of
/// them) and its sign, code = min(15, floor(x / d + 8.5)), d as it was before it is rounded to half
/// precision; low nibbles hold elements 0 .. 15. Where ggml's d would be infinite (|x| > 8·65504) it
/// saturates here.
struct Q4Block {
  uint16_t scale;
  std::array<uint8_t, group_size / 2> codes;

  static constexpr size_t scale_bytes = sizeof(uint16_t);
  static constexpr RowFormat kernel_format = RowFormat::q4_0;

  static void encode(const float* __restrict x, Q4Block* __restrict block) {
    const float magnitude = largest_magnitude(x);
    const float* peak =
        std::find_if(x, x + group_size, [&](float value) { return std::fabs(value) == magnitude; });
    const float d = (peak == x + group_size ? 0.0F : *peak) / -8.0F;
    const float inverse = d == 0.0F ? 0.0F : 1.0F / d;
    block->scale = saturated_half(d);
    const auto code = [&](float value) {
      return static_cast<uint8_t>(static_cast<int>(clamped(value * inverse + 8.5F, 0.0F, 15.0F)));
    };
    constexpr size_t half = group_size / 2;
    for (size_t i = 0; i < half; ++i) {
      block->codes[i] = static_cast<uint8_t>(code(x[i]) | code(x[i + half]) << 4);
    }
  }

  static void decode(const Q4Block* __restrict block, float* __restrict out) {
    const float d = half_to_float(block->scale);
    constexpr size_t half = group_size / 2;
    for (size_t i = 0; i < half; ++i) out[i] = d * static_cast<float>((block->codes[i] & 15) - 8);
    for (size_t i = 0; i < half; ++i) out[i + half] = d * static_cast<float>((block->codes[i] >> 4) - 8);
  }
};
static_assert(sizeof(Q4Block) == 18);

}  // namespace

CodecEntry q4_0_codec() {
  return row_codec_entry<BlockFormat<Q4Block>>(
      "q4_0", "4 bits, a signed scale for every 32 channels of a token; 4.5 bits in all");
}

}  // namespace razorscope
