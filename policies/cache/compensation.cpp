#include "policies/cache/compensation.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace razorscope {
namespace {

/// One slot of running means (razor-attention, section 1.2). Under ALiBi a token at position n weighs exp(slope·n), so
/// that the slot's bias ln Σ exp(slope·n) - slope·m is what the tokens' own biases sum to.
class MeanSlot final : public CompensationSlots {
 public:
  MeanSlot(bool weighted, double slope, int head_size, AllocationCounter& counter)
      : weighted_(weighted), slope_(slope), head_size_(head_size), counter_(&counter) {}

  void fold(int position, const float* key, const float* value) override {
    if (memory_.data() == nullptr) memory_ = CacheBuffer(bytes_of(head_size_), *counter_);
    const double log_of_token = slope_ * position;
    ++folded_;
    if (slope_ == 0.0) {
      log_weight_ = std::log(static_cast<double>(folded_));  // exact for counts, where a running sum of logarithms drifts
    } else if (folded_ == 1) {
      log_weight_ = log_of_token;
    } else {
      const double larger = std::max(log_weight_, log_of_token);
      log_weight_ = larger + std::log(std::exp(log_weight_ - larger) + std::exp(log_of_token - larger));
    }
    // The share of the slot's weight that this token has: 1/N_d under RoPE.
    const auto share = static_cast<float>(std::exp(log_of_token - log_weight_));
    float* mean_key = memory_.as<float>();
    float* mean_value = mean_key + head_size_;
    for (int i = 0; i < head_size_; ++i) {
      mean_key[i] += share * (key[i] - mean_key[i]);
      mean_value[i] += share * (value[i] - mean_value[i]);
    }
    mean_value[head_size_] = weighted_ ? static_cast<float>(log_weight_) : 0.0F;
  }

  int slots() const override { return folded_ > 0 ? 1 : 0; }
  double folded(int /*slot*/) const override { return static_cast<double>(folded_); }
  CompensationView view(const float* /*scaled_query*/) override {
    const float* key = memory_.as<float>();
    return {slots(), key, key + head_size_, key + 2 * static_cast<ptrdiff_t>(head_size_)};
  }
  size_t bytes() const override { return folded_ > 0 ? bytes_of(head_size_) : 0; }
  size_t allocated() const override { return memory_.allocated(); }

  static size_t bytes_of(int head_size) { return (2 * static_cast<size_t>(head_size) + 1) * sizeof(float); }

 private:
  bool weighted_;
  double slope_;
  int head_size_;
  AllocationCounter* counter_;
  int64_t folded_ = 0;
  double log_weight_ = 0.0;  // ln Σ exp(slope·position) over the folded tokens
  CacheBuffer memory_;       // key, value, bias
};

}  // namespace

std::unique_ptr<CompensationSlots> make_compensation(const CompensationSpec& spec, double slope, int head_size,
                                                     AllocationCounter& counter) {
  switch (spec.kind) {
    case Compensation::none: return nullptr;
    case Compensation::weighted: return std::make_unique<MeanSlot>(true, slope, head_size, counter);
    case Compensation::unweighted: return std::make_unique<MeanSlot>(false, slope, head_size, counter);
    default: break;
  }
  throw std::logic_error("make_compensation: this kind of slot is not built");
}

size_t compensation_bytes(const CompensationSpec& spec, int head_size, int folds) {
  if (spec.kind == Compensation::none || folds == 0) return 0;
  return CacheBuffer::block_size(MeanSlot::bytes_of(head_size));
}

}  // namespace razorscope
