// In intrinsics, since Highway 1.0 has no target with AVX512_BF16.
#include "policies/kernels/bf16_dots.hpp"

#include <algorithm>
#include <cstring>
#include <immintrin.h>

#include "policies/kernels/lane_sums.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 says so of its own AVX-512 header
#endif

#define RAZORSCOPE_BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
// Loops over a few rows are inlined into those over a block: measured, calls cost a tenth of the time.
#define RAZORSCOPE_BF16_LAMBDA RAZORSCOPE_BF16 __attribute__((always_inline))
#define RAZORSCOPE_BF16_INLINE RAZORSCOPE_BF16_LAMBDA inline

namespace razorscope {
namespace {

// Rows whose values are gone over by each tile in turn, and whose weights are made just before. Measured:
// while they are, and while a second tile goes over rows again, the processor's prefetching runs on for about
// as long as this takes; longer pauses between loads of new lines leave memory idle.
constexpr size_t run_slots = 16;
constexpr size_t registers = 16;  // of queries, or of sums

// All loads go through memory in ascending order and nothing is prefetched: measured, the processor's own
// prefetching then keeps up with its pure read rate, and any order that skips lines and comes back, or
// prefetch instructions, cost a quarter of it.

template <typename To, typename From>
RAZORSCOPE_BF16_INLINE To cast(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

RAZORSCOPE_BF16 void round_queries(const float* q, size_t count, uint16_t* rounded) {
  for (size_t i = 0; i < count; i += 16) {
    const __m256i half = cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(q + i)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(rounded + i), half);
  }
}

/// Scores of a token and of the one behind it, whose row may be the same.
template <size_t Tile, size_t Chunks>
RAZORSCOPE_BF16_INLINE __m256 scores_of_two(const std::byte* const* rows, const __m512bh* queries) {
  __m512 sums[2 * Tile];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (size_t j = 0; j < 2; ++j) {
    for (size_t c = 0; c < Chunks; ++c) {
      const __m512bh k = cast<__m512bh>(_mm512_loadu_si512(rows[j] + 64 * c));
      for (size_t g = 0; g < Tile; ++g)
        sums[2 * g + j] = _mm512_dpbf16_ps(sums[2 * g + j], k, queries[g * Chunks + c]);
    }
  }
  __m256 halves[8];
  for (size_t i = 0; i < 8; ++i) {
    halves[i] = i < 2 * Tile
                    ? _mm256_add_ps(_mm512_castps512_ps256(sums[i]), _mm512_extractf32x8_ps(sums[i], 1))
                    : _mm256_setzero_ps();
  }
  return sums_of_lanes(halves);
}

/// Two tokens at a time, with a tile's queries in registers.
template <size_t Tile, size_t Chunks>
RAZORSCOPE_BF16_INLINE void tile_scores(const std::byte* keys, size_t stride, size_t count, const uint16_t* q,
                                        float* scores) {
  constexpr size_t d = Chunks * 32;
  __m512bh queries[Tile * Chunks];
  for (size_t i = 0; i < Tile * Chunks; ++i) {
    __m512i query = _mm512_loadu_si512(q + i / Chunks * d + i % Chunks * 32);
    asm("" : "+v"(query));  // else compilers fold its load into every product
    queries[i] = cast<__m512bh>(query);
  }
  alignas(32) float dots[8];
  size_t t = 0;
  for (; t + 2 <= count; t += 2) {
    const std::byte* rows[2] = {keys + t * stride, keys + (t + 1) * stride};
    _mm256_store_ps(dots, scores_of_two<Tile, Chunks>(rows, queries));
    for (size_t g = 0; g < Tile; ++g)
      std::memcpy(scores + g * block_slots + t, dots + 2 * g, 2 * sizeof(float));
  }
  if (t < count) {
    const std::byte* rows[2] = {keys + t * stride, keys + t * stride};
    _mm256_store_ps(dots, scores_of_two<Tile, Chunks>(rows, queries));
    for (size_t g = 0; g < Tile; ++g) scores[g * block_slots + t] = dots[2 * g];
  }
}

/// Adds a run of rows, a whole one or the first `count` of it, to a tile's sums. Two tokens' channels are
/// interleaved, since a dot product adds pairs; so the sums of 32 channels are two registers that hold, in
/// each 128 bits, channels 0..3 and 4..7 of eight. sums: [Tile, Chunks, 2, 16].
template <size_t Tile, size_t Chunks, bool Whole>
RAZORSCOPE_BF16_INLINE void add_run(const std::byte* values, size_t stride, size_t count,
                                    const uint32_t* weight_pairs, float* interleaved) {
  __m512 sums[Tile * Chunks * 2];
  for (size_t i = 0; i < Tile * Chunks * 2; ++i) sums[i] = _mm512_load_ps(interleaved + 16 * i);
  for (size_t t = 0; t < (Whole ? run_slots : count); t += 2) {
    const std::byte* first = values + t * stride;
    const std::byte* second = Whole || t + 1 < count ? first + stride : first;  // its weight is 0
    __m512bh pairs[2 * Chunks];
    for (size_t c = 0; c < Chunks; ++c) {
      const __m512i a = _mm512_loadu_si512(first + 64 * c);
      const __m512i b = _mm512_loadu_si512(second + 64 * c);
      pairs[2 * c] = cast<__m512bh>(_mm512_unpacklo_epi16(a, b));
      pairs[2 * c + 1] = cast<__m512bh>(_mm512_unpackhi_epi16(a, b));
    }
    for (size_t g = 0; g < Tile; ++g) {
      const __m512bh weight =
          cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(weight_pairs[g * (run_slots / 2) + t / 2])));
      for (size_t p = 0; p < 2 * Chunks; ++p) {
        __m512& sum = sums[g * 2 * Chunks + p];
        sum = _mm512_dpbf16_ps(sum, pairs[p], weight);
      }
    }
  }
  for (size_t i = 0; i < Tile * Chunks * 2; ++i) _mm512_store_ps(interleaved + 16 * i, sums[i]);
}

/// out = out·correction + the sums of one query row, in the order of channels.
RAZORSCOPE_BF16 void flush(const float* interleaved, size_t d, float correction, float* out) {
  const __m512i lower = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512i upper = _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  const __m512 factor = _mm512_set1_ps(correction);
  for (size_t i = 0; i < d; i += 32, interleaved += 32, out += 32) {
    const __m512 even = _mm512_load_ps(interleaved);
    const __m512 odd = _mm512_load_ps(interleaved + 16);
    _mm512_storeu_ps(out,
                     _mm512_fmadd_ps(_mm512_loadu_ps(out), factor, _mm512_permutex2var_ps(even, lower, odd)));
    _mm512_storeu_ps(out + 16, _mm512_fmadd_ps(_mm512_loadu_ps(out + 16), factor,
                                               _mm512_permutex2var_ps(even, upper, odd)));
  }
}

/// f(Tile) for tiles of at most `most` of `rows` rows: f<Tile>(first row).
template <size_t Most, class Kernel>
RAZORSCOPE_BF16_INLINE void for_tiles(size_t rows, const Kernel& kernel) {
  size_t row = 0;
  for (; row + Most <= rows; row += Most) kernel.template operator()<Most>(row);
  if constexpr (Most > 3) {
    if (rows - row == 3) kernel.template operator()<3>(row);
  }
  if constexpr (Most > 2) {
    if (rows - row == 2) kernel.template operator()<2>(row);
  }
  if constexpr (Most > 1) {
    if (rows - row == 1) kernel.template operator()<1>(row);
  }
}

template <size_t Chunks>
RAZORSCOPE_BF16 void scores_of(const std::byte* keys, size_t stride, size_t count, const uint16_t* q,
                               size_t rows, float* scores) {
  constexpr size_t d = Chunks * 32;
  for_tiles<std::min<size_t>(4, registers / Chunks)>(
      rows, [&]<size_t Tile>(size_t row) RAZORSCOPE_BF16_LAMBDA {
        tile_scores<Tile, Chunks>(keys, stride, count, q + row * d, scores + row * block_slots);
      });
}

/// exp(x) for x <= 0: by the fraction of its power of two, a polynomial of degree 6 (Cephes, exp2f). What
/// would be below 2^-126 becomes 0 when it is rounded to bf16.
RAZORSCOPE_BF16_INLINE __m512 exp_nonpositive(__m512 x) {
  const __m512 power = _mm512_max_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504F)), _mm512_set1_ps(-200.0F));
  const __m512 whole = _mm512_roundscale_ps(power, 0);
  const __m512 part = _mm512_sub_ps(power, whole);
  __m512 p = _mm512_set1_ps(1.53533619e-4F);
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(1.33988744e-3F));
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(9.61843736e-3F));
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(5.55033247e-2F));
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(2.40226479e-1F));
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(6.93147203e-1F));
  p = _mm512_fmadd_ps(p, part, _mm512_set1_ps(1.0F));
  return _mm512_scalef_ps(p, whole);
}

/// Of one run: weights in pairs of bf16, as dot products take them.
RAZORSCOPE_BF16_INLINE void weigh_run(const float* scores, Bf16Softmax softmax, size_t rows,
                                      uint32_t* pairs) {
  for (size_t g = 0; g < rows; ++g, scores += block_slots, pairs += run_slots / 2) {
    const __m512 shift = _mm512_set1_ps(softmax.largest[g]);
    const __m512 weight = exp_nonpositive(_mm512_sub_ps(_mm512_loadu_ps(scores), shift));
    float* totals = softmax.totals + total_lanes * g;
    _mm512_storeu_ps(totals, _mm512_add_ps(_mm512_loadu_ps(totals), weight));
    _mm256_store_si256(reinterpret_cast<__m256i*>(pairs), cast<__m256i>(_mm512_cvtneps_pbh(weight)));
  }
}

template <size_t Chunks>
RAZORSCOPE_BF16 void add_values(const std::byte* values, size_t stride, size_t count, const float* scores,
                                Bf16Softmax softmax, size_t rows, float* sums) {
  constexpr size_t d = Chunks * 32;
  constexpr size_t most = std::clamp<size_t>(registers / (2 * Chunks), 1, 4);
  for (size_t t = 0; t < count; t += run_slots, values += run_slots * stride) {
    alignas(64) uint32_t pairs[bf16_rows_at_once * run_slots / 2];
    weigh_run(scores + t, softmax, rows, pairs);
    for_tiles<most>(rows, [&]<size_t Tile>(size_t row) RAZORSCOPE_BF16_LAMBDA {
      const uint32_t* weights = pairs + row * run_slots / 2;
      if (t + run_slots <= count) {
        add_run<Tile, Chunks, true>(values, stride, run_slots, weights, sums + row * d);
      } else {
        add_run<Tile, Chunks, false>(values, stride, count - t, weights, sums + row * d);
      }
    });
  }
}

void scores_by_size(const std::byte* keys, size_t stride, size_t count, size_t d, const uint16_t* q,
                    size_t rows, float* out) {
  switch (d) {
    case 64:
      return scores_of<2>(keys, stride, count, q, rows, out);
    case 96:
      return scores_of<3>(keys, stride, count, q, rows, out);
    case 128:
      return scores_of<4>(keys, stride, count, q, rows, out);
    default:
      return scores_of<8>(keys, stride, count, q, rows, out);
  }
}

void add_by_size(const std::byte* values, size_t stride, size_t count, size_t d, const float* scores,
                 Bf16Softmax softmax, size_t rows, float* sums) {
  switch (d) {
    case 64:
      return add_values<2>(values, stride, count, scores, softmax, rows, sums);
    case 96:
      return add_values<3>(values, stride, count, scores, softmax, rows, sums);
    case 128:
      return add_values<4>(values, stride, count, scores, softmax, rows, sums);
    default:
      return add_values<8>(values, stride, count, scores, softmax, rows, sums);
  }
}

}  // namespace

bool bf16_dots_know(size_t d) { return d == 64 || d == 96 || d == 128 || d == 256; }

bool has_avx512_bf16() { return __builtin_cpu_supports("avx512bf16") != 0; }

const Bf16Dots& avx512_bf16_dots() {
  static const Bf16Dots dots = {round_queries, scores_by_size, add_by_size, flush};
  return dots;
}

}  // namespace razorscope
