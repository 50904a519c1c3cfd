#include <cmath>
#include <cstdint>

#include "policies/cache/compensation/kinds.hpp"

namespace razorscope {
namespace {

/// The dropped part of the softmax is Σ exp(q̃·k) = N·exp(q̃·μ)·E[exp(q̃·(k-μ))]; one mean slot keeps the first
/// two factors. The logarithm of the third is, to second order, ½·q̃ᵀΣq̃, and here ½ Σ_i q̃_i² σ_i² with the
/// keys' population variances: exact for Gaussian keys with independent components. Keys of real heads are
/// neither: on SmolLM2 it overshoots, and the attention's divergence is larger than without.
class VarianceSlot final : public CompensationSlots {
 public:
  VarianceSlot(int head_size, AllocationCounter& counter) : rows_(head_size, counter) {}

  std::unique_ptr<CompensationSlots> clone() const override { return std::make_unique<VarianceSlot>(*this); }

  void fold(int /*position*/, const float* key, const float* value) override {
    const int d = rows_.head_size();
    if (rows_.empty()) rows_.allocate(variance_layout());
    ++folded_;
    const auto share = static_cast<float>(1.0 / static_cast<double>(folded_));
    // Welford's update, of the variance itself: M₂ += (k - μ)·(k - μ'), σ² = M₂/N. It needs both the old mean
    // and the new.
    const float* mean = rows_.key(0);
    float* variance = rows_.more(0);
    for (int i = 0; i < d; ++i) {
      const float from_old = key[i] - mean[i];
      const float from_new = key[i] - (mean[i] + share * from_old);
      variance[i] += share * (from_old * from_new - variance[i]);
    }
    rows_.join(0, share, key, value);
  }

  int slots() const override { return folded_ > 0 ? 1 : 0; }
  double folded(int /*slot*/) const override { return static_cast<double>(folded_); }
  bool depends_on_query() const override { return true; }

  CompensationView view(const float* scaled_query) override {
    if (folded_ == 0) return {};
    const float* variance = rows_.more(0);
    double spread = 0.0;
    for (int i = 0; scaled_query != nullptr && i < rows_.head_size(); ++i) {
      const double q = scaled_query[i];
      spread += q * q * static_cast<double>(variance[i]);
    }
    rows_.bias(0) = static_cast<float>(std::log(static_cast<double>(folded_)) + 0.5 * spread);
    return rows_.view(1);
  }

  size_t bytes() const override { return folded_ > 0 ? variance_layout().bytes(rows_.head_size()) : 0; }
  size_t allocated() const override { return rows_.allocated(); }

 private:
  int64_t folded_ = 0;
  SlotRows rows_;  // with one more row: the variances
};

}  // namespace

std::unique_ptr<CompensationSlots> make_variance_slot(int head_size, AllocationCounter& counter) {
  return std::make_unique<VarianceSlot>(head_size, counter);
}

SlotLayout variance_layout() { return {.slots = 1, .more_rows = 1}; }

}  // namespace razorscope
