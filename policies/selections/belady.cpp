#include "policies/selections/ranking.hpp"

namespace razorscope {
namespace {

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

}  // namespace

SelectionEntry oracle_selection() {
  SelectionEntry entry;
  entry.name = "oracle";
  entry.variants = {"belady"};
  entry.help = "the tokens that the trace's queries to come attend to most: an upper bound, in replay only";
  entry.source =
      "after Belady, A study of replacement algorithms for a virtual-storage computer, 1966: the future is "
      "known. Weights of the "
      "group's query heads are summed.";
  entry.parameters = {budget_parameter()};
  entry.size_parameter = "budget";
  entry.make = [](const std::string&, const ParameterValues& values, const SelectionContext& context) {
    return std::make_unique<Belady>(budget_tokens(values, "budget", context), context.shape);
  };
  return entry;
}

}  // namespace razorscope
