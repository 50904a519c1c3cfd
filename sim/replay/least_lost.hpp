#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace razorscope {

/// The least attention mass that any eviction could lose of one query, for every number of tokens it may
/// hold: what a policy's regret is counted from. Keeps its working memory between calls.
class LeastLost {
 public:
  /// weights: softmax weights of `group` query heads that share what is held, [tokens] each, `stride` floats
  /// apart. out[m], 0 <= m <= tokens: the heads' mean weight outside the m tokens that have the most of it.
  void compute(const float* weights, size_t stride, int group, int tokens, float* out);

 private:
  std::vector<uint32_t> bits_;
  std::vector<uint32_t> sorted_;
};

}  // namespace razorscope
