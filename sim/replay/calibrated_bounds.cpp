#include "sim/replay/calibrated_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "models/base/error.hpp"
#include "models/base/machine.hpp"
#include "models/language/linear.hpp"

namespace razorscope {
namespace {

/// The quantile of |q·k|·scale over the causal pairs of one head's first `tokens` tokens; 1 is the maximum.
double quantile_of_products(const LayerTrace& layer, const Shape& shape, int head, int tokens,
                            double quantile) {
  constexpr int rows_at_a_time = 128;
  const auto d = static_cast<size_t>(shape.head_size);
  const float* keys = layer.k.data() + static_cast<size_t>(head / shape.group_size()) * d;
  float largest = 0.0F;
  std::vector<float> products;
  for (int begin = 0; begin < tokens; begin += rows_at_a_time) {
    const int rows = std::min(rows_at_a_time, tokens - begin);
    Matrix block(static_cast<size_t>(rows), static_cast<size_t>(begin + rows));
    const float* q = layer.q.row(static_cast<size_t>(begin)) + static_cast<size_t>(head) * d;
    multiply_transposed(block.rows, block.columns, d, shape.score_scale, q, layer.q.columns, keys,
                        layer.k.columns, block.data(), block.columns);
    for (int r = 0; r < rows; ++r) {
      const float* row = block.row(static_cast<size_t>(r));
      for (int n = 0; n <= begin + r; ++n) {
        largest = std::max(largest, std::abs(row[n]));
        if (quantile < 1.0) products.push_back(std::abs(row[n]));
      }
    }
  }
  if (quantile >= 1.0) return static_cast<double>(largest);
  const auto rank = static_cast<ptrdiff_t>(std::ceil(quantile * static_cast<double>(products.size() - 1)));
  std::nth_element(products.begin(), products.begin() + rank, products.end());
  return static_cast<double>(products[static_cast<size_t>(rank)]);
}

}  // namespace

const std::vector<double>& TraceBounds::calibrated(double quantile) const {
  const auto [found, is_new] = calibrated_.try_emplace(quantile);
  if (!is_new) return found->second;
  const Shape& shape = trace_.shape();
  if (quantile < 1.0) {
    const auto pairs = static_cast<size_t>(prefix_) * (static_cast<size_t>(prefix_) + 1) / 2;
    refuse_beyond_memory("razor/scope", "the scores that its quantile is taken of", pairs * sizeof(float));
  }
  for (int layer = 0; layer < shape.layers; ++layer) {
    const LayerTrace inputs = trace_.layer(layer);
    for (int head = 0; head < shape.query_heads; ++head) {
      found->second.push_back(quantile_of_products(inputs, shape, head, prefix_, quantile));
    }
  }
  return found->second;
}

double TraceBounds::bound(const std::string& kind, double quantile, int layer, int kv_head) const {
  const Shape& shape = trace_.shape();
  if (kind != "calibrated" && !trace_.score_bounds()) {
    throw InputError("razor/scope", "bound",
                     fmt::format("{} follows from the weights, and the trace {} does not store it: use "
                                 "bound=calibrated, or record the trace with this program",
                                 kind, trace_.path().string()));
  }
  const std::vector<double>& bounds = kind == "calibrated"   ? calibrated(quantile)
                                      : kind == "norm-bound" ? trace_.score_bounds()->norm_bound
                                                             : trace_.score_bounds()->paper;
  const auto first = bounds.begin() + layer * shape.query_heads + kv_head * shape.group_size();
  return *std::max_element(first, first + shape.group_size());
}

}  // namespace razorscope
