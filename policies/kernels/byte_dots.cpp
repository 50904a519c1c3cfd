// In intrinsics, since Highway 1.0 has no products of bytes with a sum.
#include "policies/kernels/byte_dots.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <immintrin.h>

#include "policies/kernels/bf16_dots.hpp"
#include "policies/kernels/lane_sums.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 says so of its own AVX-512 header
#endif

#define RAZORSCOPE_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")))
#define RAZORSCOPE_VNNI_LAMBDA RAZORSCOPE_VNNI __attribute__((always_inline))
#define RAZORSCOPE_VNNI_INLINE RAZORSCOPE_VNNI_LAMBDA inline

namespace razorscope {
namespace {

constexpr size_t channels = 32;  // of a block
constexpr size_t run_slots = 64;
constexpr size_t largest_tile = 4;
constexpr float largest_byte = 127.0F;
constexpr float smallest_unit = 1e-37F;  // below, a factor would be infinite: such numbers count for nothing
constexpr size_t lookahead = 8192;       // of keys, as in the other kernels of codes

// A format says where its codes lie, and the shift that makes them signed: those of a format with a zero are
// about centred so, and the zero makes up for it.

struct Q8Block {
  static constexpr size_t bytes = 34;
  static constexpr int shift = 128;
  static constexpr bool has_zero = false;
  RAZORSCOPE_VNNI_INLINE static __m256i codes(const std::byte* block) {
    const __m256i signed_codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 2));
    return _mm256_xor_si256(signed_codes, _mm256_set1_epi8(-128));
  }
};

RAZORSCOPE_VNNI_INLINE __m256i nibbles(const std::byte* address) {
  const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(address));
  const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(packed), _mm_srli_epi16(packed, 4), 1);
  return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

struct Q4Block {
  static constexpr size_t bytes = 18;
  static constexpr int shift = 8;
  static constexpr bool has_zero = false;
  RAZORSCOPE_VNNI_INLINE static __m256i codes(const std::byte* block) { return nibbles(block + 2); }
};

struct Q4MinimumBlock {
  static constexpr size_t bytes = 20;
  static constexpr int shift = 8;
  static constexpr bool has_zero = true;
  RAZORSCOPE_VNNI_INLINE static __m256i codes(const std::byte* block) { return nibbles(block + 4); }
};

/// sum + Σ of four neighbours' products, codes without a sign. In assembly, since GCC 12 encodes the
/// intrinsic as AVX-VNNI, which not every processor with AVX512-VNNI has.
RAZORSCOPE_VNNI_INLINE __m256i dot_fours(__m256i sum, __m256i codes, __m256i factors) {
  asm("%{evex%} vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "vm"(factors));
  return sum;
}

RAZORSCOPE_VNNI_INLINE __m256 half_everywhere(const std::byte* address) {
  short half;
  std::memcpy(&half, address, sizeof(half));
  return _mm256_cvtph_ps(_mm_set1_epi16(half));
}

/// f<Tile>(first row) for tiles of at most largest_tile rows.
template <class Kernel>
RAZORSCOPE_VNNI_INLINE void for_tiles(size_t rows, const Kernel& kernel) {
  size_t row = 0;
  for (; row + largest_tile <= rows; row += largest_tile) kernel.template operator()<largest_tile>(row);
  if (rows - row == 3) kernel.template operator()<3>(row);
  if (rows - row == 2) kernel.template operator()<2>(row);
  if (rows - row == 1) kernel.template operator()<1>(row);
}

/// Scores of a token and of the one behind it, whose row may be the same.
template <class Block, size_t Tile>
RAZORSCOPE_VNNI_INLINE __m256 scores_of_two(const std::byte* const* rows, size_t blocks, const int8_t* codes,
                                            const int32_t* starts) {
  __m256 sums[8];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  for (size_t b = 0; b < blocks; ++b) {
    __m256i k[2];
    __m256 scale[2];
    __m256 zero[2];
    for (size_t j = 0; j < 2; ++j) {
      const std::byte* block = rows[j] + b * Block::bytes;
      k[j] = Block::codes(block);
      scale[j] = half_everywhere(block);
      if constexpr (Block::has_zero) {
        // Times a start, which holds the queries -shift times: query·(zero + shift·scale).
        constexpr float per_start = -1.0F / Block::shift;
        zero[j] = _mm256_fmsub_ps(half_everywhere(block + 2), _mm256_set1_ps(per_start), scale[j]);
      }
    }
    for (size_t g = 0; g < Tile; ++g) {
      const size_t place = g * blocks + b;
      const __m256i q = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + place * channels));
      const __m256i start = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(starts + place * 8));
      for (size_t j = 0; j < 2; ++j) {
        __m256& sum = sums[2 * g + j];
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot_fours(start, k[j], q)), scale[j], sum);
        if constexpr (Block::has_zero) sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(start), zero[j], sum);
      }
    }
  }
  return sums_of_lanes(sums);
}

template <class Block, size_t Tile>
RAZORSCOPE_VNNI_INLINE void tile_scores(const CodedBlock& keys, const int8_t* codes, const int32_t* starts,
                                        float* scores) {
  alignas(32) float dots[8];
  for (size_t t = 0; t < keys.count; t += 2) {
    const std::byte* first = keys.data + t * keys.stride;
    const size_t tokens = std::min<size_t>(2, keys.count - t);
    const std::byte* rows[2] = {first, first + (tokens - 1) * keys.stride};
    for (size_t i = 0; i < 2 * keys.stride; i += 64) __builtin_prefetch(first + lookahead + i, 0, 2);
    _mm256_store_ps(dots, scores_of_two<Block, Tile>(rows, keys.blocks, codes, starts));
    for (size_t g = 0; g < Tile; ++g) {
      float* to = scores + g * block_slots + t;
      to[0] = dots[2 * g];
      if (tokens == 2) to[1] = dots[2 * g + 1];
    }
  }
}

template <class Block>
RAZORSCOPE_VNNI void scores_of(const CodedBlock& keys, const ByteQueries& queries, size_t rows,
                               float* scores) {
  for_tiles(rows, [&]<size_t Tile>(size_t row) RAZORSCOPE_VNNI_LAMBDA {
    tile_scores<Block, Tile>(keys, queries.codes + row * keys.blocks * channels,
                             queries.starts + row * keys.blocks * 8, scores + row * block_slots);
  });
}

/// A run's weights for one block of channels, times its scales, as signed bytes.
struct RoundedWeights {
  alignas(64) int8_t codes[run_slots];
  float unit;
  float zero;  // Σ weights·(zeros + shift·scales)
  int sum;     // of the codes
};

template <class Block>
RAZORSCOPE_VNNI_INLINE void round_weights(const float* weights, const float* scales, const float* zeros,
                                          RoundedWeights& out) {
  __m512 products[run_slots / 16];
  __m512 largest = _mm512_setzero_ps();
  __m512 zero = _mm512_setzero_ps();
  for (size_t i = 0; i < run_slots / 16; ++i) {
    const __m512 weight = _mm512_loadu_ps(weights + 16 * i);
    products[i] = _mm512_mul_ps(weight, _mm512_loadu_ps(scales + 16 * i));
    largest = _mm512_max_ps(largest, _mm512_abs_ps(products[i]));
    if constexpr (Block::has_zero) {
      zero = _mm512_fmadd_ps(weight, _mm512_loadu_ps(zeros + 16 * i), zero);
      zero = _mm512_fmadd_ps(products[i], _mm512_set1_ps(Block::shift), zero);
    }
  }
  out.unit = _mm512_reduce_max_ps(largest) / largest_byte;
  out.zero = Block::has_zero ? _mm512_reduce_add_ps(zero) : 0.0F;
  const __m512 factor = _mm512_set1_ps(out.unit > smallest_unit ? 1.0F / out.unit : 0.0F);
  __m512i sum = _mm512_setzero_si512();
  for (size_t i = 0; i < run_slots / 16; ++i) {
    const __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(products[i], factor));
    sum = _mm512_add_epi32(sum, rounded);
    _mm_store_si128(reinterpret_cast<__m128i*>(out.codes + 16 * i), _mm512_cvtsepi32_epi8(rounded));
  }
  out.sum = _mm512_reduce_add_epi32(sum);
}

/// Four tokens' codes side by side for every channel. Of each 128 bits, register i holds channels 4·i ..
/// of 16.
RAZORSCOPE_VNNI_INLINE void interleave(const __m256i* tokens, __m256i* fours) {
  const __m256i low01 = _mm256_unpacklo_epi8(tokens[0], tokens[1]);
  const __m256i low23 = _mm256_unpacklo_epi8(tokens[2], tokens[3]);
  const __m256i high01 = _mm256_unpackhi_epi8(tokens[0], tokens[1]);
  const __m256i high23 = _mm256_unpackhi_epi8(tokens[2], tokens[3]);
  fours[0] = _mm256_unpacklo_epi16(low01, low23);
  fours[1] = _mm256_unpackhi_epi16(low01, low23);
  fours[2] = _mm256_unpacklo_epi16(high01, high23);
  fours[3] = _mm256_unpackhi_epi16(high01, high23);
}

/// out = out·correction + sums·unit + zero, of a block's channels; sums in interleave's order.
RAZORSCOPE_VNNI_INLINE void flush(const __m256i* sums, const RoundedWeights& weights, float correction,
                                  float* out) {
  const auto add = [&](__m256i eight, float* to) RAZORSCOPE_VNNI_LAMBDA {
    const __m256 sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(eight), _mm256_set1_ps(weights.unit),
                                       _mm256_set1_ps(weights.zero));
    _mm256_storeu_ps(to, _mm256_fmadd_ps(_mm256_loadu_ps(to), _mm256_set1_ps(correction), sum));
  };
  add(_mm256_permute2x128_si256(sums[0], sums[1], 0x20), out);
  add(_mm256_permute2x128_si256(sums[2], sums[3], 0x20), out + 8);
  add(_mm256_permute2x128_si256(sums[0], sums[1], 0x31), out + 16);
  add(_mm256_permute2x128_si256(sums[2], sums[3], 0x31), out + 24);
}

/// Adds four tokens, from slot t of the run on, to a tile's sums.
template <size_t Tile>
RAZORSCOPE_VNNI_INLINE void add_four(const __m256i* tokens, const RoundedWeights* weights, size_t t,
                                     __m256i* sums) {
  __m256i fours[4];
  interleave(tokens, fours);
  for (size_t g = 0; g < Tile; ++g) {
    int weight;
    std::memcpy(&weight, weights[g].codes + t, sizeof(weight));
    const __m256i factors = _mm256_set1_epi32(weight);
    for (size_t i = 0; i < 4; ++i) sums[4 * g + i] = dot_fours(sums[4 * g + i], fours[i], factors);
  }
}

template <class Block, size_t Tile>
RAZORSCOPE_VNNI_INLINE void add_block(const CodedBlock& values, size_t b, const RunScales& scales,
                                      const float* weights, const float* correction, float* out) {
  RoundedWeights rounded[Tile];
  __m256i sums[Tile * 4];
  for (size_t g = 0; g < Tile; ++g) {
    round_weights<Block>(weights + g * block_slots, scales.scales + b * run_slots,
                         scales.zeros + b * run_slots, rounded[g]);
    for (size_t i = 0; i < 4; ++i) sums[4 * g + i] = _mm256_set1_epi32(-Block::shift * rounded[g].sum);
  }
  const std::byte* row = values.data + b * Block::bytes;
  const size_t whole = values.count / 4 * 4;
  for (size_t t = 0; t < whole; t += 4, row += 4 * values.stride) {
    const __m256i tokens[4] = {Block::codes(row), Block::codes(row + values.stride),
                               Block::codes(row + 2 * values.stride), Block::codes(row + 3 * values.stride)};
    add_four<Tile>(tokens, rounded, t, sums);
  }
  if (whole < values.count) {
    __m256i tokens[4];
    for (size_t j = 0; j < 4; ++j)  // a missing token's weight is 0
      tokens[j] = Block::codes(row + std::min(j, values.count - whole - 1) * values.stride);
    add_four<Tile>(tokens, rounded, whole, sums);
  }
  const size_t d = values.blocks * channels;
  for (size_t g = 0; g < Tile; ++g)
    flush(sums + 4 * g, rounded[g], correction[g], out + g * d + b * channels);
}

template <class Block>
RAZORSCOPE_VNNI void add_values(const CodedBlock& values, const RunScales& scales, const float* weights,
                                const float* correction, size_t rows, float* out) {
  for (size_t b = 0; b < values.blocks; ++b) {
    for_tiles(rows, [&]<size_t Tile>(size_t row) RAZORSCOPE_VNNI_LAMBDA {
      add_block<Block, Tile>(values, b, scales, weights + row * block_slots, correction + row,
                             out + row * values.blocks * channels);
    });
  }
}

int shift_of(RowFormat format) {
  if (format == RowFormat::q8_0) return Q8Block::shift;
  return format == RowFormat::q4_0 ? Q4Block::shift : Q4MinimumBlock::shift;
}

/// starts: -shift·Σ of four neighbours' codes.
void round_queries(RowFormat format, const float* q, size_t rows, size_t blocks, int8_t* codes,
                   int32_t* starts, float* units) {
  const size_t d = blocks * channels;
  const int shift = shift_of(format);
  for (size_t g = 0; g < rows; ++g, q += d) {
    float largest = 0.0F;
    for (size_t i = 0; i < d; ++i) largest = std::max(largest, std::abs(q[i]));
    units[g] = largest / largest_byte;
    const float factor = units[g] > smallest_unit ? 1.0F / units[g] : 0.0F;
    for (size_t i = 0; i < d; i += 4) {
      int sum = 0;
      for (size_t j = i; j < i + 4; ++j) {
        const auto code = static_cast<int8_t>(_mm_cvtss_si32(_mm_set_ss(q[j] * factor)));
        codes[g * d + j] = code;
        sum += code;
      }
      starts[(g * d + i) / 4] = -shift * sum;
    }
  }
}

void scores_by_format(const CodedBlock& keys, const ByteQueries& queries, size_t rows, float* out) {
  switch (keys.format) {
    case RowFormat::q8_0:
      return scores_of<Q8Block>(keys, queries, rows, out);
    case RowFormat::q4_0:
      return scores_of<Q4Block>(keys, queries, rows, out);
    default:
      return scores_of<Q4MinimumBlock>(keys, queries, rows, out);
  }
}

void add_by_format(const CodedBlock& values, const RunScales& scales, const float* weights,
                   const float* correction, size_t rows, float* out) {
  switch (values.format) {
    case RowFormat::q8_0:
      return add_values<Q8Block>(values, scales, weights, correction, rows, out);
    case RowFormat::q4_0:
      return add_values<Q4Block>(values, scales, weights, correction, rows, out);
    default:
      return add_values<Q4MinimumBlock>(values, scales, weights, correction, rows, out);
  }
}

}  // namespace

bool byte_dots_know(RowFormat format, size_t d) {
  const bool known = format == RowFormat::q8_0 || format == RowFormat::q4_0 || format == RowFormat::q4_1 ||
                     format == RowFormat::kivi4_values;
  return known && d % channels == 0;
}

const ByteDots* vnni_byte_dots() {
  static const ByteDots dots = {round_queries, scores_by_format, add_by_format};
  static const bool has_vnni = __builtin_cpu_supports("avx512vnni") != 0;
  return has_vnni ? &dots : nullptr;
}

}  // namespace razorscope
