#pragma once

#include <span>
#include <vector>

#include "models/language/shape.hpp"
#include "policies/cache/head_cache.hpp"
#include "policies/policy.hpp"

namespace razorscope {

/// A policy at work on one sequence: its selection and its codecs, made once and shared by the layers'
/// caches.
class PolicyRun {
 public:
  PolicyRun(const Policy& policy, const SelectionContext& context);

  const Policy& policy() const { return policy_; }
  const Selection& selection() const { return *selection_; }
  /// As the caches see it: the model's, or one with as many KV heads as query heads, where each query head
  /// has a cache of its own.
  const Shape& shape() const { return shape_; }
  /// Caches that hold rows of the same KV head: 1, or the model's group size where query heads have their
  /// own.
  int sharing() const { return sharing_; }
  HeadCacheSpec head_spec(int layer, int kv_head) const;
  /// Whether caches keep accumulated scores while decoding.
  bool keeps_scores() const {
    return selection_->when() == When::every_step && selection_->needs().accumulate;
  }

  /// Physical bytes of all caches right after the prefix is compressed: from Selection::kept_counts, else
  /// from the plan, for selections whose plans need no observation.
  size_t predicted_bytes(int prefix) const;

 private:
  const Codec* codec(bool keys, bool is_protected) const {
    return codecs_[(keys ? 0 : 2) + (is_protected ? 1 : 0)].get();
  }

  Policy policy_;
  int sharing_;
  Shape shape_;
  std::unique_ptr<const Selection> selection_;
  std::unique_ptr<const SlotRotation> rotation_;  // where the selection asks for slot positions
  std::vector<std::unique_ptr<const Codec>>
      codecs_;  // keys of others, of protected; values of others, of protected
};

/// One layer's KV cache under a policy. Life: compress() once with the exact prefix, then for each token
/// append(), attend() for each KV head, end_step().
class LayerCache {
 public:
  /// `run` and `counter` must outlive it.
  LayerCache(const PolicyRun& run, int layer, AllocationCounter& counter);

  /// Plans and builds the heads' caches from the exact prefix. `prefix` shows what the selection needs.
  /// Returns what was planned.
  LayerPlan compress(const PrefixView& prefix, int tokens);

  /// Adds a token; k, v: [the model's kv_heads, head_size].
  void append(int position, const float* k, const float* v);

  /// Attention of one KV head's group; slots that the selection lets the query not read get the score
  /// -infinity. exact_weights: see QueryView. May run for different heads on different threads.
  void attend(int kv_head, const GroupQuery& query, const GroupOutput& output,
              std::span<const double> exact_weights = {});

  /// attend() for all KV heads at once, on all threads: cut along the sequence where that is possible.
  void attend_all(std::span<const GroupQuery> queries, std::span<const GroupOutput> outputs);

  /// Under every_step: plans and drops after the token at `position` was attended. Returns what was planned
  /// (empty heads otherwise).
  LayerPlan end_step(int position);

  const HeadCache& head(int index) const { return heads_[static_cast<size_t>(index)]; }
  int heads() const { return static_cast<int>(heads_.size()); }
  ByteLedger ledger() const;

 private:
  LayerView view(int tokens) const;
  void attend_to_what_is_read(int kv_head, const GroupQuery& query, const GroupOutput& output,
                              std::span<const double> exact_weights) const;
  void accumulate_scores();

  const PolicyRun* run_;
  int layer_;
  std::vector<HeadCache> heads_;
  std::vector<std::vector<float>>
      weights_;  // per KV head, of the latest query; where the selection wants them
};

}  // namespace razorscope
