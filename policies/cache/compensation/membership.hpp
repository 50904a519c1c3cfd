#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace razorscope {

/// Which slot each folded token joined, where somebody asked for it (CompensationSlots::track_membership).
class Membership {
 public:
  void track(bool wanted) {
    tracked_ = wanted;
    if (!wanted) slots_ = {};
  }
  void note(int position, int slot) {
    if (!tracked_) return;
    const auto index = static_cast<size_t>(position);
    if (index >= slots_.size()) slots_.resize(index + 1, unknown);
    slots_[index] = static_cast<int16_t>(slot);
  }
  int slot_of(int position) const {
    const auto index = static_cast<size_t>(position);
    return index < slots_.size() ? slots_[index] : unknown;
  }

 private:
  static constexpr int16_t unknown = -1;
  bool tracked_ = false;
  std::vector<int16_t> slots_;  // by position
};

}  // namespace razorscope
