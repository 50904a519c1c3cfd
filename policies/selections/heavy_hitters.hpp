#pragma once

#include <vector>

#include "policies/selections/ranking.hpp"

namespace razorscope {

/// Positions that a head keeps when it holds its sinks, the `recent` latest tokens and, of the others, the
/// `heavy` ones with the highest scores; ascending. `held` and `scores` are in slot order and belong
/// together; equal scores go to the lower position.
std::vector<int32_t> heavy_and_recent(std::span<const int32_t> held, std::span<const double> scores,
                                      int tokens, int sinks, int heavy, int recent);

/// The same for a whole layer at any moment: at the end of the prefix by the columns of all queries, after a
/// step by the scores that the cache accumulated.
struct HeavyHitters {
  int sinks = 0;
  int heavy = 0;
  int recent = 0;
  int group = 1;
  GroupAggregate aggregate = GroupAggregate::sum;

  int size() const { return sinks + heavy + recent; }
  HeadPlan plan(const LayerView& view, size_t kv_head) const;
  std::vector<float> initial_scores(const LayerView& view, int kv_head) const;
  float score_of_weights(std::span<const float> group_weights) const;
};

}  // namespace razorscope
