// Sums of rows channel by channel, and halves widened to floats.
#if defined(RAZORSCOPE_ROW_SUMS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef RAZORSCOPE_ROW_SUMS_INL
#undef RAZORSCOPE_ROW_SUMS_INL
#else
#define RAZORSCOPE_ROW_SUMS_INL
#endif

#include "policies/kernels/float_rows-inl.hpp"
#include "policies/kernels/source_rows.hpp"
#include "policies/kernels/vectors-inl.hpp"

#if RAZORSCOPE_IS_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace razorscope {
namespace HWY_NAMESPACE {

// Rows that add up in f32 before they join sums in double: each row by itself would take twice the
// instructions, more than memory leaves time for.
constexpr size_t rows_in_f32 = 8;

/// sums[i] += Σ_t rows[t][i] for Vectors vectors of channels, which stay in registers, so that memory is read
/// row by row in its order. Measured: column by column it is read at two thirds of the speed, and requests
/// ahead of the processor's own gain nothing.
template <class Row, size_t Vectors>
HWY_INLINE void add_columns(const std::byte* rows, size_t stride, size_t count, size_t i, double* sums) {
  const FloatTag tag;
  const hn::RepartitionToWide<FloatTag> wide;
  const hn::Half<FloatTag> half;
  const size_t lanes = hn::Lanes(tag);
  FloatVector column[Vectors];
  for (size_t v = 0; v < Vectors; ++v) column[v] = Row(rows).load(tag, i + v * lanes);
  for (size_t t = 1; t < count; ++t) {
    const Row row(rows + t * stride);
    for (size_t v = 0; v < Vectors; ++v) column[v] = hn::Add(column[v], row.load(tag, i + v * lanes));
  }
  for (size_t v = 0; v < Vectors; ++v) {
    double* lower = sums + i + v * lanes;
    double* upper = lower + hn::Lanes(wide);
    hn::StoreU(hn::Add(hn::LoadU(wide, lower), hn::PromoteTo(wide, hn::LowerHalf(column[v]))), wide, lower);
    hn::StoreU(hn::Add(hn::LoadU(wide, upper), hn::PromoteTo(wide, hn::UpperHalf(half, column[v]))), wide,
               upper);
  }
}

/// The same for all channels; count: at most rows_in_f32.
template <class Row>
HWY_INLINE void add_few_rows(const std::byte* rows, size_t stride, size_t count, size_t d, double* sums) {
  constexpr size_t vectors = 8;
  const size_t lanes = hn::Lanes(FloatTag());
  size_t i = 0;
  for (; i + vectors * lanes <= d; i += vectors * lanes)
    add_columns<Row, vectors>(rows, stride, count, i, sums);
  for (; i + lanes <= d; i += lanes) add_columns<Row, 1>(rows, stride, count, i, sums);
  for (; i < d; ++i) {
    float sum = element(Row(rows), i);
    for (size_t t = 1; t < count; ++t) sum += element(Row(rows + t * stride), i);
    sums[i] += static_cast<double>(sum);
  }
}

template <class Row>
void add_rows_of(const SourceRows& rows, size_t count, size_t d, double* sums) {
  const std::byte* next = rows.data;
  for (; count >= rows_in_f32; count -= rows_in_f32, next += rows_in_f32 * rows.stride)
    add_few_rows<Row>(next, rows.stride, rows_in_f32, d, sums);
  if (count > 0) add_few_rows<Row>(next, rows.stride, count, d, sums);
}

inline void add_rows_simd(const SourceRows& rows, int count, int head_size, double* sums) {
  if (rows.format == RowFormat::f16) {
    add_rows_of<F16Row>(rows, static_cast<size_t>(count), static_cast<size_t>(head_size), sums);
  } else {
    add_rows_of<F32Row>(rows, static_cast<size_t>(count), static_cast<size_t>(head_size), sums);
  }
}

inline void widen_halves_simd(const std::byte* halves, size_t count, float* out) {
  const FloatTag tag;
  const F16Row row(halves);
  size_t i = 0;
  for (; i + hn::Lanes(tag) <= count; i += hn::Lanes(tag)) hn::StoreU(row.load(tag, i), tag, out + i);
  for (; i < count; ++i) out[i] = element(row, i);
}

}  // namespace HWY_NAMESPACE
}  // namespace razorscope
HWY_AFTER_NAMESPACE();
#endif

#endif
