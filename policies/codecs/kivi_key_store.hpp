#pragma once

#include <cstddef>
#include <memory>

#include "policies/cache_buffer.hpp"
#include "policies/codecs/row_store.hpp"

namespace razorscope {

/// When KIVI codes a key.
struct KiviKeyOptions {
  int residual = 128;  // R
  bool chunk = false;  // R rows at a time, so that n mod R are left in f16; else R to R + 31 rows are
  bool prefix_only =
      false;  // variant prefix: what the prefix left in f16 stays there, and decoded rows are exact

  /// Rows coded at a time, once there are `threshold` of them in f16.
  int step() const;
  int threshold() const;
  /// Rows of a prefix that are coded.
  int coded_in_prefix(int rows) const;
};

/// Keys in groups of 32 tokens (KiviKeyGroup), oldest first, then the residual in f16, then exact rows in f32
/// (variant prefix).
///
/// A group's rows cannot be removed one by one: eviction marks a slot dead, and once a quarter of the coded
/// slots are dead, all rows from the first group with one on are decoded and coded anew; fewer than 32 are
/// left over and go to the front of the residual. So what a row reads back as may change on removal, even
/// under the variant prefix.
///
/// bits: 4 or 2. `counter` must outlive the store.
std::unique_ptr<RowStore> make_kivi_key_store(int bits, const KiviKeyOptions& options, int head_size,
                                              AllocationCounter& counter);
/// RowBytes::allocated of such a store once a prefix of `rows` rows is in.
size_t kivi_key_store_bytes(int bits, const KiviKeyOptions& options, int rows, int head_size);

}  // namespace razorscope
