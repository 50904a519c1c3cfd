#include <cstring>

#include "policies/codecs/row_codec.hpp"

namespace razorscope {
namespace {

class F32 final : public RowFormatCodec {
 public:
  size_t row_bytes(int head_size) const override { return sizeof(float) * static_cast<size_t>(head_size); }
  std::optional<RowFormat> kernel_format() const override { return RowFormat::f32; }
  void encode(const float* row, int head_size, float /*head_scale*/, std::byte* out) const override {
    std::memcpy(out, row, row_bytes(head_size));
  }
  void decode(const std::byte* stored, int rows, int head_size, float /*head_scale*/,
              float* out) const override {
    std::memcpy(out, stored, static_cast<size_t>(rows) * row_bytes(head_size));
  }
};

}  // namespace

CodecEntry f32_codec() {
  return {"f32",
          "IEEE single precision, as computed: what errors are measured against",
          {},
          {},
          [](const std::vector<std::string>&, const ParameterValues&) {
            return std::make_unique<RowCodec>(std::make_unique<F32>(), RowStoreOptions());
          }};
}

}  // namespace razorscope
