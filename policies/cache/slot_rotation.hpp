#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "models/language/rope.hpp"

namespace razorscope {

/// RoPE by slot instead of by token, for caches that hold keys as they were before RoPE (StreamingLLM's slot
/// positions). Tables of cosines and sines are made once and shared by all heads, and belong to the model's
/// side of a deployment: they are not counted as cache. Any thread may call.
class SlotRotation {
 public:
  SlotRotation(const RopeScheme& scheme, int head_size) : rope_(scheme, head_size), head_size_(head_size) {}

  /// Moves `heads` consecutive rows of one token by `positions` (which may be negative), in place: by -p, a
  /// row rotated for position p becomes what it was before RoPE.
  void move(float* rows, int heads, int positions) const;
  /// Rotates row i of [indices.size(), head_size] from before RoPE to position indices[i], in place.
  void place(float* rows, std::span<const int32_t> indices) const;

 private:
  /// Tables of at least the positions 0 .. count - 1, in blocks.
  std::vector<const Matrix*> tables(int count) const;

  Rope rope_;
  int head_size_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<const Matrix>> blocks_;
};

}  // namespace razorscope
