#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <memory>

namespace razorscope {

/// Tokens that cache memory is handed out for at a time, as paged engines do.
inline constexpr int block_tokens = 16;
inline constexpr int rounded_capacity(int tokens) {
  return (tokens + block_tokens - 1) / block_tokens * block_tokens;
}

/// Counts what caches got from the allocator: the truth that the byte ledger must equal.
/// Threads may share one: continuations of one context run side by side.
class AllocationCounter {
 public:
  void add(size_t bytes);
  void remove(size_t bytes) { live_ -= bytes; }
  size_t live() const { return live_; }
  size_t peak() const { return peak_; }

 private:
  std::atomic<size_t> live_ = 0;
  std::atomic<size_t> peak_ = 0;
};

/// What a new CacheBuffer holds. Rows are written before they are read, and compression is bound by memory:
/// zeros below them would be one more pass over all that is kept.
enum class Fill { zeros, nothing };

/// A cache's memory: 64-byte aligned bytes, reported to a counter that outlives it. Not shared by threads.
class CacheBuffer {
 public:
  CacheBuffer() = default;
  CacheBuffer(size_t bytes, AllocationCounter& counter, Fill fill = Fill::zeros);
  ~CacheBuffer();
  CacheBuffer(CacheBuffer&& other) noexcept;
  CacheBuffer& operator=(CacheBuffer&& other) noexcept;
  /// A block of the same size with the same bytes, reported to the same counter.
  CacheBuffer(const CacheBuffer& other);
  CacheBuffer& operator=(const CacheBuffer&) = delete;

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }
  /// Bytes taken from the allocator. Whole cache lines, and not what malloc rounds up inside, which would
  /// differ from run to run.
  size_t allocated() const { return allocated_; }
  /// What a buffer for `bytes` takes.
  static size_t block_size(size_t bytes);

  /// Replaces the memory by a block of `bytes`, keeping the first `kept` bytes; `fill` is for the others.
  /// Both blocks live while it copies.
  void resize(size_t bytes, size_t kept, AllocationCounter& counter, Fill fill = Fill::zeros);

 private:
  static constexpr size_t alignment = 64;
  void release();
  std::byte* data_ = nullptr;
  size_t allocated_ = 0;
  AllocationCounter* counter_ = nullptr;
};

}  // namespace razorscope
