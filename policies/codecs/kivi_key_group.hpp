#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "policies/codecs/kivi_block.hpp"

namespace razorscope {

/// KIVI's keys: 32 tokens of one head with a scale and a zero per channel, on the grid of KiviBlock. In
/// memory:
///   scales f16 [d], zeros f16 [d], codes uint8 [32·bits/8, d]
/// A byte of code row j holds the codes of tokens j, j + 32·bits/8, ... of its channel, the earliest in the
/// lowest bits; so all loops run along channels.
template <int bits>
struct KiviKeyGroup {
  static size_t scale_bytes(size_t d) { return 2 * d * sizeof(uint16_t); }
  static size_t code_bytes(size_t d) { return code_rows * d; }
  static size_t bytes(size_t d) { return scale_bytes(d) + code_bytes(d); }

  /// rows: [32, d].
  static void encode(const float* __restrict rows, size_t d, std::byte* __restrict group) {
    auto* scales = reinterpret_cast<uint16_t*>(group);
    auto* zeros = scales + d;
    auto* codes = reinterpret_cast<uint8_t*>(group + scale_bytes(d));
    std::vector<float> low(rows, rows + d);
    std::vector<float> high = low;
    for (size_t t = 1; t < group_size; ++t) widen(rows + t * d, d, low.data(), high.data());
    for (size_t c = 0; c < d; ++c) {
      scales[c] = saturated_half((high[c] - low[c]) / levels);
      zeros[c] = saturated_half(low[c]);
    }
    Grid grid(group, d);
    for (float& scale : grid.scales) scale = scale > 0.0F ? scale : std::numeric_limits<float>::infinity();
    for (size_t j = 0; j < code_rows; ++j)
      encode_row(rows + j * d, d, grid.scales.data(), grid.zeros.data(), codes + j * d);
  }

  /// out: [32, d].
  static void decode(const std::byte* group, size_t d, float* out) {
    const Grid grid(group, d);
    for (size_t t = 0; t < group_size; ++t) decode_row(group, d, t, grid, out + t * d);
  }

  /// Token t alone; out: [d].
  static void decode(const std::byte* group, size_t d, size_t t, float* out) {
    decode_row(group, d, t, Grid(group, d), out);
  }

 private:
  static constexpr size_t codes_per_byte = 8 / bits;
  static constexpr size_t code_rows = group_size / codes_per_byte;
  static constexpr float levels = grid_levels(bits);

  /// Scales and zeros in f32, [d] each.
  struct Grid {
    std::vector<float> scales;
    std::vector<float> zeros;
    Grid(const std::byte* group, size_t d) : scales(d), zeros(d) {
      const auto* halves = reinterpret_cast<const uint16_t*>(group);
      for (size_t c = 0; c < d; ++c) scales[c] = half_to_float(halves[c]);
      for (size_t c = 0; c < d; ++c) zeros[c] = half_to_float(halves[d + c]);
    }
  };

  static void widen(const float* __restrict row, size_t d, float* __restrict low, float* __restrict high) {
    for (size_t c = 0; c < d; ++c) {
      low[c] = row[c] < low[c] ? row[c] : low[c];
      high[c] = row[c] > high[c] ? row[c] : high[c];
    }
  }

  /// The code row of the tokens at rows, rows + code_rows·d, ...
  static void encode_row(const float* __restrict rows, size_t d, const float* __restrict scales,
                         const float* __restrict zeros, uint8_t* __restrict codes) {
    for (size_t c = 0; c < d; ++c) {
      unsigned packed = 0;
      for (size_t k = 0; k < codes_per_byte; ++k) {
        packed |= static_cast<unsigned>(grid_code(rows[k * code_rows * d + c], zeros[c], scales[c], levels))
                  << (k * bits);
      }
      codes[c] = static_cast<uint8_t>(packed);
    }
  }

  static void decode_row(const std::byte* group, size_t d, size_t t, const Grid& grid,
                         float* __restrict out) {
    const auto* __restrict codes =
        reinterpret_cast<const uint8_t*>(group + scale_bytes(d)) + t % code_rows * d;
    const auto shift = static_cast<int>(t / code_rows) * bits;
    const float* __restrict scales = grid.scales.data();
    const float* __restrict zeros = grid.zeros.data();
    constexpr int mask = (1 << bits) - 1;
    for (size_t c = 0; c < d; ++c)
      out[c] = scales[c] * static_cast<float>(codes[c] >> shift & mask) + zeros[c];
  }
};

}  // namespace razorscope
