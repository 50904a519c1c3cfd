#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "models/base/progress.hpp"
#include "models/language/transformer.hpp"
#include "models/trace/head_scores.hpp"
#include "policies/cache/exact_memory.hpp"
#include "policies/cache/policy_memory.hpp"
#include "policies/policy.hpp"

namespace razorscope {

/// What selections may ask of a model in the closed loop.
struct ModelKnowledge {
  const HeadScores* probe = nullptr;         // for selections that protect heads
  const ScoreBoundSource* bounds = nullptr;  // for razor/scope
};

/// Is shown, layer by layer, how much softmax weight all queries of a context give each of its tokens:
/// [query_heads, tokens], valid during the call.
using ColumnsObserver = std::function<void(int layer, const double* columns)>;

/// A text that the model has read under several policies: one exact prefill, forked and compressed under
/// each. What comes after is read from memory(i) or, without harm to it, from a fork of it.
class CompressedContext {
 public:
  /// room: tokens after the context that exact() can still take. The transformer must outlive it. InputError
  /// where a policy makes no sense here (oracles know the future only in replay). `columns`: nothing, or who
  /// wants them; they are summed on the way.
  CompressedContext(const Transformer& transformer, std::span<const int32_t> tokens,
                    const std::vector<Policy>& policies, const ModelKnowledge& knowledge, int room,
                    Progress& progress, const std::string& phase, const ColumnsObserver& columns = nullptr);

  int tokens() const { return tokens_; }
  size_t policies() const { return memories_.size(); }
  const PolicyRun& run(size_t policy) const { return *runs_[policy]; }
  PolicyMemory& memory(size_t policy) { return *memories_[policy]; }
  const PolicyMemory& memory(size_t policy) const { return *memories_[policy]; }
  std::unique_ptr<PolicyMemory> fork(size_t policy) const {
    return std::make_unique<PolicyMemory>(*memories_[policy]);
  }
  /// The uncompressed f32 cache; it continues the context too.
  ExactMemory& exact() { return exact_; }

 private:
  void compress_all(const PrefixQueries* queries, const std::set<int>& first_queries,
                    const ColumnsObserver& columns);

  const Transformer& transformer_;
  int tokens_;
  ExactMemory exact_;
  std::vector<std::unique_ptr<PolicyRun>> runs_;
  std::vector<std::unique_ptr<PolicyMemory>> memories_;
};

}  // namespace razorscope
