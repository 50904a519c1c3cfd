#include <algorithm>
#include <cmath>

#include "policies/cache_buffer.hpp"
#include "policies/selections/snapkv_scores.hpp"

namespace razorscope {
namespace {

class Adakv final : public Selection {
 public:
  Adakv(int budget, double floor_share, const SnapkvScores& scores, const Shape& shape)
      : budget_(budget), floor_(floor_share), kv_heads_(shape.kv_heads), scores_(scores) {}

  When when() const override { return When::after_prefill; }
  KeptRegions regions() const override { return {.recent = std::min(scores_.observe, budget_)}; }
  Needs needs() const override { return {.column_queries = scores_.observe}; }

  LayerPlan plan(const LayerView& view) const override {
    LayerPlan plan(view.held.size());
    if (view.tokens <= budget_) return plan;
    const int window = std::min(scores_.observe, budget_);
    const int extra = budget_ - window;
    std::vector<std::vector<double>> scores;
    for (int h = 0; h < kv_heads_; ++h) scores.push_back(scores_.of(view, h));
    const std::vector<int> shares = head_shares(scores, extra);
    for (size_t h = 0; h < plan.size(); ++h) plan[h] = snapkv_plan(view, h, scores[h], shares[h], window);
    return plan;
  }
  /// The shares follow from scores that are not known yet; only their sum is. One block more a head covers
  /// the rounding.
  std::optional<std::vector<int>> kept_counts(int /*layer*/, int prefix) const override {
    const int count = prefix <= budget_ ? prefix : std::min(prefix, budget_ + block_tokens);
    return std::vector<int>(static_cast<size_t>(kv_heads_), count);
  }

 private:
  /// A floor for each head, and the rest where the best scores of all heads are; the sum is at most heads x
  /// extra.
  std::vector<int> head_shares(const std::vector<std::vector<double>>& scores, int extra) const {
    std::vector<double> all;
    for (const std::vector<double>& head : scores) all.insert(all.end(), head.begin(), head.end());
    const auto width = static_cast<int32_t>(scores.front().size());
    std::vector<int> best(scores.size(), 0);
    for (const int32_t index : top_indices(all, extra * kv_heads_))
      ++best[static_cast<size_t>(index / width)];
    std::vector<int> shares;
    for (const int count : best)
      shares.push_back(static_cast<int>(std::floor(floor_ * extra) + std::floor((1.0 - floor_) * count)));
    return shares;
  }

  int budget_;
  double floor_;
  int kv_heads_;
  SnapkvScores scores_;
};

}  // namespace

SelectionEntry adakv_selection() {
  SelectionEntry entry;
  entry.name = "adakv";
  entry.help = "snapkv with a layer's budget shared between its heads by their best scores";
  entry.source =
      "Feng et al., Ada-KV: Optimizing KV Cache Eviction by Adaptive Budget Allocation, 2024 (arXiv "
      "2407.11550). Shares are "
      "rounded down, so that a layer never exceeds its budget; per KV head as snapkv here.";
  entry.parameters = snapkv_parameters();
  entry.parameters.push_back({.name = "floor",
                              .kind = ParameterKind::real,
                              .fallback = "0.2",
                              .help = "share of the even budget that every head has for itself",
                              .lowest = 0.0,
                              .highest = 1.0});
  entry.size_parameter = "budget";
  entry.make = [](const std::string&, const ParameterValues& values, const SelectionContext& context) {
    return std::make_unique<Adakv>(budget_tokens(values, "budget", context), values.real("floor"),
                                   SnapkvScores(values, context.shape), context.shape);
  };
  return entry;
}

}  // namespace razorscope
