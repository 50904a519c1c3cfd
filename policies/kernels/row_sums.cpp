#include "policies/kernels/row_sums.hpp"

#include <cstdint>
#include <cstring>

#include "policies/codecs/rounding.hpp"
#include "policies/kernels/kernel_table.hpp"

namespace razorscope {
namespace {

template <class Element>
Element element_at(const std::byte* row, size_t i) {
  Element element;
  std::memcpy(&element, row + i * sizeof(element), sizeof(element));
  return element;
}

}  // namespace

void add_rows_scalar(const SourceRows& rows, int count, int head_size, double* sums) {
  for (int t = 0; t < count; ++t) {
    const std::byte* row = rows.row(t);
    for (size_t i = 0; i < static_cast<size_t>(head_size); ++i) {
      sums[i] += double{rows.format == RowFormat::f16 ? half_to_float(element_at<uint16_t>(row, i))
                                                      : element_at<float>(row, i)};
    }
  }
}

void widen_halves_scalar(const std::byte* halves, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) out[i] = half_to_float(element_at<uint16_t>(halves, i));
}

void add_rows(const SourceRows& rows, int count, int head_size, double* sums) {
  active_kernels().add_rows(rows, count, head_size, sums);
}

void widen_halves(const std::byte* halves, size_t count, float* out) {
  active_kernels().widen_halves(halves, count, out);
}

const float* row_as_floats(const SourceRows& rows, int index, int head_size, std::vector<float>& buffer) {
  if (rows.format == RowFormat::f32) return reinterpret_cast<const float*>(rows.row(index));
  buffer.resize(static_cast<size_t>(head_size));
  widen_halves(rows.row(index), buffer.size(), buffer.data());
  return buffer.data();
}

}  // namespace razorscope
