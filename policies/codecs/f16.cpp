#include <cstdint>

#include "models/base/half.hpp"
#include "policies/codecs/rounding.hpp"
#include "policies/codecs/row_codec.hpp"

namespace razorscope {
namespace {

/// Rounds to nearest even; beyond 65504 it saturates to infinity, as the format does.
class F16 final : public RowFormatCodec {
 public:
  size_t row_bytes(int head_size) const override { return sizeof(uint16_t) * static_cast<size_t>(head_size); }
  std::optional<RowFormat> kernel_format() const override { return RowFormat::f16; }
  void encode(const float* row, int head_size, float /*head_scale*/, std::byte* out) const override {
    store_half(row, static_cast<size_t>(head_size), out);
  }
  void decode(const std::byte* stored, int rows, int head_size, float /*head_scale*/,
              float* out) const override {
    const auto* halves = reinterpret_cast<const uint16_t*>(stored);
    const size_t count = static_cast<size_t>(rows) * static_cast<size_t>(head_size);
    for (size_t i = 0; i < count; ++i) out[i] = half_to_float(halves[i]);
  }
};

}  // namespace

CodecEntry f16_codec() {
  return {"f16",
          "IEEE half precision, the usual KV cache and the default",
          {"prefix"},
          {},
          [](const std::vector<std::string>& variants, const ParameterValues& values) {
            return std::make_unique<RowCodec>(std::make_unique<F16>(), row_store_options(variants, values));
          }};
}

}  // namespace razorscope
