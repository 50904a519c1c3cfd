#include <array>
#include <cmath>

#include "policies/cache/compensation/kinds.hpp"
#include "policies/cache/compensation/membership.hpp"

namespace razorscope {
namespace {

/// In f32 by eight partial sums, whose order is fixed whatever the compiler makes of them.
float squared_distance(const float* a, const float* b, int count) {
  constexpr int lanes = 8;
  std::array<float, lanes> sums{};
  int i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int lane = 0; lane < lanes; ++lane) {
      const float difference = a[i + lane] - b[i + lane];
      sums[static_cast<size_t>(lane)] += difference * difference;
    }
  }
  float rest = 0.0F;
  for (; i < count; ++i) rest += (a[i] - b[i]) * (a[i] - b[i]);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + rest;
}

/// Streaming k-means (MacQueen's) on keys, by ascending position: the first tokens with distinct keys seed
/// one slot each; every other token joins the slot whose mean key is nearest by Euclidean distance at that
/// moment, and moves it. Ties go to the lower slot. So the result depends on the tokens and their order
/// alone.
///
/// All slots are reserved with the first folded token: later tokens may still seed one. A slot's count is not
/// stored, since its bias ln N gives it back: f32 does so exactly up to a million tokens in one slot.
class ClusterSlots final : public CompensationSlots {
 public:
  ClusterSlots(int slots, int head_size, AllocationCounter& counter)
      : slots_(slots), rows_(head_size, counter) {}

  std::unique_ptr<CompensationSlots> clone() const override { return std::make_unique<ClusterSlots>(*this); }

  void fold(int position, const float* key, const float* value) override {
    if (rows_.empty()) rows_.allocate(cluster_layout(slots_));
    float distance = 0.0F;
    int slot = nearest(key, &distance);
    const bool seeds = used_ == 0 || (used_ < slots_ && distance > 0.0F);
    if (seeds) slot = used_++;
    const double count = seeds ? 1.0 : folded(slot) + 1.0;
    rows_.join(slot, static_cast<float>(1.0 / count), key, value);
    rows_.bias(slot) = static_cast<float>(std::log(count));
    membership_.note(position, slot);
  }

  int slots() const override { return used_; }
  double folded(int slot) const override {
    return std::round(std::exp(static_cast<double>(rows_.bias(slot))));
  }
  int slot_of(int position) const override { return membership_.slot_of(position); }
  void track_membership(bool wanted) override { membership_.track(wanted); }
  CompensationView view(const float* /*scaled_query*/) override { return rows_.view(used_); }
  size_t bytes() const override { return SlotLayout{.slots = used_}.bytes(rows_.head_size()); }
  size_t allocated() const override { return rows_.allocated(); }

 private:
  int nearest(const float* key, float* distance) {
    int best = 0;
    for (int slot = 0; slot < used_; ++slot) {
      const float here = squared_distance(key, rows_.key(slot), rows_.head_size());
      if (slot > 0 && here >= *distance) continue;
      best = slot;
      *distance = here;
    }
    return best;
  }

  int slots_;     // most there may be
  int used_ = 0;  // how many are seeded
  SlotRows rows_;
  Membership membership_;
};

}  // namespace

std::unique_ptr<CompensationSlots> make_cluster_slots(int slots, int head_size, AllocationCounter& counter) {
  return std::make_unique<ClusterSlots>(slots, head_size, counter);
}

SlotLayout cluster_layout(int slots) { return {.slots = slots}; }

}  // namespace razorscope
