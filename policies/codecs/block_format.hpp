#pragma once

#include <array>
#include <cstddef>

#include "policies/codecs/block_statistics.hpp"
#include "policies/codecs/row_codec.hpp"

namespace razorscope {

/// A row format of independent blocks of 32 channels. A head size that is no multiple of 32 pads its last
/// block with zeros and stores it whole; the zeros count in the block's scale and minimum.
///
/// Block is a plain struct, as it lies in memory, with
///   static constexpr size_t scale_bytes;                 // scale, zero, minimum
///   static constexpr RowFormat kernel_format;
///   static void encode(const float* x, Block* block);    // x: [32]
///   static void decode(const Block* block, float* out);  // out: [32]
template <class Block>
class BlockFormat final : public RowFormatCodec {
 public:
  size_t row_bytes(int head_size) const override { return blocks(head_size) * sizeof(Block); }
  size_t scale_bytes(int head_size) const override { return blocks(head_size) * Block::scale_bytes; }
  std::optional<RowFormat> kernel_format() const override { return Block::kernel_format; }

  void encode(const float* row, int head_size, float /*head_scale*/, std::byte* out) const override {
    auto* block = reinterpret_cast<Block*>(out);
    const int whole = head_size / group_size * group_size;
    for (int i = 0; i < whole; i += group_size) Block::encode(row + i, block++);
    if (whole == head_size) return;
    std::array<float, group_size> tail = {};
    for (int i = whole; i < head_size; ++i) tail[static_cast<size_t>(i - whole)] = row[i];
    Block::encode(tail.data(), block);
  }

  void decode(const std::byte* stored, int rows, int head_size, float /*head_scale*/,
              float* out) const override {
    const auto* block = reinterpret_cast<const Block*>(stored);
    const int whole = head_size / group_size * group_size;
    for (int row = 0; row < rows; ++row, out += head_size) {
      for (int i = 0; i < whole; i += group_size) Block::decode(block++, out + i);
      if (whole == head_size) continue;
      std::array<float, group_size> tail;
      Block::decode(block++, tail.data());
      for (int i = whole; i < head_size; ++i) out[i] = tail[static_cast<size_t>(i - whole)];
    }
  }

 private:
  static size_t blocks(int head_size) {
    return static_cast<size_t>((head_size + group_size - 1) / group_size);
  }
};

}  // namespace razorscope
