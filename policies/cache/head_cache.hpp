#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "policies/cache/byte_ledger.hpp"
#include "policies/cache/cache_buffer.hpp"
#include "policies/codecs/codec.hpp"
#include "policies/kernels/attend.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {

/// Tokens that memory is handed out for at a time, as paged engines do.
inline constexpr int block_tokens = 16;

/// What a head cache is built from. The codecs must outlive it.
struct HeadCacheSpec {
  int head_size = 0;
  const Codec* key_codec = nullptr;
  const Codec* value_codec = nullptr;
  Compensation compensation = Compensation::none;
  /// ALiBi slope of the head, 0 under RoPE: a folded token at position n weighs exp(slope·n) in its slot, so that the
  /// slot's bias ln Σ exp(slope·n) - slope·m is what the tokens' own biases sum to (razor-attention, section 2).
  double slope = 0.0;
};

/// The KV cache of one head: coded rows of the tokens it keeps, in slots, and at most one compensation slot.
///
/// A token that leaves is overwritten by the last slot, so slot order is free and nothing is moved but one row. Positions
/// are stored once a token has left; before that slot i holds position i. Compensation means are running means in f32.
/// Not shared by threads.
class HeadCache {
 public:
  HeadCache(const HeadCacheSpec& spec, AllocationCounter& counter);

  /// Fills an empty cache with the prefix 0 .. tokens - 1 of exact rows (row t at keys + t·stride), less the planned
  /// tokens: each row is read once and encoded, or folded from its exact value. Memory fits what is kept.
  void compress(const float* keys, const float* values, size_t stride, int tokens, const HeadPlan& plan);

  /// Encodes one new token. Positions ascend.
  void append(int position, const float* key, const float* value);

  /// Drops tokens; folded ones join the compensation slot with their decoded values.
  void drop(const HeadPlan& plan);

  /// Attention of the group's queries over all slots.
  void attend(const GroupQuery& query, const GroupOutput& output) const;

  int tokens() const { return slots_; }
  bool has_compensation() const { return folded_ > 0 && spec_.compensation != Compensation::none; }
  int entries() const { return slots_ + (has_compensation() ? 1 : 0); }
  /// Position of each slot; empty: slot i holds position i.
  std::span<const int32_t> positions() const;
  /// Positions held, ascending.
  std::vector<int32_t> sorted_positions() const;
  /// The compensation slot's mean key and value, [head_size] each; only where has_compensation().
  std::span<const float> compensation_key() const;
  std::span<const float> compensation_value() const;
  float compensation_bias() const;

  ByteLedger ledger() const;

  /// Physical bytes of a cache that keeps `tokens` of a prefix of `prefix` tokens, as compress() would allocate them.
  static size_t physical_bytes(const HeadCacheSpec& spec, int tokens, int prefix, bool folds);

 private:
  void reserve(int tokens);
  void store_positions();
  void store(int slot, int position, const float* key, const float* value);
  void fold(int position, const float* key, const float* value);
  int slot_of(int32_t position) const;

  HeadCacheSpec spec_;
  AllocationCounter* counter_;
  int slots_ = 0;
  int capacity_ = 0;
  int64_t folded_ = 0;
  double log_weight_ = 0.0;  // ln Σ exp(slope·position) over the folded tokens
  CacheBuffer keys_;
  CacheBuffer values_;
  CacheBuffer positions_;     // int32 [capacity], or empty
  CacheBuffer compensation_;  // floats [2·head_size + 1]: key, value, bias; or empty
};

}  // namespace razorscope
