#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "policies/cache_buffer.hpp"

namespace razorscope {

/// Rows of one size in a ring: the oldest leave at the front and new ones come at the back, without a move of
/// the others. Grows by whole blocks of block_tokens rows. The counter must outlive it.
class RingRows {
 public:
  RingRows(size_t row_bytes, AllocationCounter& counter) : row_bytes_(row_bytes), counter_(&counter) {}

  /// What an empty ring takes from the allocator on reserve(rows).
  static size_t reserved_bytes(int rows, size_t row_bytes) {
    return CacheBuffer::block_size(static_cast<size_t>(rounded_capacity(rows)) * row_bytes);
  }

  void reserve(int rows) {
    if (rows <= capacity_) return;
    const int capacity = rounded_capacity(rows);
    CacheBuffer larger(static_cast<size_t>(capacity) * row_bytes_, *counter_, Fill::nothing);
    for (int i = 0; i < rows_; ++i)
      std::memcpy(larger.data() + static_cast<size_t>(i) * row_bytes_, row(i), row_bytes_);
    buffer_ = std::move(larger);
    capacity_ = capacity;
    first_ = 0;
  }
  /// A new last row, to be written.
  std::byte* add() {
    make_room(1);
    return row(rows_++);
  }
  /// `count` new first rows, to be written through row(0) .. row(count - 1).
  void add_front(int count) {
    make_room(count);
    first_ = (first_ - count + capacity_) % capacity_;
    rows_ += count;
  }
  void remove_front(int count) {
    rows_ -= count;
    first_ = rows_ == 0 ? 0 : (first_ + count) % capacity_;
  }
  /// The order of the others stays: those on its shorter side move by one.
  void remove(int index) {
    const int last = rows_ - 1;
    if (index < rows_ / 2) {
      for (int i = index; i > 0; --i) std::memcpy(row(i), row(i - 1), row_bytes_);
      remove_front(1);
      return;
    }
    for (int i = index; i < last; ++i) std::memcpy(row(i), row(i + 1), row_bytes_);
    rows_ = last;
  }

  std::byte* row(int index) { return buffer_.data() + offset(index); }
  const std::byte* row(int index) const { return buffer_.data() + offset(index); }
  int rows() const { return rows_; }
  size_t row_bytes() const { return row_bytes_; }
  /// Rows that lie one behind the other from row(0) on; the others begin at row(unbroken()).
  int unbroken() const { return std::min(rows_, capacity_ - first_); }
  size_t used() const { return static_cast<size_t>(rows_) * row_bytes_; }
  size_t allocated() const { return buffer_.allocated(); }

 private:
  size_t offset(int index) const {
    const int place = first_ + index;
    return static_cast<size_t>(place < capacity_ ? place : place - capacity_) * row_bytes_;
  }
  void make_room(int count) {
    // One more block at a time while small, then an eighth more, so that appending stays linear.
    if (rows_ + count > capacity_)
      reserve(std::max(rows_ + count, capacity_ + std::max(block_tokens, capacity_ / 8)));
  }

  size_t row_bytes_;
  AllocationCounter* counter_;
  CacheBuffer buffer_;
  int first_ = 0;
  int rows_ = 0;
  int capacity_ = 0;
};

}  // namespace razorscope
