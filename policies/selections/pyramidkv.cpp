#include <algorithm>

#include "policies/selections/snapkv_scores.hpp"

namespace razorscope {
namespace {

class Pyramidkv final : public Selection {
 public:
  Pyramidkv(int budget, double beta, const SnapkvScores& scores, const Shape& shape)
      : budget_(budget),
        beta_(beta),
        layers_(shape.layers),
        kv_heads_(static_cast<size_t>(shape.kv_heads)),
        scores_(scores) {}

  When when() const override { return When::after_prefill; }
  KeptRegions regions() const override { return {.recent = std::min(scores_.observe, budget_)}; }
  Needs needs() const override { return {.column_queries = scores_.observe}; }

  LayerPlan plan(const LayerView& view) const override {
    LayerPlan plan(view.held.size());
    const int window = std::min(scores_.observe, budget_);
    const int extra = layer_budget(view.layer) - window;
    if (view.tokens <= budget_ || view.tokens <= extra + window) return plan;
    for (size_t h = 0; h < plan.size(); ++h) {
      plan[h] = snapkv_plan(view, h, scores_.of(view, static_cast<int>(h)), extra, window);
    }
    return plan;
  }
  std::optional<std::vector<int>> kept_counts(int layer, int prefix) const override {
    return std::vector<int>(kv_heads_, prefix <= budget_ ? prefix : std::min(layer_budget(layer), prefix));
  }

 private:
  /// From 2b - b/beta in the first layer down to b/beta in the last, where b is the budget beyond the window.
  int layer_budget(int layer) const {
    const int window = std::min(scores_.observe, budget_);
    const double base = budget_ - window;
    const double least = base / beta_;
    const double most = 2.0 * base - least;
    const double share = layers_ > 1 ? static_cast<double>(layer) / (layers_ - 1) : 0.5;
    return window + static_cast<int>(most - share * (most - least));
  }

  int budget_;
  double beta_;
  int layers_;
  size_t kv_heads_;
  SnapkvScores scores_;
};

}  // namespace

SelectionEntry pyramidkv_selection() {
  SelectionEntry entry;
  entry.name = "pyramidkv";
  entry.help = "snapkv with more budget in early layers than in late ones, the same on average";
  entry.source =
      "Cai et al., PyramidKV: Dynamic KV Cache Compression based on Pyramidal Information Funneling, 2024 "
      "(arXiv 2406.02069). "
      "Budgets are linear over layers and rounded down; per KV head as snapkv here.";
  entry.parameters = snapkv_parameters();
  entry.parameters.push_back({.name = "beta",
                              .kind = ParameterKind::real,
                              .fallback = "20",
                              .help = "the last layer keeps 1/beta of the average beyond the window",
                              .lowest = 1.0,
                              .highest = 1e6});
  entry.size_parameter = "budget";
  entry.make = [](const std::string&, const ParameterValues& values, const SelectionContext& context) {
    return std::make_unique<Pyramidkv>(budget_tokens(values, "budget", context), values.real("beta"),
                                       SnapkvScores(values, context.shape), context.shape);
  };
  return entry;
}

}  // namespace razorscope
