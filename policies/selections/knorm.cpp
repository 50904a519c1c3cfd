#include "policies/selections/ranking.hpp"

namespace razorscope {
namespace {

class Knorm final : public ScoredSelection {
 public:
  Knorm(int budget, const Shape& shape) : ScoredSelection(budget, shape), head_size_(shape.head_size) {}
  Needs needs() const override { return {.rows = true}; }

 protected:
  std::vector<double> scores(const LayerView& view, int kv_head) const override {
    std::vector<double> scores;
    for (int n = 0; n < view.tokens; ++n) {
      const float* key = view.prefix->keys.row(n, kv_head);
      double squares = 0.0;
      for (int i = 0; i < head_size_; ++i) squares += static_cast<double>(key[i]) * key[i];
      scores.push_back(-squares);
    }
    return scores;
  }

 private:
  int head_size_;
};

}  // namespace

SelectionEntry knorm_selection() {
  SelectionEntry entry;
  entry.name = "knorm";
  entry.help = "the tokens with the smallest keys";
  entry.source =
      "Devoto et al., A Simple and Effective L2 Norm-Based Strategy for KV Cache Compression, EMNLP 2024 "
      "(arXiv 2406.11430). Norms "
      "of keys after RoPE. In layer 0 keys depend on the token alone, so equal tokens tie.";
  entry.parameters = {budget_parameter()};
  entry.size_parameter = "budget";
  entry.make = [](const std::string&, const ParameterValues& values, const SelectionContext& context) {
    return std::make_unique<Knorm>(budget_tokens(values, "budget", context), context.shape);
  };
  return entry;
}

}  // namespace razorscope
