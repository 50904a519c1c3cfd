#include <bit>
#include <cmath>
#include <cstdint>

#include "policies/codecs/row_codec.hpp"

namespace razorscope {
namespace {

/// The upper half of a float, rounded to nearest even. Beyond the largest bf16 it saturates to infinity, as
/// the format does.
class Bf16 final : public RowFormatCodec {
 public:
  size_t row_bytes(int head_size) const override { return sizeof(uint16_t) * static_cast<size_t>(head_size); }
  std::optional<RowFormat> kernel_format() const override { return RowFormat::bf16; }
  void encode(const float* row, int head_size, float /*head_scale*/, std::byte* out) const override {
    auto* codes = reinterpret_cast<uint16_t*>(out);
    for (int i = 0; i < head_size; ++i) {
      const auto bits = std::bit_cast<uint32_t>(row[i]);
      const uint32_t rounded = (bits + 0x7fffU + (bits >> 16U & 1U)) >> 16U;
      const uint32_t quiet_nan = bits >> 16U | 0x40U;  // rounding could carry a NaN into infinity or zero
      codes[i] = static_cast<uint16_t>(std::isnan(row[i]) ? quiet_nan : rounded);
    }
  }
  void decode(const std::byte* stored, int rows, int head_size, float /*head_scale*/,
              float* out) const override {
    const auto* codes = reinterpret_cast<const uint16_t*>(stored);
    const size_t count = static_cast<size_t>(rows) * static_cast<size_t>(head_size);
    for (size_t i = 0; i < count; ++i) out[i] = std::bit_cast<float>(static_cast<uint32_t>(codes[i]) << 16U);
  }
};

}  // namespace

CodecEntry bf16_codec() {
  return row_codec_entry<Bf16>("bf16", "the upper half of a float: the range of f32, 8 bits of precision");
}

}  // namespace razorscope
