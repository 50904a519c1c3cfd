#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>

namespace razorscope {

/// Blocks of prompts that stay in memory after their requests are done, by the hash of everything up to their
/// end; the least recently used goes first. Counts bytes, holds nothing.
class PrefixCache {
 public:
  explicit PrefixCache(size_t block_bytes) : block_bytes_(block_bytes) {}

  /// How many of the leading blocks are here; pins them until release().
  int pin(std::span<const int64_t> hashes);
  void release(std::span<const int64_t> hashes);
  /// Makes the blocks from `first` on known, unpinned, unless they are. Returns how many were new: their
  /// bytes are the cache's from now on.
  int publish(std::span<const int64_t> hashes, int first);
  /// Drops unpinned blocks until `bytes` are free; returns what was freed.
  size_t evict(size_t bytes);

  size_t block_bytes() const { return block_bytes_; }
  size_t bytes() const { return blocks_.size() * block_bytes_; }
  size_t unpinned_bytes() const { return unpinned_.size() * block_bytes_; }

 private:
  struct Block {
    int pins = 0;
    std::list<int64_t>::iterator place;  // in unpinned_, while pins == 0
  };
  size_t block_bytes_;
  std::unordered_map<int64_t, Block> blocks_;
  std::list<int64_t> unpinned_;  // the least recently used first
};

}  // namespace razorscope
