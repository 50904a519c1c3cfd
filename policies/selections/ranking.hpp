#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "policies/selections/selection.hpp"

namespace razorscope {

/// Tokens per KV head that a budget stands for, at least 1. See ParameterKind::budget: a fraction is of the
/// prefix, bytes are of the whole sequence under the policy's codec.
int budget_tokens(const Budget& budget, const SelectionContext& context);
int budget_tokens(const ParameterValues& values, const std::string& name, const SelectionContext& context);

/// The `count` indices with the highest scores, ascending; equal scores go to the lower index. A NaN is an
/// InputError.
std::vector<int32_t> top_indices(std::span<const double> scores, int count);

/// The plan that leaves a head with `kept` (ascending) of what it holds.
HeadPlan drop_all_but(const LayerView& view, size_t kv_head, std::span<const int32_t> kept);

/// How scores of the query heads of a group become one.
enum class GroupAggregate { mean, max, sum };
/// The parameter group_agg. With query_head it also offers that word: no group, but a cache for each query
/// head, as published for models without groups. PolicyRun then shows the selection a shape with as many KV
/// heads as query heads, so that selections need not know.
Parameter group_aggregate_parameter(std::string fallback, bool query_head = false);
GroupAggregate group_aggregate_of(const ParameterValues& values);

/// A KV head's columns (PrefixView::columns or future_columns, [query_heads, tokens]) as one score a token.
std::vector<double> group_columns(const double* columns, int tokens, int kv_head, int group,
                                  GroupAggregate aggregate);

/// A selection that decides once, by one score a token and KV head: keeps the `budget` best.
class ScoredSelection : public Selection {
 public:
  ScoredSelection(int budget, const Shape& shape) : budget_(budget), kv_heads_(shape.kv_heads) {}
  When when() const override { return When::after_prefill; }
  LayerPlan plan(const LayerView& view) const override;
  std::optional<std::vector<int>> kept_counts(int layer, int prefix) const override;

 protected:
  /// [tokens] scores of one KV head; tokens that must stay have +infinity.
  virtual std::vector<double> scores(const LayerView& view, int kv_head) const = 0;
  int budget() const { return budget_; }

 private:
  int budget_;
  int kv_heads_;
};

Parameter budget_parameter();

}  // namespace razorscope
