#include "sim/closed_loop/logit_scores.hpp"

#include <algorithm>
#include <array>

#include "models/base/parallel.hpp"
#include "policies/kernels/attend.hpp"

namespace razorscope {
namespace {

/// Σ weights·(a - b), in f32 by short pieces whose sums are added in double.
double weighted_difference(const float* weights, const float* a, const float* b, int count) {
  constexpr int lanes = 16;
  constexpr int piece = 1024;
  double sum = 0.0;
  for (int begin = 0; begin < count; begin += piece) {
    const int end = std::min(begin + piece, count);
    std::array<float, lanes> sums{};
    int i = begin;
    for (; i + lanes <= end; i += lanes) {
      for (int lane = 0; lane < lanes; ++lane)
        sums[static_cast<size_t>(lane)] += weights[i + lane] * (a[i + lane] - b[i + lane]);
    }
    for (const float part : sums) sum += static_cast<double>(part);
    for (; i < end; ++i) sum += static_cast<double>(weights[i] * (a[i] - b[i]));
  }
  return sum;
}

}  // namespace

void ReferenceRows::begin(int first_position, int rows) {
  first_position_ = first_position;
  logits_ = Matrix(static_cast<size_t>(rows), static_cast<size_t>(vocabulary_));
  probabilities_ = Matrix(static_cast<size_t>(rows), static_cast<size_t>(vocabulary_));
  rows_.assign(static_cast<size_t>(rows), {});
}

void ReferenceRows::logits(int first_position, int rows, const float* logits) {
  const auto first = static_cast<size_t>(first_position - first_position_);
  const auto width = static_cast<size_t>(vocabulary_);
  std::copy_n(logits, static_cast<size_t>(rows) * width, logits_.row(first));
  std::copy_n(logits, static_cast<size_t>(rows) * width, probabilities_.row(first));
  parallel_for(rows, [&](int r) {
    const size_t row = first + static_cast<size_t>(r);
    const float* values = logits_.row(row);
    rows_[row] = {log_sum_exp(values, width).log_sum,
                  static_cast<int32_t>(std::max_element(values, values + width) - values)};
    softmax_row(probabilities_.row(row), width, 0.0F);
  });
}

RowScore ReferenceRows::compare(int position, const float* logits, int32_t target) const {
  const auto row = static_cast<size_t>(position - first_position_);
  const float* full = logits_.row(row);
  const Row& reference = rows_[row];
  const LogSumExp ours = log_sum_exp(logits, static_cast<size_t>(vocabulary_));
  RowScore score;
  score.nll = ours.log_sum - static_cast<double>(logits[target]);
  score.full_nll = reference.log_sum - static_cast<double>(full[target]);
  // Σ p·(ln p - ln q), with both logarithms' constants taken out of the sum; below zero only by rounding.
  score.kl = std::max(0.0, weighted_difference(probabilities_.row(row), full, logits, vocabulary_) -
                               reference.log_sum + ours.log_sum);
  score.agrees = logits[reference.best] == ours.largest;
  return score;
}

void PolicyRows::logits(int first_position, int rows, const float* logits) {
  const size_t before = scores_.size();
  scores_.resize(before + static_cast<size_t>(rows));
  parallel_for(rows, [&](int r) {
    const auto target = ids_[static_cast<size_t>(first_position + r) + 1];
    scores_[before + static_cast<size_t>(r)] = reference_.compare(
        first_position + r, logits + static_cast<ptrdiff_t>(r) * reference_.vocabulary(), target);
  });
}

}  // namespace razorscope
