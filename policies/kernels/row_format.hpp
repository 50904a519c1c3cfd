#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace razorscope {

/// How rows of a head's keys or values lie in memory: what kernels dispatch on. A codec says which it writes;
/// its file holds the definition of every bit.
enum class RowFormat : uint8_t {
  f32,
  f16,
  bf16,
  fp8_e4m3,
  q8_0,
  q4_0,
  q4_1,
  int8_token,
  kivi4_values,
  kivi2_values,
  kivi4_keys,  // groups of 32 tokens (KiviKeyGroup), all of them live
  kivi2_keys,
};
inline constexpr int row_format_count = 12;

std::string_view row_format_name(RowFormat format);

/// Rows of the same format, one behind the other.
struct RowSegment {
  RowFormat format = RowFormat::f32;
  const std::byte* data = nullptr;
  size_t stride = 0;     // bytes from one row to the next; of kivi keys from one group to the next
  int rows = 0;          // of kivi keys a multiple of 32
  float scale = 1.0F;    // what stored numbers are multiplied by: the head scale of fp8
  bool rotated = false;  // rows went through hadamard() before they were coded
};

/// The keys or the values of a head in slot order, as kernels read them: coded rows, then a residual window,
/// then exact rows; empty ones are left out.
class RowSegments {
 public:
  RowSegments() = default;
  RowSegments(const RowSegment& only) { add(only); }  // NOLINT(google-explicit-constructor): the usual case
  void add(const RowSegment& segment) {
    if (segment.rows > 0) segments_[static_cast<size_t>(count_++)] = segment;
  }
  int count() const { return count_; }
  const RowSegment& operator[](int i) const { return segments_[static_cast<size_t>(i)]; }
  int rows() const {
    int rows = 0;
    for (int i = 0; i < count_; ++i) rows += segments_[static_cast<size_t>(i)].rows;
    return rows;
  }

 private:
  static constexpr size_t most = 5;  // coded, and two of each ring behind them
  std::array<RowSegment, most> segments_;
  int count_ = 0;
};

/// Bytes from one row to the next where rows lie close; of kivi keys from one group to the next.
size_t row_stride(RowFormat format, int head_size);

}  // namespace razorscope
