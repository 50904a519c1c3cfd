#include "sim/serving/prefix_cache.hpp"

namespace razorscope {

int PrefixCache::pin(std::span<const int64_t> hashes) {
  int known = 0;
  for (const int64_t hash : hashes) {
    const auto found = blocks_.find(hash);
    if (found == blocks_.end()) break;
    if (found->second.pins++ == 0) unpinned_.erase(found->second.place);
    ++known;
  }
  return known;
}

void PrefixCache::release(std::span<const int64_t> hashes) {
  // The last block first, so that a prompt's tail is evicted before its head, without which it is useless.
  for (size_t i = hashes.size(); i-- > 0;) {
    Block& block = blocks_.at(hashes[i]);
    if (--block.pins == 0) block.place = unpinned_.insert(unpinned_.end(), hashes[i]);
  }
}

int PrefixCache::publish(std::span<const int64_t> hashes, int first) {
  int added = 0;
  for (size_t i = hashes.size(); i-- > static_cast<size_t>(first);) {
    const auto [block, is_new] = blocks_.try_emplace(hashes[i]);
    if (!is_new) continue;
    block->second.place = unpinned_.insert(unpinned_.end(), hashes[i]);
    ++added;
  }
  return added;
}

size_t PrefixCache::evict(size_t bytes) {
  size_t freed = 0;
  while (freed < bytes && !unpinned_.empty()) {
    blocks_.erase(unpinned_.front());
    unpinned_.pop_front();
    freed += block_bytes_;
  }
  return freed;
}

}  // namespace razorscope
