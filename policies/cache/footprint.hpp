#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "policies/cache/layer_cache.hpp"

namespace razorscope {

/// Bytes that decode attention of one token reads of one sequence's cache, all layers.
struct CacheRead {
  double bytes = 0.0;        // elements of 16 bits or more, compensation slots
  double coded_bytes = 0.0;  // narrower ones, scales included
  double score_bytes = 0.0;  // accumulated scores, read and written
};

/// What compressing a prompt's cache costs, once.
struct CompressionPass {
  double bytes = 0.0;       // read and written
  double operations = 0.0;  // of scoring the prompt's tokens
};

/// What one sequence's cache takes under a policy on the rank with the most to hold, as a function of the
/// tokens seen. Immutable; the policy's footprint may die before it.
class SequenceFootprint {
 public:
  /// Physical bytes after the prompt was compressed and decoding reached `tokens` in all (>= the prompt):
  /// whole blocks of 16 tokens for every head, as HeadCache allocates them.
  size_t held_bytes(int tokens) const;
  /// The same of all heads of the model, each once.
  size_t held_bytes_of_all(int tokens) const;
  /// The smallest number of tokens above `tokens` at which held_bytes may differ.
  int next_growth(int tokens) const;
  /// Physical bytes while the prompt is prefilled and `tokens` of it are in: uncompressed 16-bit rows, unless
  /// the policy keeps everything (then rows are coded as they are written) or drops chunk by chunk.
  size_t prefill_bytes(int tokens) const;
  /// Each layer's rank with the most to read counts, since ranks wait for each other in every layer.
  CacheRead read(int tokens) const;
  bool keeps_all() const { return keeps_all_; }
  const CompressionPass& compression() const { return compression_; }
  /// Tokens that a KV head holds in the mean, all heads of the model.
  double kept_tokens_mean(int tokens) const;
  int prompt() const { return prompt_; }

 private:
  friend class PolicyFootprint;
  /// Heads that hold the same number of tokens in the same way.
  struct HeadClass {
    int heads = 0;
    int kept = 0;      // of the prompt
    int capacity = 0;  // under every_step; else they grow without end
    bool is_protected = false;
    HeadCacheSpec spec = {};
    double wide_bytes = 0.0;  // of a row in K and V, elements of 16 bits or more
    double coded_bytes = 0.0;
    bool ages = false;  // rows are coded later than they come, so that bytes change between blocks
  };
  int rows(const HeadClass& heads, int tokens) const;
  bool folds(const HeadClass& heads, int tokens) const;
  size_t held_bytes(const HeadClass& heads, int tokens) const;
  size_t held_bytes(const std::vector<HeadClass>& classes, int tokens) const;

  std::shared_ptr<const PolicyRun> run_;  // owns the codecs that specs name
  int prompt_ = 0;
  bool every_step_ = false;
  bool every_chunk_ = false;
  bool keeps_all_ = false;
  bool scores_ = false;
  std::vector<HeadClass> held_;  // of the rank that holds most
  std::vector<HeadClass> read_;  // of each layer's rank that reads most
  std::vector<HeadClass> all_;
  CompressionPass compression_;
};

/// A policy's bytes on a model that need not be there: from the selection's own counts and the codecs' own
/// sizes, so that they agree with what replay measures.
///
/// A rank holds ceil(kv_heads / tp) KV heads, in order; with fewer heads than ranks, one.
class PolicyFootprint {
 public:
  /// probe: null where nobody probed the model: even_head_scores then stand in. InputError where the policy
  /// makes no sense on the shape, or works in replay only.
  PolicyFootprint(const Policy& policy, const Shape& shape, const HeadScores* probe, int tp);

  /// Remembers prompts that are in use: many requests have one length. Not for several threads at once.
  std::shared_ptr<const SequenceFootprint> of_prompt(int tokens);

  const Policy& policy() const { return policy_; }
  /// Whether retrieval heads were asked for and assumed instead of probed.
  bool assumes_heads() const { return assumes_heads_; }
  /// Physical bytes of one 16-token block of every KV head of a rank, before anything is dropped, in the
  /// codec of heads that are not protected: the unit in which engines count.
  size_t block_bytes() const;
  /// Whether the policy ever drops a token of a prompt.
  bool drops();
  /// Whether decode attention reads elements of fewer than 16 bits.
  bool coded() const;

 private:
  SequenceFootprint::HeadClass head_class(const PolicyRun& run, int layer, int head, int kept,
                                          int capacity) const;

  Policy policy_;
  Shape shape_;
  HeadScores probe_;
  int tp_;
  bool assumes_heads_;
  std::unordered_map<int, std::weak_ptr<const SequenceFootprint>> in_use_;
};

}  // namespace razorscope
