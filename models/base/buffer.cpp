#include "models/base/buffer.hpp"

#include <sys/mman.h>

namespace razorscope {

Floats::Floats(size_t count) : count_(count) {
  if (count == 0) return;
  constexpr size_t cache_line = 64;
  constexpr size_t huge_page = size_t{2} << 20;
  const size_t wanted = count * sizeof(float);
  const size_t alignment = wanted >= 2 * huge_page ? huge_page : cache_line;
  const size_t bytes = (wanted + alignment - 1) / alignment * alignment;
  void* address = std::aligned_alloc(alignment, bytes);
  if (address == nullptr) throw std::bad_alloc();
  if (alignment == huge_page) ::madvise(address, bytes, MADV_HUGEPAGE);
  data_.reset(static_cast<float*>(address));
}

}  // namespace razorscope
