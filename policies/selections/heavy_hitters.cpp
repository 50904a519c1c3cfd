#include "policies/selections/heavy_hitters.hpp"

#include <algorithm>
#include <numeric>

namespace razorscope {

std::vector<int32_t> heavy_and_recent(std::span<const int32_t> held, std::span<const double> scores,
                                      int tokens, int sinks, int heavy, int recent) {
  std::vector<size_t> slots(held.size());
  std::iota(slots.begin(), slots.end(), size_t{0});
  std::sort(slots.begin(), slots.end(), [&](size_t a, size_t b) { return held[a] < held[b]; });
  std::vector<int32_t> kept;
  std::vector<int32_t> candidates;  // ascending, so that equal scores go to the lower position
  std::vector<double> candidate_scores;
  for (const size_t slot : slots) {
    const int32_t position = held[slot];
    if (position < sinks || position >= tokens - recent) {
      kept.push_back(position);
    } else {
      candidates.push_back(position);
      candidate_scores.push_back(scores[slot]);
    }
  }
  for (const int32_t index : top_indices(candidate_scores, heavy))
    kept.push_back(candidates[static_cast<size_t>(index)]);
  std::sort(kept.begin(), kept.end());
  return kept;
}

HeadPlan HeavyHitters::plan(const LayerView& view, size_t kv_head) const {
  std::vector<int32_t> held(view.held[kv_head].begin(), view.held[kv_head].end());
  if (held.empty()) {
    held.resize(static_cast<size_t>(view.tokens));
    std::iota(held.begin(), held.end(), 0);
  }
  if (static_cast<int>(held.size()) <= size()) return {};
  std::vector<double> scores;
  if (view.prefix != nullptr) {
    scores = group_columns(view.prefix->columns, view.tokens, static_cast<int>(kv_head), group, aggregate);
  } else {
    scores.assign(view.scores[kv_head].begin(), view.scores[kv_head].end());
  }
  return drop_all_but(view, kv_head, heavy_and_recent(held, scores, view.tokens, sinks, heavy, recent));
}

std::vector<float> HeavyHitters::initial_scores(const LayerView& view, int kv_head) const {
  const std::vector<double> columns =
      group_columns(view.prefix->columns, view.tokens, kv_head, group, aggregate);
  return {columns.begin(), columns.end()};
}

float HeavyHitters::score_of_weights(std::span<const float> group_weights) const {
  if (aggregate == GroupAggregate::max) return *std::max_element(group_weights.begin(), group_weights.end());
  const float sum = std::accumulate(group_weights.begin(), group_weights.end(), 0.0F);
  return aggregate == GroupAggregate::mean ? sum / static_cast<float>(group_weights.size()) : sum;
}

}  // namespace razorscope
