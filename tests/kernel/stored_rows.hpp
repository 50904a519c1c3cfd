#pragma once

#include <array>
#include <cstring>
#include <stdexcept>

#include "policies/kernels/row_format.hpp"
#include "tests/support/codec_store.hpp"

namespace razorscope::testing {

inline constexpr std::array key_formats = {
    RowFormat::f32,          RowFormat::f16,          RowFormat::bf16,       RowFormat::fp8_e4m3,
    RowFormat::q8_0,         RowFormat::q4_0,         RowFormat::q4_1,       RowFormat::int8_token,
    RowFormat::kivi4_values, RowFormat::kivi2_values, RowFormat::kivi4_keys, RowFormat::kivi2_keys};
inline constexpr std::array value_formats = {
    RowFormat::f32,          RowFormat::f16,         RowFormat::bf16, RowFormat::fp8_e4m3,
    RowFormat::q8_0,         RowFormat::q4_0,        RowFormat::q4_1, RowFormat::int8_token,
    RowFormat::kivi4_values, RowFormat::kivi2_values};

inline bool in_groups(RowFormat format) {
  return format == RowFormat::kivi4_keys || format == RowFormat::kivi2_keys;
}

/// What a segment's rows are aligned to: f32 to 4 bytes, halves to 2, the others to nothing.
inline size_t alignment_of(RowFormat format) {
  if (format == RowFormat::f32) return 4;
  return format == RowFormat::f16 || format == RowFormat::bf16 ? 2 : 1;
}

/// Rows as a codec stores them, one behind the other; of KIVI's keys groups of 32.
struct StoredRows {
  std::vector<std::byte> bytes;
  size_t row_bytes = 0;
  float scale = 1.0F;
};

/// numbers: [rows, head_size].
inline StoredRows store_rows(RowFormat format, const float* numbers, int rows, int head_size) {
  static constexpr std::array<const char*, row_format_count> codecs = {"f32",
                                                                       "f16",
                                                                       "bf16",
                                                                       "fp8-e4m3",
                                                                       "q8_0",
                                                                       "q4_0",
                                                                       "q4_1",
                                                                       "int8-token",
                                                                       "kivi4:residual=0",
                                                                       "kivi2:residual=0",
                                                                       "kivi4:residual=0",
                                                                       "kivi2:residual=0"};
  Rows prefix;
  for (int row = 0; row < rows; ++row, numbers += head_size)
    prefix.emplace_back(numbers, numbers + head_size);
  const std::unique_ptr<const Codec> codec = make_codec(codecs[static_cast<size_t>(format)]);
  AllocationCounter counter;
  const std::unique_ptr<RowStore> store =
      fill(*codec, prefix, head_size, in_groups(format) ? RowRole::keys : RowRole::values, counter);
  const std::optional<RowSegments> segments = store->kernel_rows();
  if (!segments || segments->count() != 1 || (*segments)[0].format != format)
    throw std::logic_error("the codec does not store rows of this format alone");
  const RowSegment& segment = (*segments)[0];
  StoredRows stored;
  stored.row_bytes = row_stride(format, head_size);
  stored.scale = segment.scale;
  const auto steps = static_cast<size_t>(in_groups(format) ? rows / 32 : rows);
  stored.bytes.resize(steps * stored.row_bytes);
  for (size_t step = 0; step < steps; ++step) {
    std::memcpy(stored.bytes.data() + step * stored.row_bytes, segment.data + step * segment.stride,
                stored.row_bytes);
  }
  return stored;
}

}  // namespace razorscope::testing
