#pragma once

#include <algorithm>

#include "models/base/error.hpp"
#include "models/trace/score_bounds.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {

/// Score bounds that follow from a model's weights; `calibrated` needs a recorded trace, which the closed
/// loop has not.
class WeightBounds final : public ScoreBoundSource {
 public:
  WeightBounds(const Shape& shape, const Weights& weights)
      : shape_(shape), bounds_(weight_score_bounds(shape, weights)) {}
  double bound(const std::string& kind, double /*quantile*/, int layer, int kv_head) const override {
    if (kind == "calibrated") {
      throw InputError(
          "razor/scope", "bound",
          "calibrated is measured on a recorded trace: use bound=norm-bound here, or replay a trace");
    }
    const std::vector<double>& bounds = kind == "norm-bound" ? bounds_.norm_bound : bounds_.paper;
    const auto first = bounds.begin() + layer * shape_.query_heads + kv_head * shape_.group_size();
    return *std::max_element(first, first + shape_.group_size());
  }

 private:
  const Shape& shape_;
  ScoreBounds bounds_;
};

}  // namespace razorscope
