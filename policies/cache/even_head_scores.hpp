#pragma once

#include "models/language/shape.hpp"
#include "models/trace/head_scores.hpp"

namespace razorscope {

/// Scores for a model that nobody probed: the paper's shares of retrieval heads (14 % induction, 1 % echo),
/// spread evenly over layers and KV heads, so that bytes and times can be planned. Which heads they are is
/// made up; how many, and how evenly the ranks of a tensor-parallel group share them, is the assumption.
HeadScores even_head_scores(const Shape& shape);

}  // namespace razorscope
