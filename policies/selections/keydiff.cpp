#include <cmath>

#include "policies/selections/ranking.hpp"

namespace razorscope {
namespace {

class Keydiff final : public ScoredSelection {
 public:
  Keydiff(int budget, const Shape& shape)
      : ScoredSelection(budget, shape), head_size_(static_cast<size_t>(shape.head_size)) {}
  Needs needs() const override { return {.rows = true}; }

 protected:
  std::vector<double> scores(const LayerView& view, int kv_head) const override {
    std::vector<double> mean(head_size_, 0.0);
    for (int n = 0; n < view.tokens; ++n) {
      const float* key = view.prefix->keys.row(n, kv_head);
      const double norm = norm_of(key);
      for (size_t i = 0; i < head_size_; ++i) mean[i] += norm > 0.0 ? key[i] / norm / view.tokens : 0.0;
    }
    double mean_squares = 0.0;
    for (const double x : mean) mean_squares += x * x;
    std::vector<double> scores;
    for (int n = 0; n < view.tokens; ++n) {
      const float* key = view.prefix->keys.row(n, kv_head);
      double dot = 0.0;
      for (size_t i = 0; i < head_size_; ++i) dot += mean[i] * key[i];
      const double norms = norm_of(key) * std::sqrt(mean_squares);
      scores.push_back(norms > 0.0 ? -dot / norms : 0.0);
    }
    return scores;
  }

 private:
  double norm_of(const float* key) const {
    double squares = 0.0;
    for (size_t i = 0; i < head_size_; ++i) squares += static_cast<double>(key[i]) * key[i];
    return std::sqrt(squares);
  }
  size_t head_size_;
};

}  // namespace

SelectionEntry keydiff_selection() {
  SelectionEntry entry;
  entry.name = "keydiff";
  entry.help = "the tokens whose keys differ most from the average direction";
  entry.source =
      "Park et al., KeyDiff: Key Similarity-Based KV Cache Eviction for Long-Context LLM Inference, 2025 "
      "(arXiv 2504.15364). Score: "
      "minus the cosine with the mean of the normalised keys.";
  entry.parameters = {budget_parameter()};
  entry.size_parameter = "budget";
  entry.make = [](const std::string&, const ParameterValues& values, const SelectionContext& context) {
    return std::make_unique<Keydiff>(budget_tokens(values, "budget", context), context.shape);
  };
  return entry;
}

}  // namespace razorscope
