#pragma once

#include <cstdint>
#include <vector>

#include "policies/cache/head_cache.hpp"
#include "sim/replay/replay.hpp"

namespace razorscope {

/// What became of each token in one KV head.
class TokenFates {
 public:
  enum class Fate : uint8_t { kept, dropped, folded };

  /// Tokens beyond those known are kept.
  void apply(const HeadPlan& plan, int tokens);
  Fate of(int position) const {
    return static_cast<size_t>(position) < fates_.size() ? fates_[static_cast<size_t>(position)] : Fate::kept;
  }
  bool all_kept() const { return lost_ == 0; }

 private:
  std::vector<Fate> fates_;
  int lost_ = 0;
};

/// One query of one query head under full+f32.
struct QueryBaseline {
  int tokens = 0;                      // the query's position + 1
  const float* out = nullptr;          // [head_size]
  const float* weights = nullptr;      // [tokens] softmax
  const float* log_weights = nullptr;  // [tokens]
};

/// The same query under a policy.
struct QueryResult {
  const HeadCache* cache = nullptr;
  const float* out = nullptr;     // [head_size]
  const float* scores = nullptr;  // [cache->entries()]; -infinity: held, but not read by this query
  float log_sum = 0.0F;
};

/// What the full softmax gives to the tokens that one compensation slot stands for.
struct SlotTokens {
  double count = 0.0;
  double log_weights = 0.0;  // Σ ln p
};

/// Accumulates rungs 1 to 3 of the error ladder over the queries of one query head. In the divergence a
/// slot's weight is spread evenly over its tokens. Where a cache has several slots and does not track which
/// token joined which (CompensationSlots::track_membership), each slot's tokens are taken to average to its
/// mean key: true to rounding of tokens that were folded from exact rows, as the prefix's are, and nearly so
/// of those that a codec had stored.
class ErrorAccumulator {
 public:
  void add(const QueryBaseline& baseline, const QueryResult& result, const TokenFates& fates, int head_size);
  /// Means over what was added.
  HeadErrors errors(int layer, int kv_head, int query_head) const;

 private:
  int queries_ = 0;
  HeadErrors sums_;
  std::vector<SlotTokens> slots_;  // of the query at hand
};

/// ||a - b|| / ||b||; 0 where both are zero.
double relative_difference(const float* a, const float* b, size_t count);

}  // namespace razorscope
