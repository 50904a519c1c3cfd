#include "experiments/store/ranked_heads.hpp"

#include <algorithm>

namespace razorscope {

HeadScores kv_head_scores(const std::vector<const RankedHead*>& heads) {
  HeadScores scores;
  for (const RankedHead* head : heads) {
    scores.layers = std::max(scores.layers, head->layer + 1);
    scores.kv_heads = std::max(scores.kv_heads, head->kv_head + 1);
  }
  scores.query_heads = scores.kv_heads;
  const auto size = static_cast<size_t>(scores.layers) * static_cast<size_t>(scores.kv_heads);
  scores.echo.resize(size);
  scores.induction.resize(size);
  for (const RankedHead* head : heads) {
    const auto at = static_cast<size_t>(head->layer * scores.kv_heads + head->kv_head);
    scores.echo[at] = head->echo;
    scores.induction[at] = head->induction;
  }
  return scores;
}

HeadScores kv_head_scores(const std::vector<RankedHead>& ranking, int64_t probe_id) {
  std::vector<const RankedHead*> heads;
  for (const RankedHead& head : ranking) {
    if (head.probe_id == probe_id) heads.push_back(&head);
  }
  return kv_head_scores(heads);
}

}  // namespace razorscope
