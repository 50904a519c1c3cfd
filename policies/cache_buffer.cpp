#include "policies/cache_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace razorscope {

void AllocationCounter::add(size_t bytes) {
  const size_t live = live_ += bytes;
  size_t peak = peak_;
  while (live > peak && !peak_.compare_exchange_weak(peak, live)) {
  }
}

CacheBuffer::CacheBuffer(size_t bytes, AllocationCounter& counter, Fill fill) {
  if (bytes == 0) return;
  allocated_ = block_size(bytes);
  data_ = static_cast<std::byte*>(std::aligned_alloc(alignment, allocated_));
  if (data_ == nullptr) throw std::bad_alloc();
  if (fill == Fill::zeros) std::memset(data_, 0, allocated_);
  counter_ = &counter;
  counter.add(allocated_);
}

size_t CacheBuffer::block_size(size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

CacheBuffer::~CacheBuffer() { release(); }

CacheBuffer::CacheBuffer(const CacheBuffer& other) {
  if (other.data_ == nullptr) return;
  *this = CacheBuffer(other.allocated_, *other.counter_, Fill::nothing);
  std::memcpy(data_, other.data_, allocated_);
}

CacheBuffer::CacheBuffer(CacheBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      allocated_(std::exchange(other.allocated_, 0)),
      counter_(std::exchange(other.counter_, nullptr)) {}

CacheBuffer& CacheBuffer::operator=(CacheBuffer&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    allocated_ = std::exchange(other.allocated_, 0);
    counter_ = std::exchange(other.counter_, nullptr);
  }
  return *this;
}

void CacheBuffer::resize(size_t bytes, size_t kept, AllocationCounter& counter, Fill fill) {
  CacheBuffer larger(bytes, counter, fill);
  if (kept > 0) std::memcpy(larger.data_, data_, kept);
  *this = std::move(larger);
}

void CacheBuffer::release() {
  if (data_ == nullptr) return;
  counter_->remove(allocated_);
  std::free(data_);
  data_ = nullptr;
}

}  // namespace razorscope
