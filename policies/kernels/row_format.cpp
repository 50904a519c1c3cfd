#include "policies/kernels/row_format.hpp"

namespace razorscope {

std::string_view row_format_name(RowFormat format) {
  static constexpr std::array<std::string_view, row_format_count> names = {
      "f32",  "f16",        "bf16",         "fp8-e4m3",     "q8_0",       "q4_0",
      "q4_1", "int8-token", "kivi4 values", "kivi2 values", "kivi4 keys", "kivi2 keys"};
  return names[static_cast<size_t>(format)];
}

size_t row_stride(RowFormat format, int head_size) {
  const auto d = static_cast<size_t>(head_size);
  const size_t blocks = (d + 31) / 32;
  switch (format) {
    case RowFormat::f32:
      return 4 * d;
    case RowFormat::f16:
    case RowFormat::bf16:
      return 2 * d;
    case RowFormat::fp8_e4m3:
      return d;
    case RowFormat::q8_0:
      return 34 * blocks;
    case RowFormat::q4_0:
      return 18 * blocks;
    case RowFormat::q4_1:
    case RowFormat::kivi4_values:
      return 20 * blocks;
    case RowFormat::int8_token:
      return 4 + d;
    case RowFormat::kivi2_values:
      return 12 * blocks;
    case RowFormat::kivi4_keys:
      return (4 + 16) * d;
    case RowFormat::kivi2_keys:
      return (4 + 8) * d;
  }
  return 0;
}

}  // namespace razorscope
