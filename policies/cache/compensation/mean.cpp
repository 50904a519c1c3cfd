#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "policies/cache/compensation/kinds.hpp"
#include "policies/kernels/row_sums.hpp"

namespace razorscope {
namespace {

/// One slot of running means (razor-attention, section 1.2). Under ALiBi a token at position n weighs
/// exp(slope·n), so that the slot's bias ln Σ exp(slope·n) - slope·m is what the tokens' own biases sum to.
/// Tokens of the same weight are summed in double while the prefix comes in, and divided once at its end.
class MeanSlot final : public CompensationSlots {
 public:
  MeanSlot(bool weighted, double slope, int head_size, AllocationCounter& counter)
      : weighted_(weighted), slope_(slope), rows_(head_size, counter) {}

  std::unique_ptr<CompensationSlots> clone() const override { return std::make_unique<MeanSlot>(*this); }

  void begin(int prefix_folds) override {
    if (slope_ == 0.0 && prefix_folds > 0) sums_.assign(2 * static_cast<size_t>(rows_.head_size()), 0.0);
  }

  void fold_run(int first, int count, int head_size, const SourceRows& keys,
                const SourceRows& values) override {
    if (sums_.empty()) {
      CompensationSlots::fold_run(first, count, head_size, keys, values);
      return;
    }
    add_rows(keys, count, head_size, sums_.data());
    add_rows(values, count, head_size, sums_.data() + head_size);
    folded_ += count;
  }

  void end_prefix() override {
    if (!sums_.empty() && folded_ > 0) {
      rows_.allocate(mean_layout());
      // The value's row follows the key's.
      std::transform(sums_.begin(), sums_.end(), rows_.key(0),
                     [&](double sum) { return static_cast<float>(sum / static_cast<double>(folded_)); });
      log_weight_ = std::log(static_cast<double>(folded_));
      rows_.bias(0) = weighted_ ? static_cast<float>(log_weight_) : 0.0F;
    }
    sums_ = {};
  }

  void fold(int position, const float* key, const float* value) override {
    if (!sums_.empty()) {
      const auto d = static_cast<size_t>(rows_.head_size());
      fold_run(position, 1, rows_.head_size(), SourceRows::f32(key, d), SourceRows::f32(value, d));
      return;
    }
    if (rows_.empty()) rows_.allocate(mean_layout());
    const double log_of_token = slope_ * position;
    ++folded_;
    if (slope_ == 0.0) {
      log_weight_ = std::log(
          static_cast<double>(folded_));  // exact for counts, where a running sum of logarithms drifts
    } else if (folded_ == 1) {
      log_weight_ = log_of_token;
    } else {
      const double larger = std::max(log_weight_, log_of_token);
      log_weight_ = larger + std::log(std::exp(log_weight_ - larger) + std::exp(log_of_token - larger));
    }
    rows_.join(0, static_cast<float>(std::exp(log_of_token - log_weight_)), key, value);
    rows_.bias(0) = weighted_ ? static_cast<float>(log_weight_) : 0.0F;
  }

  int slots() const override { return folded_ > 0 ? 1 : 0; }
  double folded(int /*slot*/) const override { return static_cast<double>(folded_); }
  CompensationView view(const float* /*scaled_query*/) override { return rows_.view(slots()); }
  size_t bytes() const override { return folded_ > 0 ? mean_layout().bytes(rows_.head_size()) : 0; }
  size_t allocated() const override { return rows_.allocated(); }

 private:
  bool weighted_;
  double slope_;
  int64_t folded_ = 0;
  double log_weight_ = 0.0;  // ln Σ exp(slope·position) over the folded tokens
  SlotRows rows_;
  std::vector<double> sums_;  // keys, then values, [2, head_size]; only while a prefix comes in
};

}  // namespace

std::unique_ptr<CompensationSlots> make_mean_slot(bool weighted, double slope, int head_size,
                                                  AllocationCounter& counter) {
  return std::make_unique<MeanSlot>(weighted, slope, head_size, counter);
}

SlotLayout mean_layout() { return {.slots = 1}; }

}  // namespace razorscope
