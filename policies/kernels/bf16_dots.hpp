#pragma once

#include <cstddef>
#include <cstdint>

namespace razorscope {

/// Slots whose scores are computed before their values are read; rows of scores and weights lie this far
/// apart.
inline constexpr size_t block_slots = 1024;

/// Whether this processor has the dot products of AVX512_BF16.
bool has_avx512_bf16();

/// Lanes in which sums of weights stay until the end of a piece.
inline constexpr size_t total_lanes = 16;

/// Query rows whose values are summed in one pass.
inline constexpr size_t bf16_rows_at_once = 16;

/// What scores become weights by, of some query rows: exp(score - largest), added to the row's totals.
struct Bf16Softmax {
  const float* largest;  // [rows]
  float* totals;         // [rows, total_lanes]
};

/// Kernels over rows of bf16 with AVX512_BF16's dot products. Queries and weights are rounded to bf16 (2^-9),
/// as GPU kernels do; products are exact and sums f32. Blocks of at most block_slots slots.
struct Bf16Dots {
  void (*round_queries)(const float* q, size_t count, uint16_t* rounded);
  /// scores[g][t] = q[g]·k_t.
  void (*scores)(const std::byte* keys, size_t stride, size_t count, size_t d, const uint16_t* q, size_t rows,
                 float* scores);
  /// Adds Σ_t weights[g][t]·v_t to sums [rows, d], whose channels lie in an order of their own. rows: at most
  /// bf16_rows_at_once; scores: -infinity from `count` to a multiple of 16. Weights are rounded to bf16.
  void (*add)(const std::byte* values, size_t stride, size_t count, size_t d, const float* scores,
              Bf16Softmax softmax, size_t rows, float* sums);
  /// out = out·correction + the sums of one row, for d channels.
  void (*flush)(const float* sums, size_t d, float correction, float* out);
};

/// Whether there are kernels for a head size: 64, 96, 128, 256.
bool bf16_dots_know(size_t d);

/// Only where has_avx512_bf16().
const Bf16Dots& avx512_bf16_dots();

}  // namespace razorscope
