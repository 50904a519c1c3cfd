#pragma once

#include "policies/kernels/attend.hpp"

namespace razorscope {

/// Consecutive slots of a head whose keys are of one format, and whose values are: what a target's kernel
/// works on at a time.
struct AttentionPiece {
  int head_size = 0;
  int slots = 0;
  RowSegment keys;         // data: the first slot's row; of kivi keys its group
  int first_in_group = 0;  // of kivi keys: the first slot's place in its group
  RowSegment values;
  const int32_t* positions = nullptr;  // of the first slot; null: slot i holds first_position + i
  int first_position = 0;
  const float* bias = nullptr;  // [slots], added to scores, whose position is then 0; null: none
};

/// A piece's share of the softmax, to be merged with the other pieces'.
struct PieceOutput {
  float* out = nullptr;      // [group, head_size], Σ exp(score - largest)·v
  float* largest = nullptr;  // [group], of the scores
  float* total = nullptr;    // [group], Σ exp(score - largest)
  float* scores = nullptr;   // the first slot's; rows of score_stride; null: not wanted
  size_t score_stride = 0;
};

struct KernelTable;

/// attend_group by the kernels of one target.
void attend_group(const KernelTable& kernels, const HeadView& head, const GroupQuery& query,
                  const GroupOutput& output);

}  // namespace razorscope
