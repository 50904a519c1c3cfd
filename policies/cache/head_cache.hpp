#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "policies/cache/byte_ledger.hpp"
#include "policies/cache/compensation.hpp"
#include "policies/cache/slot_rotation.hpp"
#include "policies/cache_buffer.hpp"
#include "policies/codecs/codec.hpp"
#include "policies/kernels/attend.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {

/// What a head cache is built from. The codecs must outlive it.
struct HeadCacheSpec {
  int head_size = 0;
  const Codec* key_codec = nullptr;
  const Codec* value_codec = nullptr;
  CompensationSpec compensation;
  bool keeps_scores = false;  // one accumulated score a slot (Needs::accumulate)
  /// ALiBi slope of the head, 0 under RoPE: a folded token at position n weighs exp(slope·n) in its slot, so
  /// that the slot's bias ln Σ exp(slope·n) - slope·m is what the tokens' own biases sum to (razor-attention,
  /// section 2).
  double slope = 0.0;
  /// Where given, keys are held before RoPE, and each query turns them to their slots' indices. Never
  /// together with compensation: a mean of keys has no slot of its own. Must outlive the cache.
  const SlotRotation* rotation = nullptr;
};

/// Tokens first .. first + count - 1 of a prefix.
struct TokenRun {
  int first = 0;
  int count = 0;
};

/// The KV cache of one head: coded rows of the tokens it keeps, in slots, and its compensation slots.
///
/// A token that leaves is overwritten by the last of the slots whose order is free in both stores, so that a
/// window moves a constant number of rows per token; rows of a residual window and KIVI's groups keep their
/// order. Positions are stored once a token
/// has left; before that slot i holds position i. Not shared by threads, but attend() may run for one head at
/// a time on any thread.
class HeadCache {
 public:
  HeadCache(const HeadCacheSpec& spec, AllocationCounter& counter);
  /// A copy that goes its own way, under the same counter.
  HeadCache(const HeadCache& other);
  HeadCache(HeadCache&&) noexcept = default;

  /// Fills an empty cache with the prefix 0 .. tokens - 1 of exact rows, less the planned tokens. One pass in
  /// runs of tokens: each row that is kept or folded is read once (twice where a codec wants calibration),
  /// and copied, encoded, or folded from its exact value. Memory fits what is kept. scores: the tokens'
  /// accumulated scores, [tokens], where the cache keeps them.
  void compress(const SourceRows& keys, const SourceRows& values, int tokens, const HeadPlan& plan,
                std::span<const float> scores = {});
  /// The same from f32 rows, row t at keys + t·stride.
  void compress(const float* keys, const float* values, size_t stride, int tokens, const HeadPlan& plan,
                std::span<const float> scores = {});

  /// Encodes one new token. Positions ascend.
  void append(int position, const float* key, const float* value);

  /// Drops tokens; folded ones join a compensation slot with their decoded values.
  void drop(const HeadPlan& plan);

  /// Attention of the group's queries over all slots; scores and their order as in GroupOutput. With a
  /// rotation each key stands at its rank by position among what is held, and the query at the last rank.
  void attend(const GroupQuery& query, const GroupOutput& output) const;
  /// What attend() reads, where one view serves every query and no row needs to be decoded first. Valid until
  /// the cache changes.
  std::optional<HeadView> view() const;

  /// The same over some slots only (ascending, at least one); the others' scores are -infinity. Rows are
  /// gathered, decoded. Never with a rotation.
  void attend_to(std::span<const int32_t> slots, const GroupQuery& query, const GroupOutput& output) const;

  /// Adds to the accumulated scores, [tokens()] in slot order.
  void add_scores(std::span<const float> added);
  std::span<const float> scores() const;

  int tokens() const { return keys_->rows(); }
  bool has_compensation() const { return compensation_slots() > 0; }
  int compensation_slots() const { return compensation_ ? compensation_->slots() : 0; }
  int entries() const { return tokens() + compensation_slots(); }
  CompensationSlots* compensation() const { return compensation_.get(); }
  /// Position of each slot; empty: slot i holds position i.
  std::span<const int32_t> positions() const;
  /// Positions held, ascending.
  std::vector<int32_t> sorted_positions() const;
  /// The first compensation slot's mean key and value, [head_size] each; only where has_compensation().
  std::span<const float> compensation_key() const;
  std::span<const float> compensation_value() const;
  float compensation_bias() const;
  /// Decoded rows of all slots, [tokens(), head_size] each; with a rotation, keys as before RoPE.
  void read_all(float* keys, float* values) const;
  /// Whether what a row reads back as can change as later tokens arrive.
  bool ages() const { return keys_->ages() || values_->ages(); }

  ByteLedger ledger() const;

  /// Physical bytes of a cache that keeps `tokens` of a prefix of `prefix` tokens, as compress() would
  /// allocate them.
  static size_t physical_bytes(const HeadCacheSpec& spec, int tokens, int prefix, bool folds);

 private:
  /// Room for the arrays that have one element a slot: positions, accumulated scores.
  void reserve_slots(int slots);
  void store_positions();
  void fill_stores(const SourceRows& keys, const SourceRows& values, const std::vector<TokenRun>& kept);
  void calibrate(const SourceRows& keys, const SourceRows& values, const std::vector<TokenRun>& kept);
  void append_keys(const SourceRows& keys, const TokenRun& run);
  CompensationSlots& folding();
  /// The key as the store holds it: itself, or turned back to before RoPE in `buffer`.
  const float* stored_key(int position, const float* key, std::vector<float>& buffer) const;
  /// [tokens()] rank of each slot by position.
  std::vector<int32_t> ranks() const;
  /// Attention over rows that kernels can read, and the compensation slots.
  void attend_rows(HeadView head, const GroupQuery& query, const GroupOutput& output) const;
  int slot_of(int32_t position) const;
  void remove_slot(int slot);

  HeadCacheSpec spec_;
  AllocationCounter* counter_;
  std::unique_ptr<RowStore> keys_;
  std::unique_ptr<RowStore> values_;
  std::unique_ptr<CompensationSlots> compensation_;
  int capacity_ = 0;       // slots that the arrays have room for
  CacheBuffer positions_;  // int32 [capacity], or empty
  CacheBuffer scores_;     // f32 [capacity], or empty
};

}  // namespace razorscope
