#pragma once

#include <vector>

#include "policies/selections/ranking.hpp"

namespace razorscope {

/// What SnapKV, PyramidKV and AdaKV share: attention of the last `observe` queries, aggregated over the
/// group, pooled over neighbouring tokens.
struct SnapkvScores {
  int observe = 32;
  int kernel = 5;
  bool max_pooling = false;
  GroupAggregate aggregate = GroupAggregate::mean;
  int group = 1;

  SnapkvScores(const ParameterValues& values, const Shape& shape);
  /// Pooled scores of the tokens before the observation window: [tokens - observe].
  std::vector<double> of(const LayerView& view, int kv_head) const;
};

std::vector<Parameter> snapkv_parameters();

/// Plan of one head: the `extra` best tokens before the window, and the window.
HeadPlan snapkv_plan(const LayerView& view, size_t kv_head, const std::vector<double>& scores, int extra,
                     int observe);

}  // namespace razorscope
