#include "sim/replay/attention_errors.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace razorscope {

void TokenFates::apply(const HeadPlan& plan, int tokens) {
  if (plan.dropped.empty()) return;
  fates_.resize(static_cast<size_t>(tokens), Fate::kept);
  for (const int32_t position : plan.dropped) {
    fates_[static_cast<size_t>(position)] = plan.fold ? Fate::folded : Fate::dropped;
  }
  lost_ += static_cast<int>(plan.dropped.size());
}

double relative_difference(const float* a, const float* b, size_t count) {
  double difference = 0.0;
  double norm = 0.0;
  for (size_t i = 0; i < count; ++i) {
    const double delta = static_cast<double>(a[i]) - b[i];
    difference += delta * delta;
    norm += static_cast<double>(b[i]) * b[i];
  }
  if (difference == 0.0) return 0.0;
  return norm > 0.0 ? std::sqrt(difference / norm) : std::numeric_limits<double>::infinity();
}

namespace {

/// Divides what all folded tokens sum to between the slots. A slot's key is the mean of its tokens' keys, so
/// that its score without the bias is the mean of their scores, from which ln p differs by the same constant
/// for all.
void divide_by_mean_scores(const QueryResult& result, const SlotTokens& all, std::vector<SlotTokens>& slots) {
  CompensationSlots& compensation = *result.cache->compensation();
  const float* bias = compensation.view(nullptr).bias;
  const float* scores = result.scores + result.cache->tokens();
  double mean = 0.0;
  for (size_t c = 0; c < slots.size(); ++c) {
    const double score = static_cast<double>(scores[c]) - bias[c];
    slots[c] = {compensation.folded(static_cast<int>(c)), score};
    mean += slots[c].count * score / all.count;
  }
  const double shift = all.log_weights / all.count - mean;
  for (SlotTokens& slot : slots) slot.log_weights = slot.count * (slot.log_weights + shift);
}

}  // namespace

void ErrorAccumulator::add(const QueryBaseline& baseline, const QueryResult& result, const TokenFates& fates,
                           int head_size) {
  const double error = relative_difference(result.out, baseline.out, static_cast<size_t>(head_size));
  double lost = 0.0;
  double largest = 0.0;
  const HeadCache& cache = *result.cache;
  slots_.assign(static_cast<size_t>(cache.compensation_slots()), {});
  SlotTokens all_folded;
  bool slots_known = true;
  if (!fates.all_kept()) {
    for (int n = 0; n < baseline.tokens; ++n) {
      const TokenFates::Fate fate = fates.of(n);
      if (fate == TokenFates::Fate::kept) continue;
      const double weight = baseline.weights[n];
      lost += weight;
      largest = std::max(largest, weight);
      if (fate != TokenFates::Fate::folded) continue;
      all_folded.count += 1.0;
      all_folded.log_weights += baseline.log_weights[n];
      if (slots_.size() < 2 || !slots_known) continue;
      const int slot = cache.compensation()->slot_of(n);
      slots_known = slot >= 0;
      if (!slots_known) continue;
      slots_[static_cast<size_t>(slot)].count += 1.0;
      slots_[static_cast<size_t>(slot)].log_weights += baseline.log_weights[n];
    }
  }
  if (slots_.size() == 1) slots_.front() = all_folded;
  if (!slots_known) divide_by_mean_scores(result, all_folded, slots_);
  // KL(policy || full) = Σ p'·(ln p' - ln p), a slot's weight spread evenly over the tokens folded into it.
  const std::span<const int32_t> positions = cache.positions();
  double kl = 0.0;
  for (int slot = 0; slot < cache.tokens(); ++slot) {
    const int position = positions.empty() ? slot : positions[static_cast<size_t>(slot)];
    if (result.scores[slot] == -std::numeric_limits<float>::infinity()) {  // held, but not read
      lost += baseline.weights[position];
      largest = std::max<double>(largest, baseline.weights[position]);
      continue;
    }
    const float log_weight = result.scores[slot] - result.log_sum;
    kl += static_cast<double>(std::exp(log_weight)) *
          (static_cast<double>(log_weight) - baseline.log_weights[position]);
  }
  for (size_t c = 0; c < slots_.size(); ++c) {
    const double log_weight =
        static_cast<double>(result.scores[static_cast<size_t>(cache.tokens()) + c]) - result.log_sum;
    kl += std::exp(log_weight) *
          (log_weight - std::log(slots_[c].count) - slots_[c].log_weights / slots_[c].count);
  }
  ++queries_;
  sums_.relative_error += error;
  sums_.relative_error_max = std::max(sums_.relative_error_max, error);
  sums_.lost_mass += lost;
  sums_.lost_mass_max = std::max(sums_.lost_mass_max, lost);
  sums_.largest_dropped_weight = std::max(sums_.largest_dropped_weight, largest);
  sums_.kl += std::max(kl, 0.0);  // below zero only by rounding
}

HeadErrors ErrorAccumulator::errors(int layer, int kv_head, int query_head) const {
  HeadErrors means = sums_;
  means.layer = layer;
  means.kv_head = kv_head;
  means.query_head = query_head;
  means.relative_error /= queries_;
  means.lost_mass /= queries_;
  means.kl /= queries_;
  return means;
}

}  // namespace razorscope
