#include "policies/cache/chunked_prefix.hpp"

#include <algorithm>
#include <numeric>

#include "models/base/buffer.hpp"
#include "models/language/linear.hpp"
#include "models/language/transformer.hpp"
#include "policies/kernels/attend.hpp"

namespace razorscope {
namespace {

/// What one KV head holds as the prefix goes by.
class ChunkedHead {
 public:
  ChunkedHead(const Selection& selection, const Shape& shape, int head)
      : selection_(selection), shape_(shape), head_(head) {}

  void append(int begin, int end) {
    held_.resize(held_.size() + static_cast<size_t>(end - begin));
    std::iota(held_.end() - (end - begin), held_.end(), begin);
    scores_.resize(held_.size(), 0.0F);
  }

  /// The latest `rows` tokens' queries attend: fills what selections are shown after a step.
  void observe(const PrefixView& prefix, int rows) {
    const auto group = static_cast<size_t>(shape_.group_size());
    std::vector<Matrix> weights;
    for (size_t g = 0; g < group; ++g) weights.push_back(attention(prefix, rows, static_cast<int>(g)));
    weights_.clear();
    for (const Matrix& of_head : weights) {
      const float* last = of_head.row(of_head.rows - 1);
      weights_.insert(weights_.end(), last, last + of_head.columns);
    }
    if (!selection_.needs().accumulate) return;
    std::vector<float> group_weights(group);
    for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
      for (size_t slot = 0; slot < held_.size() - static_cast<size_t>(rows) + r + 1; ++slot) {
        for (size_t g = 0; g < group; ++g) group_weights[g] = weights[g].row(r)[slot];
        scores_[slot] += selection_.score_of_weights(group_weights);
      }
    }
  }

  void show(LayerView& view) const {
    view.held.emplace_back(held_);
    view.weights.emplace_back(weights_);
    view.scores.emplace_back(scores_);
  }

  void drop(const std::vector<int32_t>& dropped) {
    size_t kept = 0;
    for (size_t slot = 0; slot < held_.size(); ++slot) {
      if (std::binary_search(dropped.begin(), dropped.end(), held_[slot])) continue;
      held_[kept] = held_[slot];
      scores_[kept++] = scores_[slot];
    }
    held_.resize(kept);
    scores_.resize(kept);
  }

  /// What is no longer held of the tokens 0 .. tokens - 1.
  std::vector<int32_t> lost(int tokens) const {
    std::vector<int32_t> all(static_cast<size_t>(tokens));
    std::iota(all.begin(), all.end(), 0);
    std::vector<int32_t> lost;
    std::set_difference(all.begin(), all.end(), held_.begin(), held_.end(), std::back_inserter(lost));
    return lost;
  }

 private:
  /// Softmax weights [rows, held] of one query head of the group; what a query does not see is left as it is.
  Matrix attention(const PrefixView& prefix, int rows, int g) const {
    const auto d = static_cast<size_t>(shape_.head_size);
    Matrix keys(held_.size(), d);
    for (size_t slot = 0; slot < held_.size(); ++slot)
      std::copy_n(prefix.keys.row(held_[slot], head_), d, keys.row(slot));
    const int query_head = head_ * shape_.group_size() + g;
    const float slope =
        shape_.alibi_slopes.empty() ? 0.0F : shape_.alibi_slopes[static_cast<size_t>(query_head)];
    const int first = held_.back() + 1 - rows;  // position of the first query
    Matrix weights(static_cast<size_t>(rows), held_.size());
    multiply_transposed(weights.rows, weights.columns, d, shape_.score_scale,
                        prefix.queries.row(first, query_head), prefix.queries.token_stride, keys.data(), d,
                        weights.data(), weights.columns);
    for (size_t r = 0; r < weights.rows; ++r) {
      float* row = weights.row(r);
      const size_t visible = weights.columns - (weights.rows - 1 - r);
      const int position = first + static_cast<int>(r);
      for (size_t slot = 0; slot < visible; ++slot)
        row[slot] -= slope * static_cast<float>(position - held_[slot]);
      softmax_row(row, visible, 0.0F);
    }
    return weights;
  }

  const Selection& selection_;
  const Shape& shape_;
  int head_;
  std::vector<int32_t> held_;  // ascending
  std::vector<float> scores_;  // of each, accumulated
  std::vector<float> weights_;
};

}  // namespace

LayerPlan plan_in_chunks(const Selection& selection, const Shape& shape, int layer, const PrefixView& prefix,
                         int tokens) {
  std::vector<ChunkedHead> heads;
  for (int h = 0; h < shape.kv_heads; ++h) heads.emplace_back(selection, shape, h);
  LayerPlan whole(heads.size());
  const Needs needs = selection.needs();
  for (int begin = 0; begin < tokens; begin += prefill_chunk) {
    const int end = std::min(begin + prefill_chunk, tokens);
    LayerView view;
    view.layer = layer;
    view.tokens = end;
    for (ChunkedHead& head : heads) {
      head.append(begin, end);
      if (needs.accumulate || needs.step_weights) head.observe(prefix, end - begin);
      head.show(view);
    }
    const LayerPlan plan = selection.plan(view);
    for (size_t h = 0; h < heads.size(); ++h) {
      heads[h].drop(plan[h].dropped);
      whole[h].fold = plan[h].fold;
    }
  }
  for (size_t h = 0; h < heads.size(); ++h) whole[h].dropped = heads[h].lost(tokens);
  return whole;
}

}  // namespace razorscope
