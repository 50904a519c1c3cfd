#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "policies/codecs/block_statistics.hpp"
#include "policies/codecs/rounding.hpp"
#include "policies/kernels/row_format.hpp"

namespace razorscope {

/// The largest code of a grid of `bits` bits.
constexpr float grid_levels(int bits) { return static_cast<float>((1 << bits) - 1); }

/// KIVI's values: 32 channels of a token, x ≈ zero + scale·code with scale = (max - min) / levels and zero =
/// min. Codes are made with scale and zero as stored, ties to even; both saturate at ±65504. A byte holds the
/// codes of channels that lie 16 apart at 4 bits and 8 at 2 bits, the lowest channel in the lowest bits.
template <int bits>
struct KiviBlock {
  static constexpr int codes_per_byte = 8 / bits;
  static constexpr size_t code_bytes = group_size / codes_per_byte;

  uint16_t scale;
  uint16_t zero;
  std::array<uint8_t, code_bytes> codes;

  static constexpr size_t scale_bytes = 2 * sizeof(uint16_t);
  static constexpr RowFormat kernel_format = bits == 4 ? RowFormat::kivi4_values : RowFormat::kivi2_values;

  static void encode(const float* __restrict x, KiviBlock* __restrict block) {
    const MinMax range = min_max(x);
    block->scale = saturated_half((range.largest - range.smallest) / grid_levels(bits));
    block->zero = saturated_half(range.smallest);
    const float scale = half_to_float(block->scale);
    const float zero = half_to_float(block->zero);
    const float step = scale > 0.0F ? scale : std::numeric_limits<float>::infinity();
    for (size_t i = 0; i < code_bytes; ++i) {
      unsigned packed = 0;
      for (size_t k = 0; k < codes_per_byte; ++k) {
        packed |= static_cast<unsigned>(grid_code(x[i + k * code_bytes], zero, step, grid_levels(bits)))
                  << (k * bits);
      }
      block->codes[i] = static_cast<uint8_t>(packed);
    }
  }

  static void decode(const KiviBlock* __restrict block, float* __restrict out) {
    const float scale = half_to_float(block->scale);
    const float zero = half_to_float(block->zero);
    constexpr int mask = (1 << bits) - 1;
    for (size_t k = 0; k < codes_per_byte; ++k) {
      for (size_t i = 0; i < code_bytes; ++i) {
        out[i + k * code_bytes] = scale * static_cast<float>(block->codes[i] >> (k * bits) & mask) + zero;
      }
    }
  }
};
static_assert(sizeof(KiviBlock<4>) == 20 && sizeof(KiviBlock<2>) == 12);

}  // namespace razorscope
