#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "policies/kernels/row_format.hpp"

namespace razorscope {

/// One KV head's cache, as kernels read it. Slot order is free.
struct HeadView {
  int head_size = 0;
  int slots = 0;
  RowSegments keys;                    // [slots] rows in all
  RowSegments values;                  // [slots]; may be cut into segments elsewhere than the keys
  const int32_t* positions = nullptr;  // [slots]; null: slot i holds position i. Read under ALiBi only.
  // Compensation slots: f32 rows and an additive bias on the score, the logarithm of the weight they stand
  // for.
  int compensation_slots = 0;
  const float* compensation_keys = nullptr;    // [compensation_slots, head_size]
  const float* compensation_values = nullptr;  // [compensation_slots, head_size]
  const float* compensation_bias = nullptr;    // [compensation_slots]

  int entries() const { return slots + compensation_slots; }
};

/// The query heads that share this KV head, at one position.
struct GroupQuery {
  int group = 0;
  const float* q = nullptr;  // [group, head_size]
  float scale = 1.0F;
  const float* slopes = nullptr;  // [group] under ALiBi, else null
  int position = 0;               // of the query; read under ALiBi only
  // Queries and weights may be rounded to 8 bits where keys and values are codes of 8 or 4 bits and the
  // processor multiplies bytes (AVX512-VNNI): scores and outputs differ by about 1 %.
  bool byte_products = false;
};

/// score(slot) = scale·q·k - slope·(position - slot's position); a compensation slot: scale·q·k̂ + bias -
/// slope·position.
struct GroupOutput {
  float* out = nullptr;      // [group, head_size], softmax(scores)·V
  float* scores = nullptr;   // [group, entries()] in slot order, compensation slots last; null: not wanted
  float* log_sum = nullptr;  // [group], ln Σ exp(score); null: not wanted
};

/// Exact decode attention of one KV head over all its slots, by the active target. At least one entry. Runs
/// on the calling thread.
void attend_group(const HeadView& head, const GroupQuery& query, const GroupOutput& output);

struct AttentionJob {
  HeadView head;
  GroupQuery query;
  GroupOutput output;
};

/// Several heads at once, on all of OpenMP's threads: long heads are cut along the sequence, at places that
/// depend on their lengths only, so that the result is attend_group's for any number of threads.
void attend_heads(std::span<const AttentionJob> jobs);

/// In place over one row of causal scores: row[j] = softmax_j(row[j] + slope·j), over j < count; the shift by
/// the query's own position cancels. By the active target.
void softmax_row(float* row, size_t count, float slope);

struct LogSumExp {
  float largest = 0.0F;  // of the row
  double log_sum = 0.0;  // ln Σ exp
};
/// Of a row of logits, count >= 1. By the active target.
LogSumExp log_sum_exp(const float* row, size_t count);

}  // namespace razorscope
