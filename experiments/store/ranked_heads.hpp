#pragma once

#include <vector>

#include "experiments/store/store.hpp"
#include "models/trace/head_scores.hpp"

namespace razorscope {

/// A stored probe's scores, from which retrieval heads are chosen. It is known by its KV heads, each of which
/// stands for its group: as many query heads as KV heads. Empty where the ranking has no such probe.
HeadScores kv_head_scores(const std::vector<RankedHead>& ranking, int64_t probe_id);
/// The same of heads that are all of one probe.
HeadScores kv_head_scores(const std::vector<const RankedHead*>& heads);

}  // namespace razorscope
