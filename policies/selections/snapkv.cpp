#include <algorithm>

#include "policies/selections/snapkv_scores.hpp"

namespace razorscope {
namespace {

class Snapkv final : public Selection {
 public:
  Snapkv(int budget, const SnapkvScores& scores, const Shape& shape)
      : budget_(budget), kv_heads_(static_cast<size_t>(shape.kv_heads)), scores_(scores) {}

  When when() const override { return When::after_prefill; }
  KeptRegions regions() const override { return {.recent = std::min(scores_.observe, budget_)}; }
  Needs needs() const override { return {.column_queries = scores_.observe}; }

  LayerPlan plan(const LayerView& view) const override {
    LayerPlan plan(view.held.size());
    if (view.tokens <= budget_) return plan;
    const int window = std::min(scores_.observe, budget_);
    for (size_t h = 0; h < plan.size(); ++h) {
      plan[h] = snapkv_plan(view, h, scores_.of(view, static_cast<int>(h)), budget_ - window, window);
    }
    return plan;
  }
  std::optional<std::vector<int>> kept_counts(int /*layer*/, int prefix) const override {
    return std::vector<int>(kv_heads_, std::min(budget_, prefix));
  }

 private:
  int budget_;
  size_t kv_heads_;
  SnapkvScores scores_;
};

}  // namespace

SelectionEntry snapkv_selection() {
  SelectionEntry entry;
  entry.name = "snapkv";
  entry.help = "the tokens that the last queries of the prefix attend to, and those queries' own";
  entry.source =
      "Li et al., SnapKV: LLM Knows What You are Looking for Before Generation, NeurIPS 2024 (arXiv "
      "2404.14469). The window "
      "queries' softmax runs over all their keys. Published per query head (group_agg=query-head); by "
      "default per KV head.";
  entry.parameters = snapkv_parameters();
  entry.size_parameter = "budget";
  entry.make = [](const std::string&, const ParameterValues& values, const SelectionContext& context) {
    return std::make_unique<Snapkv>(budget_tokens(values, "budget", context),
                                    SnapkvScores(values, context.shape), context.shape);
  };
  return entry;
}

}  // namespace razorscope
