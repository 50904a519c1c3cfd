#pragma once

#include <cstddef>

#include "policies/kernels/row_format.hpp"

namespace razorscope {

/// Exact rows that caches are filled from, as a prefill left them. Not owned.
struct SourceRows {
  RowFormat format = RowFormat::f32;  // or f16; no other
  const std::byte* data = nullptr;
  size_t stride = 0;  // bytes from one row to the next

  static SourceRows f32(const float* rows, size_t floats_apart) {
    return {RowFormat::f32, reinterpret_cast<const std::byte*>(rows), floats_apart * sizeof(float)};
  }
  const std::byte* row(int index) const { return data + static_cast<size_t>(index) * stride; }
  SourceRows from(int first) const { return {format, row(first), stride}; }
};

}  // namespace razorscope
