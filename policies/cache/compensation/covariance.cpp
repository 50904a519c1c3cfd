#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "policies/cache/compensation/kinds.hpp"

namespace razorscope {
namespace {

/// Σ (v - v̂)(k - k̂)ᵀ over tokens, by one update a token, in double.
class CrossMoments {
 public:
  explicit CrossMoments(int head_size)
      : mean_key_(Eigen::VectorXd::Zero(head_size)),
        mean_value_(Eigen::VectorXd::Zero(head_size)),
        sum_(Eigen::MatrixXd::Zero(head_size, head_size)) {}

  void add(const float* key, const float* value) {
    const auto k = Eigen::Map<const Eigen::VectorXf>(key, mean_key_.size()).cast<double>();
    const auto v = Eigen::Map<const Eigen::VectorXf>(value, mean_value_.size()).cast<double>();
    ++tokens_;
    from_old_value_ = v - mean_value_;
    mean_value_ += from_old_value_ / static_cast<double>(tokens_);
    mean_key_ += (k - mean_key_) / static_cast<double>(tokens_);
    from_new_key_ = k - mean_key_;
    sum_.noalias() += from_old_value_ * from_new_key_.transpose();
  }
  /// The population's: divided by N.
  Eigen::MatrixXd covariance() const { return sum_ / static_cast<double>(tokens_); }

 private:
  int64_t tokens_ = 0;
  Eigen::VectorXd mean_key_;
  Eigen::VectorXd mean_value_;
  Eigen::VectorXd from_old_value_;
  Eigen::VectorXd from_new_key_;
  Eigen::MatrixXd sum_;
};

/// The weighted slot with a value that follows the query. The mean of the values under the weights exp(q̃·k)
/// is, to first order in q̃, v̂ + Cov(v, k)·q̃; the cross-covariance of the prefix's folded tokens is kept as
/// its best approximation of rank r, U·S·Vᵀ, so that the value is v̂ + (U·S)(Vᵀq̃). Tokens folded later move
/// the means and the count; the factors stay. A prefix that folds nothing has factors of zero. Under the
/// counter: the slot, U·S and V, [head_size, rank] each (the rank at most head_size), and a row for the value
/// of the query at hand, which counts as padding. The moments that the factors come from live from begin() to
/// end_prefix() only.
class CovarianceSlot final : public CompensationSlots {
 public:
  CovarianceSlot(int rank, int head_size, AllocationCounter& counter)
      : rank_(std::min(rank, head_size)), rows_(head_size, counter) {}

  std::unique_ptr<CompensationSlots> clone() const override {
    return std::make_unique<CovarianceSlot>(*this);
  }

  void begin(int /*prefix_folds*/) override { moments_.emplace(rows_.head_size()); }

  void fold(int /*position*/, const float* key, const float* value) override {
    if (rows_.empty()) rows_.allocate(covariance_layout(rank_, rows_.head_size()));
    ++folded_;
    rows_.join(0, static_cast<float>(1.0 / static_cast<double>(folded_)), key, value);
    rows_.bias(0) = static_cast<float>(std::log(static_cast<double>(folded_)));
    if (moments_) moments_->add(key, value);
  }

  void end_prefix() override {
    if (moments_ && folded_ > 0) factor(moments_->covariance());
    moments_.reset();
  }

  int slots() const override { return folded_ > 0 ? 1 : 0; }
  double folded(int /*slot*/) const override { return static_cast<double>(folded_); }
  bool depends_on_query() const override { return true; }

  CompensationView view(const float* scaled_query) override {
    CompensationView view = rows_.view(slots());
    if (view.slots == 0 || scaled_query == nullptr) return view;
    const int d = rows_.head_size();
    const float* left = left_factor();
    const float* right = right_factor();
    std::vector<double> along(static_cast<size_t>(rank_));  // Vᵀq̃
    for (int i = 0; i < d; ++i) {
      const double q = scaled_query[i];
      for (int j = 0; j < rank_; ++j) along[static_cast<size_t>(j)] += q * right[i * rank_ + j];
    }
    float* corrected = rows_.more(2 * rank_);
    for (int i = 0; i < d; ++i) {
      double sum = view.values[i];
      for (int j = 0; j < rank_; ++j) sum += left[i * rank_ + j] * along[static_cast<size_t>(j)];
      corrected[i] = static_cast<float>(sum);
    }
    view.values = corrected;
    return view;
  }

  size_t bytes() const override {
    const SlotLayout stored = {.slots = 1, .more_rows = 2 * static_cast<size_t>(rank_)};
    return folded_ > 0 ? stored.bytes(rows_.head_size()) : 0;
  }
  size_t allocated() const override { return rows_.allocated(); }

 private:
  float* left_factor() { return rows_.more(0); }       // U·S, [head_size, rank]
  float* right_factor() { return rows_.more(rank_); }  // V, [head_size, rank]

  void factor(const Eigen::MatrixXd& covariance) {
    const Eigen::BDCSVD<Eigen::MatrixXd> svd(covariance, Eigen::ComputeThinU | Eigen::ComputeThinV);
    float* left = left_factor();
    float* right = right_factor();
    for (int i = 0; i < rows_.head_size(); ++i) {
      for (int j = 0; j < rank_; ++j) {
        left[i * rank_ + j] = static_cast<float>(svd.matrixU()(i, j) * svd.singularValues()(j));
        right[i * rank_ + j] = static_cast<float>(svd.matrixV()(i, j));
      }
    }
  }

  int rank_;
  int64_t folded_ = 0;
  SlotRows rows_;
  std::optional<CrossMoments> moments_;  // of the prefix, while it is folded
};

}  // namespace

std::unique_ptr<CompensationSlots> make_covariance_slot(int rank, int head_size, AllocationCounter& counter) {
  return std::make_unique<CovarianceSlot>(rank, head_size, counter);
}

SlotLayout covariance_layout(int rank, int head_size) {
  return {.slots = 1, .more_rows = 2 * static_cast<size_t>(std::min(rank, head_size)) + 1};
}

}  // namespace razorscope
