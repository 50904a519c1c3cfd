#include <cstring>

#include "policies/codecs/codec.hpp"

namespace razorscope {
namespace {

class F32 final : public Codec {
 public:
  size_t row_bytes(int head_size) const override { return sizeof(float) * static_cast<size_t>(head_size); }
  double bits_per_element(int) const override { return 32.0; }
  RowFormat format() const override { return RowFormat::f32; }
  void encode(const float* row, int head_size, std::byte* out) const override {
    std::memcpy(out, row, row_bytes(head_size));
  }
  void decode(const std::byte* stored, int head_size, float* row) const override {
    std::memcpy(row, stored, row_bytes(head_size));
  }
};

}  // namespace

CodecEntry f32_codec() {
  return {"f32", "IEEE single precision, as computed: what errors are measured against", {},
          [](const ParameterValues&) { return std::make_unique<F32>(); }};
}

}  // namespace razorscope
