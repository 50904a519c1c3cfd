#pragma once

#include <memory>
#include <vector>

#include "models/language/attention_memory.hpp"
#include "policies/cache/exact_memory.hpp"
#include "policies/cache/layer_cache.hpp"
#include "policies/cache/prefix_observations.hpp"

namespace razorscope {

/// Keeps the queries of a prefix while it is prefilled, for policies that decide by them: [tokens,
/// query_heads·head_size] per layer.
class PrefixQueries {
 public:
  PrefixQueries(const Shape& shape, int tokens);
  void add(int layer, const QueriesKeysValues& block);
  HeadRows rows(int layer) const;

 private:
  Shape shape_;
  std::vector<Matrix> queries_;
};

/// A sequence's memory under a policy, forked from an exact prefill. Owns the caches of all layers; the
/// policy run must outlive it.
///
/// Contract. `compress_layer` for every layer in ascending order, then step or prefill (which continues the
/// sequence) as AttentionMemory says.
class PolicyMemory final : public AttentionMemory {
 public:
  explicit PolicyMemory(const PolicyRun& run);
  /// A copy that goes its own way: another continuation of the same compressed context. Under the same
  /// counter, which lives as long as any of them.
  PolicyMemory(const PolicyMemory&) = default;
  PolicyMemory& operator=(const PolicyMemory&) = delete;

  void compress_layer(const PrefixView& prefix, int tokens);

  /// Several tokens at a time, each attending to what is held and to those before it: in one block where that
  /// is the same as token by token (decides_later() is false), else token by token.
  void prefill(int layer, const QueriesKeysValues& block, float* out) override;
  void step(int layer, const QueriesKeysValues& token, float* out) override;

  /// Whether later tokens change what earlier ones read back as or where they stand, or what is kept.
  bool decides_later() const;
  const LayerCache& layer(int index) const { return layers_[static_cast<size_t>(index)]; }
  ByteLedger ledger() const;
  /// Bytes that attention of the next token reads: codes, scales, residuals, compensation slots.
  size_t bytes_read() const;

 private:
  const PolicyRun& run_;
  std::shared_ptr<AllocationCounter> counter_;
  std::vector<LayerCache> layers_;
};

}  // namespace razorscope
