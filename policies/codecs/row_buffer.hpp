#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "policies/cache_buffer.hpp"

namespace razorscope {

/// Rows of one size in one buffer that grows by whole blocks of `granule` rows. The counter must outlive it.
class RowBuffer {
 public:
  RowBuffer(size_t row_bytes, AllocationCounter& counter, int granule = block_tokens)
      : row_bytes_(row_bytes), granule_(granule), counter_(&counter) {}

  /// What an empty buffer takes from the allocator on reserve(rows).
  static size_t reserved_bytes(int rows, size_t row_bytes, int granule = block_tokens) {
    return CacheBuffer::block_size(static_cast<size_t>(rounded(rows, granule)) * row_bytes);
  }

  void reserve(int rows) {
    if (rows <= capacity_) return;
    capacity_ = rounded(rows, granule_);
    buffer_.resize(static_cast<size_t>(capacity_) * row_bytes_, used(), *counter_, Fill::nothing);
  }
  /// `count` new last rows, to be written; the address of the first.
  std::byte* add(int count = 1) {
    make_room(count);
    rows_ += count;
    return row(rows_ - count);
  }
  /// The row at `filler` (index or behind it) takes its place, and the rows behind filler move up.
  void remove(int index, int filler) {
    const int last = --rows_;
    if (filler != index) std::memcpy(row(index), row(filler), row_bytes_);
    if (filler != last)
      std::memmove(row(filler), row(filler + 1), static_cast<size_t>(last - filler) * row_bytes_);
  }
  /// Keeps the first rows; the memory stays.
  void truncate(int rows) { rows_ = rows; }

  std::byte* row(int index) { return buffer_.data() + static_cast<size_t>(index) * row_bytes_; }
  const std::byte* row(int index) const { return buffer_.data() + static_cast<size_t>(index) * row_bytes_; }
  int rows() const { return rows_; }
  size_t row_bytes() const { return row_bytes_; }
  size_t used() const { return static_cast<size_t>(rows_) * row_bytes_; }
  size_t allocated() const { return buffer_.allocated(); }

 private:
  static int rounded(int rows, int granule) { return (rows + granule - 1) / granule * granule; }
  void make_room(int count) {
    // One more block at a time while small, then an eighth more, so that appending stays linear.
    if (rows_ + count > capacity_)
      reserve(std::max(rows_ + count, capacity_ + std::max(granule_, capacity_ / 8)));
  }

  size_t row_bytes_;
  int granule_;
  AllocationCounter* counter_;
  CacheBuffer buffer_;
  int rows_ = 0;
  int capacity_ = 0;
};

}  // namespace razorscope
