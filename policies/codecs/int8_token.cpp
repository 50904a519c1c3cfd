#include <algorithm>
#include <cstdint>
#include <limits>

#include "policies/codecs/rounding.hpp"
#include "policies/codecs/row_codec.hpp"

namespace razorscope {
namespace {

/// A row is f16 scale, f16 zero, uint8 codes: x ≈ zero + scale·code with scale = (max - min) / 255 and zero =
/// min over the row. Codes are made with the rounded scale and zero, ties to even. Scale and zero saturate at
/// ±65504.
class Int8Token final : public RowFormatCodec {
 public:
  size_t row_bytes(int head_size) const override {
    return scale_bytes(head_size) + static_cast<size_t>(head_size);
  }
  size_t scale_bytes(int /*head_size*/) const override { return 2 * sizeof(uint16_t); }
  std::optional<RowFormat> kernel_format() const override { return RowFormat::int8_token; }
  void encode(const float* row, int head_size, float /*head_scale*/, std::byte* out) const override {
    const auto [smallest, largest] = std::minmax_element(row, row + head_size);
    store(out, saturated_half((*largest - *smallest) / levels));
    store(out + sizeof(uint16_t), saturated_half(*smallest));
    const float scale = load(out);
    const float zero = load(out + sizeof(uint16_t));
    const float step = scale > 0.0F ? scale : std::numeric_limits<float>::infinity();
    auto* codes = reinterpret_cast<uint8_t*>(out + scale_bytes(head_size));
    for (int i = 0; i < head_size; ++i) codes[i] = grid_code(row[i], zero, step, levels);
  }
  void decode(const std::byte* stored, int rows, int head_size, float /*head_scale*/,
              float* out) const override {
    for (int row = 0; row < rows; ++row) {
      decode_row(stored, head_size, out);
      stored += row_bytes(head_size);
      out += head_size;
    }
  }

 private:
  static constexpr float levels = 255.0F;

  // A row of an odd head size begins at an odd address.
  static void store(std::byte* to, uint16_t half) { std::memcpy(to, &half, sizeof(half)); }
  static float load(const std::byte* from) {
    uint16_t half = 0;
    std::memcpy(&half, from, sizeof(half));
    return half_to_float(half);
  }
  void decode_row(const std::byte* __restrict stored, int head_size, float* __restrict out) const {
    const float scale = load(stored);
    const float zero = load(stored + sizeof(uint16_t));
    const auto* codes = reinterpret_cast<const uint8_t*>(stored + scale_bytes(head_size));
    for (int i = 0; i < head_size; ++i) out[i] = scale * static_cast<float>(codes[i]) + zero;
  }
};

}  // namespace

CodecEntry int8_token_codec() {
  return row_codec_entry<Int8Token>("int8-token",
                                    "8 bits, one scale and zero a token and head; 8 + 32/d bits in all");
}

}  // namespace razorscope
