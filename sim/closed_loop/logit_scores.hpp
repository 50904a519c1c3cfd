#pragma once

#include <cstdint>
#include <vector>

#include "models/base/buffer.hpp"
#include "models/language/transformer.hpp"

namespace razorscope {

/// What one scored row says: the output after one input token.
struct RowScore {
  double nll = 0.0;       // of the target, nats
  double full_nll = 0.0;  // the same under full+f32
  double kl = 0.0;        // KL(full || policy) of the next token's distribution, nats
  bool agrees = false;    // full's most likely token is most likely here too
};

/// full+f32's logits of the steps at hand, with what all comparisons against them share.
class ReferenceRows final : public ForwardObserver {
 public:
  explicit ReferenceRows(int vocabulary) : vocabulary_(vocabulary) {}
  /// Room for rows of positions first_position and on; drops what was there.
  void begin(int first_position, int rows);
  void logits(int first_position, int rows, const float* logits) override;

  int vocabulary() const { return vocabulary_; }
  /// Compares another distribution over the same next token, [vocabulary] logits, whose target is given.
  RowScore compare(int position, const float* logits, int32_t target) const;

 private:
  struct Row {
    double log_sum = 0.0;
    int32_t best = 0;
  };
  int vocabulary_;
  int first_position_ = 0;
  Matrix logits_;
  Matrix probabilities_;
  std::vector<Row> rows_;
};

/// Scores a sequence's logits against the reference's as they come. `ids` is the text: the target of position
/// p is ids[p + 1].
class PolicyRows final : public ForwardObserver {
 public:
  PolicyRows(const ReferenceRows& reference, const std::vector<int32_t>& ids)
      : reference_(reference), ids_(ids) {}
  void logits(int first_position, int rows, const float* logits) override;
  const std::vector<RowScore>& scores() const { return scores_; }

 private:
  const ReferenceRows& reference_;
  const std::vector<int32_t>& ids_;
  std::vector<RowScore> scores_;
};

}  // namespace razorscope
