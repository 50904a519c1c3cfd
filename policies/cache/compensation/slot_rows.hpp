#pragma once

#include <cstddef>

#include "policies/cache/compensation.hpp"
#include "policies/cache_buffer.hpp"

namespace razorscope {

/// What the memory of a kind of compensation holds.
struct SlotLayout {
  int slots = 1;         // each a key, a value and a bias
  size_t more_rows = 0;  // beside them: what the kind adds, in rows of head_size floats
  size_t floats(int head_size) const {
    const auto d = static_cast<size_t>(head_size);
    return static_cast<size_t>(slots) * (2 * d + 1) + more_rows * d;
  }
  size_t bytes(int head_size) const { return floats(head_size) * sizeof(float); }
};

/// Slots of running means in one f32 block: keys [slots, head_size], values [slots, head_size], biases
/// [slots], then the rows that a kind adds. Takes no memory before `allocate`.
class SlotRows {
 public:
  SlotRows(int head_size, AllocationCounter& counter) : head_size_(head_size), counter_(&counter) {}

  bool empty() const { return memory_.data() == nullptr; }
  void allocate(const SlotLayout& layout) {
    layout_ = layout;
    memory_ = CacheBuffer(layout.bytes(head_size_), *counter_);
  }

  int head_size() const { return head_size_; }
  float* key(int slot) { return row(slot); }
  float* value(int slot) { return row(layout_.slots + slot); }
  float& bias(int slot) { return row(2 * layout_.slots)[slot]; }
  float bias(int slot) const { return row(2 * layout_.slots)[slot]; }
  /// The row of that index among those that the kind adds; rows follow each other.
  float* more(int index) { return &bias(layout_.slots) + static_cast<ptrdiff_t>(index) * head_size_; }

  /// A token that has this share of the slot's weight joins the means: 1/N where the slot now stands for N
  /// tokens.
  void join(int slot, float share, const float* token_key, const float* token_value) {
    float* mean_key = key(slot);
    float* mean_value = value(slot);
    for (int i = 0; i < head_size_; ++i) {
      mean_key[i] += share * (token_key[i] - mean_key[i]);
      mean_value[i] += share * (token_value[i] - mean_value[i]);
    }
  }

  CompensationView view(int used) {
    return used == 0 ? CompensationView() : CompensationView{used, key(0), value(0), &bias(0)};
  }
  size_t allocated() const { return memory_.allocated(); }

 private:
  float* row(int index) { return memory_.as<float>() + static_cast<ptrdiff_t>(index) * head_size_; }
  const float* row(int index) const {
    return memory_.as<float>() + static_cast<ptrdiff_t>(index) * head_size_;
  }

  int head_size_;
  AllocationCounter* counter_;
  SlotLayout layout_;
  CacheBuffer memory_;
};

}  // namespace razorscope
