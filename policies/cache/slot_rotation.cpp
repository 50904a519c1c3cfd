#include "policies/cache/slot_rotation.hpp"

namespace razorscope {
namespace {

constexpr int block_positions = 512;

}  // namespace

void SlotRotation::move(float* rows, int heads, int positions) const {
  rope_.rotate(rows, heads, rope_.angles(positions, 1).row(0));
}

void SlotRotation::place(float* rows, std::span<const int32_t> indices) const {
  // Indices are ranks: none exceeds their number.
  const std::vector<const Matrix*> blocks = tables(static_cast<int>(indices.size()));
  for (size_t i = 0; i < indices.size(); ++i) {
    const Matrix& block = *blocks[static_cast<size_t>(indices[i] / block_positions)];
    rope_.rotate(rows + i * static_cast<size_t>(head_size_), 1,
                 block.row(static_cast<size_t>(indices[i] % block_positions)));
  }
}

std::vector<const Matrix*> SlotRotation::tables(int count) const {
  const std::lock_guard lock(mutex_);
  while (static_cast<int>(blocks_.size()) * block_positions < count) {
    blocks_.push_back(std::make_unique<const Matrix>(
        rope_.angles(static_cast<int>(blocks_.size()) * block_positions, block_positions)));
  }
  std::vector<const Matrix*> out;
  for (const auto& block : blocks_) out.push_back(block.get());
  return out;
}

}  // namespace razorscope
