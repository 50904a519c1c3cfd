#include "policies/selections/ranking.hpp"

namespace razorscope {
namespace {

/// Keeps what queries to come attend to most.
class Belady final : public ScoredSelection {
 public:
  Belady(int budget, const Shape& shape) : ScoredSelection(budget, shape), group_(shape.group_size()) {}
  Needs needs() const override { return {.future = true}; }

 protected:
  std::vector<double> scores(const LayerView& view, int kv_head) const override {
    return group_columns(view.prefix->future_columns, view.tokens, kv_head, group_, GroupAggregate::sum);
  }

 private:
  int group_;
};

/// Keeps everything; each query reads the tokens that it attends to most.
class Topk final : public Selection {
 public:
  Topk(int budget, const Shape& shape) : budget_(budget), kv_heads_(static_cast<size_t>(shape.kv_heads)) {}
  When when() const override { return When::after_prefill; }
  Needs needs() const override { return {.exact_weights = true}; }
  LayerPlan plan(const LayerView& view) const override { return LayerPlan(view.held.size()); }
  std::optional<std::vector<int>> kept_counts(int /*layer*/, int prefix) const override {
    return std::vector<int>(kv_heads_, prefix);
  }
  bool reads_all() const override { return false; }
  std::vector<int32_t> slots_read(const QueryView& view) const override {
    std::vector<double> weights;  // nothing ever leaves, so that slots are in the order of positions
    for (int slot = 0; slot < view.slots; ++slot)
      weights.push_back(view.exact_weights[static_cast<size_t>(view.position_of(slot))]);
    return top_indices(weights, budget_);
  }

 private:
  int budget_;
  size_t kv_heads_;
};

std::unique_ptr<const Selection> make_oracle(const std::string& variant, const ParameterValues& values,
                                             const SelectionContext& context) {
  const int budget = budget_tokens(values, "budget", context);
  if (variant == "topk") return std::make_unique<Topk>(budget, context.shape);
  return std::make_unique<Belady>(budget, context.shape);
}

}  // namespace

SelectionEntry oracle_selection() {
  Parameter held = budget_parameter();
  held.variants = {"belady"};
  Parameter read = budget_parameter();
  read.variants = {"topk"};
  read.help =
      "tokens of each KV head that a query reads, its own included: read, not held, since all are stored";
  SelectionEntry entry;
  entry.name = "oracle";
  entry.variants = {"belady", "topk"};
  entry.help =
      "upper bounds, in replay only: belady keeps what queries to come will use; topk stores everything and "
      "reads each query's best";
  entry.source =
      "belady, after Belady, A study of replacement algorithms for a virtual-storage computer, 1966: the "
      "future is known; weights of the group's query heads are summed. topk: the tokens with the highest "
      "exact softmax weight of the query at hand, summed over the group's query heads (ties: the lower "
      "position), which is the least mass that any eviction to that many tokens can lose: what `regret_mean` "
      "is counted from. Nothing is evicted; its budget is bytes read in a step, not bytes held.";
  entry.parameters = {held, read};
  entry.size_parameter = "budget";
  entry.unsized_variants = {{"topk", "it stores everything, and its budget is bytes read"}};
  entry.make = make_oracle;
  return entry;
}

}  // namespace razorscope
