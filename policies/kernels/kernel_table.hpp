#pragma once

#include "policies/kernels/attend.hpp"
#include "policies/kernels/attention_piece.hpp"
#include "policies/kernels/source_rows.hpp"
#include "policies/kernels/target.hpp"

namespace razorscope {

/// The kernels of one target.
struct KernelTable {
  Target target;
  void (*attend_piece)(const AttentionPiece&, const GroupQuery&, const PieceOutput&);
  void (*softmax_row)(float* row, size_t count, float slope);
  LogSumExp (*log_sum_exp)(const float* row, size_t count);
  // Of row_sums.hpp.
  void (*add_rows)(const SourceRows& rows, int count, int head_size, double* sums);
  void (*widen_halves)(const std::byte* halves, size_t count, float* out);
};

const KernelTable& scalar_kernels();
/// Null where the build lacks the target.
const KernelTable* avx2_kernels();
const KernelTable* avx512_kernels();
const KernelTable* avx512_bf16_kernels();

/// The table of a target; null where the build lacks it or this processor cannot run it.
const KernelTable* kernels_of(Target target);
/// The table of the active target.
const KernelTable& active_kernels();

}  // namespace razorscope
