#pragma once

#include <cstddef>
#include <cstdint>

#include "policies/kernels/row_format.hpp"

namespace razorscope {

/// Some rows of codes with a scale for every 32 channels, one behind the other.
struct CodedBlock {
  RowFormat format;
  const std::byte* data;
  size_t stride;
  size_t count;   // of rows
  size_t blocks;  // of 32 channels
};

/// Query rows as signed bytes. starts: what sums of products begin at, since codes are multiplied without a
/// sign: the shift that takes it from them, times four neighbouring queries each.
struct ByteQueries {
  const int8_t* codes;    // [rows, 32·blocks]
  const int32_t* starts;  // [rows, blocks, 8]
};

/// Scales and zeros of at most 64 rows, by block of channels: [blocks, 64], zeros beyond the rows.
struct RunScales {
  const float* scales;
  const float* zeros;  // of formats that have them
};

/// Products of bytes, summed in 32 bits (AVX512-VNNI): the codes as they are, times queries that are rounded
/// to 1/127 of their row's largest element, and times weights that are rounded, with their token's scale, to
/// 1/127 of the largest such product among 64 tokens.
struct ByteDots {
  /// Of `rows` query rows for rows of a format.
  void (*round_queries)(RowFormat format, const float* q, size_t rows, size_t blocks, int8_t* codes,
                        int32_t* starts, float* units);
  /// scores[g][t] = codes of q[g] · k_t, in units of the query row; rows of scores lie block_slots apart.
  void (*scores)(const CodedBlock& keys, const ByteQueries& queries, size_t rows, float* scores);
  /// out[g] = out[g]·correction[g] + Σ_t weights[g][t]·v_t over at most 64 rows; weights: 0 beyond them.
  void (*add)(const CodedBlock& values, const RunScales& scales, const float* weights,
              const float* correction, size_t rows, float* out);
};

/// q8_0, q4_0, q4_1 and KIVI's 4-bit values, of head sizes that are multiples of 32.
bool byte_dots_know(RowFormat format, size_t d);

/// Null where this processor has no AVX512-VNNI.
const ByteDots* vnni_byte_dots();

}  // namespace razorscope
