#include "policies/selections/razor_scope.hpp"

#include <algorithm>
#include <cmath>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

class RazorScope final : public Selection {
 public:
  RazorScope(int kv_heads, int sinks, std::vector<int> lengths, When when)
      : kv_heads_(kv_heads), sinks_(sinks), lengths_(std::move(lengths)), when_(when) {}

  When when() const override { return when_; }

  LayerPlan plan(const LayerView& view) const override {
    LayerPlan plan(view.held.size());
    for (size_t h = 0; h < plan.size(); ++h) {
      const int length = lengths_[static_cast<size_t>(view.layer * kv_heads_) + h];
      plan[h].dropped = held_between(view, h, sinks_, view.tokens - length);
    }
    return plan;
  }
  std::optional<std::vector<int>> kept_counts(int layer, int tokens) const override {
    std::vector<int> counts;
    for (int h = 0; h < kv_heads_; ++h) {
      const int length = lengths_[static_cast<size_t>(layer * kv_heads_ + h)];
      counts.push_back(tokens_in_window(tokens, sinks_, length));
    }
    return counts;
  }

 private:
  int kv_heads_;
  int sinks_;
  std::vector<int> lengths_;  // [layers, kv_heads]
  When when_;
};

}  // namespace

int scope_length(double score_bound, double epsilon, double slope, ScopeForm form) {
  constexpr double longest = 1 << 30;
  double logarithm = 2.0 * score_bound - std::log(epsilon);
  if (form == ScopeForm::tail) logarithm -= std::log(-std::expm1(-slope));
  return static_cast<int>(std::clamp(std::ceil(logarithm / slope), 1.0, longest));
}

std::unique_ptr<const Selection> make_razor_scope(const ParameterValues& values,
                                                  const SelectionContext& context) {
  const Shape& shape = context.shape;
  if (shape.position != PositionScheme::alibi) {
    throw InputError("razor/scope",
                     "the scope of a head follows from its ALiBi slope, and this model uses RoPE: use "
                     "razor/weighted, razor/unweighted or razor/none");
  }
  if (context.bounds == nullptr)
    throw InputError("razor/scope", "bound", "no source of score bounds is at hand");
  const ScopeForm form = values.text("form") == "tail" ? ScopeForm::tail : ScopeForm::token;
  const double quantile = values.has("quantile") ? values.real("quantile") : 1.0;
  std::vector<int> lengths;
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int head = 0; head < shape.kv_heads; ++head) {
      const double bound = context.bounds->bound(values.text("bound"), quantile, layer, head);
      int longest = 0;
      for (int g = 0; g < shape.group_size(); ++g) {
        const double slope = shape.alibi_slopes[static_cast<size_t>(head * shape.group_size() + g)];
        longest = std::max(longest, scope_length(bound, values.real("epsilon"), slope, form));
      }
      lengths.push_back(longest + values.integer("alpha"));
    }
  }
  return std::make_unique<RazorScope>(shape.kv_heads, values.integer("sinks"), std::move(lengths),
                                      when_of(values));
}

std::vector<Parameter> razor_scope_parameters() {
  const std::vector<std::string> scope = {"scope"};
  return {
      {.name = "epsilon",
       .kind = ParameterKind::real,
       .fallback = "1e-05",
       .help = "largest weight that a dropped token may have",
       .lowest = 1e-30,
       .highest = 0.5,
       .variants = scope},
      {.name = "form",
       .kind = ParameterKind::choice,
       .fallback = "token",
       .help = "token: epsilon bounds each dropped weight; tail: it bounds their sum",
       .choices = {"token", "tail"},
       .variants = scope},
      {.name = "bound",
       .kind = ParameterKind::choice,
       .fallback = "calibrated",
       .help = "B of |q.k| <= B: measured on the prefix (depends on the data), provable from the weights, or "
               "as the paper prints "
               "it (no bound: nothing is promised)",
       .choices = {"calibrated", "norm-bound", "paper"},
       .variants = scope},
      {.name = "quantile",
       .kind = ParameterKind::real,
       .fallback = "1",
       .help = "of |q.k| that serves as B",
       .lowest = 0.0,
       .highest = 1.0,
       .variants = scope,
       .needs_parameter = "bound",
       .needs_values = {"calibrated"}},
      {.name = "alpha",
       .fallback = "0",
       .help = "tokens added to each head's scope (deployed: 100)",
       .highest = 1e6,
       .variants = scope},
  };
}

}  // namespace razorscope
