#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "policies/cache_buffer.hpp"
#include "policies/codecs/codec.hpp"
#include "policies/kernels/attend.hpp"

namespace razorscope::cli {

/// A model layer's KV cache as decode steps read it.
struct LayerSize {
  int tokens = 4096;  // slots of a head
  int kv_heads = 8;   // of all sequences together
  int group = 4;      // query heads that share a KV head
  int head_size = 128;
  bool razor = false;          // 15 % of the heads whole, a fifth of the slots in the others
  bool byte_products = false;  // see GroupQuery
};

/// Copies of a layer's cache, which decode steps read in turn.
class LayerCopies {
 public:
  /// As many as fit into `memory`, which is not owned, in rows of normal random numbers. InputError in the
  /// name of `where` for an unknown codec, or where not even one fits.
  LayerCopies(const LayerSize& size, const std::string& codec, const std::string& where, uint64_t seed,
              std::span<std::byte> memory);

  /// Of one pass over a copy; each call takes the next one.
  double seconds();
  /// Several passes, so that short ones are timed as well as long ones.
  double mean_seconds();
  /// Of keys and values that a pass reads.
  double bytes() const { return bytes_; }
  size_t copies() const { return copies_.size(); }

 private:
  int slots_of(int head) const;
  std::vector<AttentionJob> copy_layer(const RowStore& keys, const RowStore& values,
                                       std::span<std::byte>& memory);

  LayerSize size_;
  std::vector<float> queries_;
  std::vector<float> out_;
  std::vector<std::vector<AttentionJob>> copies_;
  size_t next_ = 0;
  double bytes_ = 0.0;
};

}  // namespace razorscope::cli
