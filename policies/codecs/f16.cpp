#include <Eigen/Core>
#include <cstring>

#include "policies/codecs/codec.hpp"

namespace razorscope {
namespace {

/// Rounds to nearest even; beyond 65504 it saturates to infinity, as the format does.
class F16 final : public Codec {
 public:
  size_t row_bytes(int head_size) const override { return sizeof(Eigen::half) * static_cast<size_t>(head_size); }
  double bits_per_element(int) const override { return 16.0; }
  RowFormat format() const override { return RowFormat::f16; }
  void encode(const float* row, int head_size, std::byte* out) const override {
    for (size_t i = 0; i < static_cast<size_t>(head_size); ++i) {
      const Eigen::half value(row[i]);
      std::memcpy(out + i * sizeof(value), &value, sizeof(value));
    }
  }
  void decode(const std::byte* stored, int head_size, float* row) const override {
    for (size_t i = 0; i < static_cast<size_t>(head_size); ++i) {
      Eigen::half value;
      std::memcpy(&value, stored + i * sizeof(value), sizeof(value));
      row[i] = static_cast<float>(value);
    }
  }
};

}  // namespace

CodecEntry f16_codec() {
  return {"f16", "IEEE half precision, the usual KV cache and the default", {},
          [](const ParameterValues&) { return std::make_unique<F16>(); }};
}

}  // namespace razorscope
