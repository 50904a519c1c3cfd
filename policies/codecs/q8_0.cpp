#include <array>
#include <cstdint>

#include "policies/codecs/block_format.hpp"
#include "policies/codecs/rounding.hpp"

namespace razorscope {
namespace {

/// ggml's block_q8_0, byte for byte: d = max |x| / 127, code = round(x / d), ties away from zero, d as it was
/// before it is rounded to half precision. Where ggml's d would be infinite (|x| > 127·65504) it saturates
/// here.
struct Q8Block {
  uint16_t scale;
  std::array<int8_t, group_size> codes;

  static constexpr size_t scale_bytes = sizeof(uint16_t);
  static constexpr RowFormat kernel_format = RowFormat::q8_0;

  static void encode(const float* __restrict x, Q8Block* __restrict block) {
    const float d = largest_magnitude(x) / 127.0F;
    const float inverse = d > 0.0F ? 1.0F / d : 0.0F;
    block->scale = saturated_half(d);
    // The bounds matter where d is so small that 1 / d is infinite.
    for (size_t i = 0; i < group_size; ++i) {
      block->codes[i] = static_cast<int8_t>(round_half_away(clamped(x[i] * inverse, -127.0F, 127.0F)));
    }
  }

  static void decode(const Q8Block* __restrict block, float* __restrict out) {
    const float d = half_to_float(block->scale);
    for (size_t i = 0; i < group_size; ++i) out[i] = d * static_cast<float>(block->codes[i]);
  }
};
static_assert(sizeof(Q8Block) == 34);

}  // namespace

CodecEntry q8_0_codec() {
  return row_codec_entry<BlockFormat<Q8Block>>(
      "q8_0", "8 bits, a scale for every 32 channels of a token; 8.5 bits in all");
}

}  // namespace razorscope
