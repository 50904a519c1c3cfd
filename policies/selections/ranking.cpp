#include "policies/selections/ranking.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/base/error.hpp"
#include "policies/cache_buffer.hpp"

namespace razorscope {

int budget_tokens(const Budget& budget, const SelectionContext& context) {
  double tokens = budget.amount;
  if (budget.unit == Budget::Unit::fraction) {
    constexpr double hair = 1e-9;  // 0.29 of 100 is 29, which binary fractions miss by a hair
    tokens = std::floor(budget.amount * context.prefix + hair);
  }
  if (budget.unit == Budget::Unit::bytes) {
    const double heads = static_cast<double>(context.shape.layers) * context.shape.kv_heads;
    // Positions, an accumulated score and alignment count too; whole blocks, so that rounding up exceeds
    // nothing.
    constexpr double beside_rows = 8.0;
    constexpr double alignment = 4.0 * 64.0;
    tokens = (budget.amount / heads - alignment) / (context.bytes_per_token + beside_rows);
    tokens = tokens >= block_tokens ? std::floor(tokens / block_tokens) * block_tokens : std::floor(tokens);
  }
  return static_cast<int>(std::clamp(tokens, 1.0, 1e9));
}

int budget_tokens(const ParameterValues& values, const std::string& name, const SelectionContext& context) {
  return budget_tokens(parse_budget(values.text(name)), context);
}

std::vector<int32_t> top_indices(std::span<const double> scores, int count) {
  if (std::any_of(scores.begin(), scores.end(), [](double x) { return std::isnan(x); })) {
    throw InputError("selection", "a token's score is not a number");
  }
  std::vector<int32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  const auto kept = std::min<size_t>(order.size(), static_cast<size_t>(std::max(count, 0)));
  const auto better = [&](int32_t a, int32_t b) {
    const double x = scores[static_cast<size_t>(a)];
    const double y = scores[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  if (kept < order.size())
    std::nth_element(order.begin(), order.begin() + static_cast<ptrdiff_t>(kept), order.end(), better);
  order.resize(kept);
  std::sort(order.begin(), order.end());
  return order;
}

HeadPlan drop_all_but(const LayerView& view, size_t kv_head, std::span<const int32_t> kept) {
  HeadPlan plan;
  const std::vector<int32_t> held = held_between(view, kv_head, 0, view.tokens);
  std::set_difference(held.begin(), held.end(), kept.begin(), kept.end(), std::back_inserter(plan.dropped));
  return plan;
}

Parameter group_aggregate_parameter(std::string fallback, bool query_head) {
  Parameter parameter = {.name = "group_agg",
                         .kind = ParameterKind::choice,
                         .fallback = std::move(fallback),
                         .help = "how the scores of the query heads that share a KV head become one",
                         .choices = {"mean", "max", "sum"}};
  if (query_head) {
    parameter.help +=
        "; query-head: a cache for each query head instead, as published: group size times the memory";
    parameter.choices.emplace_back("query-head");
  }
  return parameter;
}

GroupAggregate group_aggregate_of(const ParameterValues& values) {
  const std::string& name = values.text("group_agg");  // of a group of one, all are the same: query-head
  return name == "mean" ? GroupAggregate::mean : name == "max" ? GroupAggregate::max : GroupAggregate::sum;
}

std::vector<double> group_columns(const double* columns, int tokens, int kv_head, int group,
                                  GroupAggregate aggregate) {
  std::vector<double> out(static_cast<size_t>(tokens), 0.0);
  for (int g = 0; g < group; ++g) {
    const double* row = columns + static_cast<ptrdiff_t>(kv_head * group + g) * tokens;
    for (size_t n = 0; n < out.size(); ++n) {
      out[n] = aggregate == GroupAggregate::max ? std::max(out[n], row[n]) : out[n] + row[n];
    }
  }
  if (aggregate == GroupAggregate::mean) {
    for (double& x : out) x /= group;
  }
  return out;
}

LayerPlan ScoredSelection::plan(const LayerView& view) const {
  LayerPlan plan(view.held.size());
  if (view.tokens <= budget_) return plan;
  for (size_t h = 0; h < plan.size(); ++h) {
    plan[h] = drop_all_but(view, h, top_indices(scores(view, static_cast<int>(h)), budget_));
  }
  return plan;
}

std::optional<std::vector<int>> ScoredSelection::kept_counts(int /*layer*/, int prefix) const {
  return std::vector<int>(static_cast<size_t>(kv_heads_), std::min(budget_, prefix));
}

Parameter budget_parameter() {
  return {.name = "budget",
          .kind = ParameterKind::budget,
          .fallback = "0.25",
          .help = "tokens that each KV head keeps, everything included"};
}

}  // namespace razorscope
