// Vector types and small tools that the kernels of every target share. Included once a target
// (foreach_target), as Highway's own -inl files are.
#if defined(RAZORSCOPE_VECTORS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef RAZORSCOPE_VECTORS_INL
#undef RAZORSCOPE_VECTORS_INL
#else
#define RAZORSCOPE_VECTORS_INL
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <hwy/highway.h>

#include "policies/kernels/bf16_dots.hpp"

// The compiler's baseline is compiled too, and has none of this.
#ifndef RAZORSCOPE_IS_VECTOR_TARGET
#define RAZORSCOPE_IS_VECTOR_TARGET (HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3)
#endif

#if RAZORSCOPE_IS_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace razorscope {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// As wide as the target goes: for what runs along channels.
using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

// 256 bits on every target: for dot products, where a sum over lanes follows. It takes half the shuffles of
// 512 bits, and where 512-bit instructions run as two halves nothing is lost in the products.
using EightTag = hn::FixedTag<float, 8>;
using Eight = hn::Vec<EightTag>;
using IntEightTag = hn::FixedTag<int32_t, 8>;
using IntEight = hn::Vec<IntEightTag>;
using ShortTag = hn::FixedTag<int16_t, 16>;
using Short16 = hn::Vec<ShortTag>;
using ByteTag = hn::FixedTag<int8_t, 16>;
using Byte16 = hn::Vec<ByteTag>;

constexpr bool has_32_registers = HWY_TARGET == HWY_AVX3;
constexpr size_t run_slots = 64;  // whose values are gone over, some columns at a time, before the next ones
constexpr int largest_tile = 4;   // query rows that share one pass over K and V
constexpr int tokens_at_once = has_32_registers ? 4 : 2;  // of a dot product's inner loop

/// Holds a vector in a register: else compilers fold its load into every product that uses it, and loads
/// become the limit.
template <class Vector>
HWY_INLINE void keep_in_register(Vector& vector) {
#if HWY_TARGET == HWY_AVX3
  asm("" : "+v"(vector.raw));  // any of 32
#else
  asm("" : "+x"(vector.raw));
#endif
}

// Each stream asks, far ahead and a few lines at a time, for what it will read. Measured: without, or into
// the first-level cache, attention runs at half the speed; nearer, memory's latency shows; a burst of
// requests for a whole block fills the queue of misses and holds up the loads.
constexpr size_t line_bytes = 64;
constexpr size_t key_lookahead = 8192;
constexpr size_t value_lookahead = 16384;

/// Asks for Lines cache lines in the second-level cache. Without a loop's branches, of which inner loops have
/// enough to mispredict.
template <size_t Lines>
HWY_INLINE void prefetch_lines(const std::byte* address) {
  for (size_t i = 0; i < Lines; ++i) __builtin_prefetch(address + i * line_bytes, 0, 2);
}

/// Lines that hold `bytes`, at least one.
constexpr size_t lines_of(size_t bytes) { return (bytes + line_bytes - 1) / line_bytes; }

/// Asks for the lines of a row.
HWY_INLINE void prefetch_row(const std::byte* row, size_t bytes) {
  for (size_t i = 0; i < bytes; i += line_bytes) __builtin_prefetch(row + i, 0, 2);
}

/// Lane i: the sum of the lanes of sums[i].
HWY_INLINE Eight sums_of_lanes(const Eight* sums) {
  const EightTag tag;
  Eight pairs[4];
  for (size_t i = 0; i < 4; ++i) {
    pairs[i] = hn::Add(hn::InterleaveLower(tag, sums[2 * i], sums[2 * i + 1]),
                       hn::InterleaveUpper(tag, sums[2 * i], sums[2 * i + 1]));
  }
  const hn::Repartition<double, EightTag> wide;
  Eight fours[2];
  for (size_t i = 0; i < 2; ++i) {
    const auto a = hn::BitCast(wide, pairs[2 * i]);
    const auto b = hn::BitCast(wide, pairs[2 * i + 1]);
    fours[i] = hn::Add(hn::BitCast(tag, hn::InterleaveLower(wide, a, b)),
                       hn::BitCast(tag, hn::InterleaveUpper(wide, a, b)));
  }
  return hn::Add(hn::ConcatLowerLower(tag, fours[1], fours[0]),
                 hn::ConcatUpperUpper(tag, fours[1], fours[0]));
}

/// Scores of a tile of query rows for one step of tokens, from their accumulators [Tile, tokens_at_once]:
/// writes those of the first `count` tokens to scores, rows of block_slots.
template <int Tile>
HWY_INLINE void store_dots(Eight* accumulators, size_t count, float* scores) {
  constexpr size_t rows_at_once = 8 / tokens_at_once;
  for (size_t first = 0; first < Tile; first += rows_at_once) {
    alignas(32) std::array<float, 8> dots;
    hn::Store(sums_of_lanes(accumulators + first * tokens_at_once), EightTag(), dots.data());
    for (size_t g = 0; g < rows_at_once && first + g < Tile; ++g) {
      float* to = scores + (first + g) * block_slots;
      const float* from = dots.data() + g * tokens_at_once;
      if (count == tokens_at_once) {
        std::memcpy(to, from, tokens_at_once * sizeof(float));
      } else {
        std::copy_n(from, count, to);
      }
    }
  }
}
/// Accumulators that store_dots reads: a whole number of eights.
template <int Tile>
constexpr size_t dot_accumulators = (Tile * tokens_at_once + 7) / 8 * 8;

/// Runs kernel.template operator()<Tile>(first row) over tiles of at most largest_tile rows.
template <class Kernel>
HWY_INLINE void for_tiles(int rows, const Kernel& kernel) {
  int row = 0;
  for (; row + largest_tile <= rows; row += largest_tile) kernel.template operator()<largest_tile>(row);
  switch (rows - row) {
    case 3:
      kernel.template operator()<3>(row);
      break;
    case 2:
      kernel.template operator()<2>(row);
      break;
    case 1:
      kernel.template operator()<1>(row);
      break;
    default:
      break;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace razorscope
HWY_AFTER_NAMESPACE();
#endif

#endif
