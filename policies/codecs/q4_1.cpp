#include <array>
#include <cstdint>

#include "policies/codecs/block_format.hpp"
#include "policies/codecs/rounding.hpp"

namespace razorscope {
namespace {

/// ggml's block_q4_1, byte for byte: d = (max - min) / 15, code = min(15, floor((x - min) / d + 0.5)), both
/// as they were before they are rounded to half precision; low nibbles hold elements 0 .. 15. Where ggml's d
/// or minimum would be infinite they saturate here.
struct Q4MinimumBlock {
  uint16_t scale;
  uint16_t minimum;
  std::array<uint8_t, group_size / 2> codes;

  static constexpr size_t scale_bytes = 2 * sizeof(uint16_t);
  static constexpr RowFormat kernel_format = RowFormat::q4_1;

  static void encode(const float* __restrict x, Q4MinimumBlock* __restrict block) {
    const MinMax range = min_max(x);
    const float d = (range.largest - range.smallest) / 15.0F;
    const float inverse = d > 0.0F ? 1.0F / d : 0.0F;
    block->scale = saturated_half(d);
    block->minimum = saturated_half(range.smallest);
    const auto code = [&](float value) {
      return static_cast<uint8_t>(
          static_cast<int>(clamped((value - range.smallest) * inverse + 0.5F, 0.0F, 15.0F)));
    };
    constexpr size_t half = group_size / 2;
    for (size_t i = 0; i < half; ++i) {
      block->codes[i] = static_cast<uint8_t>(code(x[i]) | code(x[i + half]) << 4);
    }
  }

  static void decode(const Q4MinimumBlock* __restrict block, float* __restrict out) {
    const float d = half_to_float(block->scale);
    const float minimum = half_to_float(block->minimum);
    constexpr size_t half = group_size / 2;
    for (size_t i = 0; i < half; ++i) out[i] = d * static_cast<float>(block->codes[i] & 15) + minimum;
    for (size_t i = 0; i < half; ++i) out[i + half] = d * static_cast<float>(block->codes[i] >> 4) + minimum;
  }
};
static_assert(sizeof(Q4MinimumBlock) == 20);

}  // namespace

CodecEntry q4_1_codec() {
  return row_codec_entry<BlockFormat<Q4MinimumBlock>>(
      "q4_1", "4 bits, a scale and a minimum for every 32 channels of a token; 5 bits in all");
}

}  // namespace razorscope
