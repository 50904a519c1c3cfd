#include <algorithm>

#include "policies/selections/ranking.hpp"

namespace razorscope {
namespace {

class Tova final : public Selection {
 public:
  Tova(int budget, When when, const Shape& shape)
      : budget_(budget),
        when_(when),
        query_heads_(shape.query_heads),
        kv_heads_(static_cast<size_t>(shape.kv_heads)) {}

  When when() const override { return when_; }
  Needs needs() const override {
    if (when_ == When::every_chunk) return {.rows = true, .step_weights = true};
    return {.column_queries = 1, .step_weights = when_ == When::every_step};
  }

  LayerPlan plan(const LayerView& view) const override {
    LayerPlan plan(view.held.size());
    // All heads of the layer hold the same tokens in the same slots.
    const std::vector<int32_t> held = held_between(view, 0, 0, view.tokens);
    if (static_cast<int>(held.size()) <= budget_) return plan;
    const std::vector<double> by_position = view.prefix != nullptr ? prefix_scores(view) : step_scores(view);
    std::vector<double> scores;
    for (const int32_t position : held) scores.push_back(by_position[static_cast<size_t>(position)]);
    std::vector<int32_t> kept;
    for (const int32_t index : top_indices(scores, budget_)) kept.push_back(held[static_cast<size_t>(index)]);
    for (size_t h = 0; h < plan.size(); ++h) plan[h] = drop_all_but(view, h, kept);
    return plan;
  }
  std::optional<std::vector<int>> kept_counts(int /*layer*/, int prefix) const override {
    return std::vector<int>(kv_heads_, std::min(budget_, prefix));
  }

 private:
  std::vector<double> prefix_scores(const LayerView& view) const {
    std::vector<double> scores(static_cast<size_t>(view.tokens), 0.0);
    for (int h = 0; h < query_heads_; ++h) {
      const double* row = view.prefix->columns + static_cast<ptrdiff_t>(h) * view.tokens;
      for (size_t n = 0; n < scores.size(); ++n) scores[n] += row[n] / query_heads_;
    }
    return scores;
  }
  std::vector<double> step_scores(const LayerView& view) const {
    std::vector<double> scores(static_cast<size_t>(view.tokens), 0.0);
    for (size_t h = 0; h < view.held.size(); ++h) {
      const auto slots = view.held[h].empty() ? static_cast<size_t>(view.tokens) : view.held[h].size();
      const size_t rows = view.weights[h].size() / slots;
      for (size_t slot = 0; slot < slots; ++slot) {
        const size_t position = view.held[h].empty() ? slot : static_cast<size_t>(view.held[h][slot]);
        for (size_t g = 0; g < rows; ++g)
          scores[position] += static_cast<double>(view.weights[h][g * slots + slot]) / query_heads_;
      }
    }
    return scores;
  }

  int budget_;
  When when_;
  int query_heads_;
  size_t kv_heads_;
};

}  // namespace

SelectionEntry tova_selection() {
  SelectionEntry entry;
  entry.name = "tova";
  entry.help = "the tokens that the latest query attends to most, one set for all heads of a layer";
  entry.source =
      "Oren et al., Transformers are Multi-State RNNs, EMNLP 2024 (arXiv 2401.06104). Weights are averaged "
      "over all query heads "
      "of the layer; the latest token competes like any other.";
  entry.parameters = {budget_parameter(), when_parameter("every-step", true)};
  entry.size_parameter = "budget";
  entry.make = [](const std::string&, const ParameterValues& values, const SelectionContext& context) {
    return std::make_unique<Tova>(budget_tokens(values, "budget", context), when_of(values), context.shape);
  };
  return entry;
}

}  // namespace razorscope
