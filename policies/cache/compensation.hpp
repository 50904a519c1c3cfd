#pragma once

#include <cstddef>
#include <memory>

#include "policies/cache_buffer.hpp"
#include "policies/kernels/source_rows.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {

/// Slots as the kernels read them: f32 rows with an additive bias on the score.
struct CompensationView {
  int slots = 0;
  const float* keys = nullptr;    // [slots, head_size]
  const float* values = nullptr;  // [slots, head_size]
  const float* bias = nullptr;    // [slots]
};

/// What stands for the folded tokens of one KV head. All state is f32 (or smaller) memory from the counter;
/// one file a kind in policies/cache/compensation.
///
/// Contract. `begin` with the number of tokens that the prefix folds, `fold` each of them by ascending
/// position, alone or in runs, `end_prefix`; then fold as tokens leave during decoding. Between begin and
/// end_prefix nothing is viewed. Not shared by threads.
class CompensationSlots {
 public:
  virtual ~CompensationSlots() = default;
  /// A copy that goes its own way, under the same counter.
  virtual std::unique_ptr<CompensationSlots> clone() const = 0;
  virtual void begin(int /*prefix_folds*/) {}
  virtual void fold(int position, const float* key, const float* value) = 0;
  /// A run of the prefix: the tokens at first .. first + count - 1, row 0 of both being the first's.
  virtual void fold_run(int first, int count, int head_size, const SourceRows& keys,
                        const SourceRows& values);
  virtual void end_prefix() {}
  virtual int slots() const = 0;
  /// Tokens that a slot stands for.
  virtual double folded(int slot) const = 0;
  /// Which slot holds a token that was folded at a position. Kinds with several slots know it of tokens that
  /// were folded while they tracked membership, and return -1 for others.
  virtual int slot_of(int /*position*/) const { return 0; }
  /// Remembers from now on which slot each token joins: for diagnosis only, in memory that is not counted,
  /// since a deployed cache has no use for it.
  virtual void track_membership(bool /*wanted*/) {}
  /// Whether the view depends on the query: then it must be asked for anew for each one.
  virtual bool depends_on_query() const { return false; }
  /// The slots for a query, already scaled by the score scale; null stands for a query of zeros, and serves
  /// every query where the view does not depend on it. Valid until the next call.
  virtual CompensationView view(const float* scaled_query) = 0;
  virtual size_t bytes() const = 0;      // what is stored
  virtual size_t allocated() const = 0;  // what came from the allocator
};

/// Null for Compensation::none. slope: see HeadCacheSpec; only kinds of one mean slot know it.
std::unique_ptr<CompensationSlots> make_compensation(const CompensationSpec& spec, double slope,
                                                     int head_size, AllocationCounter& counter);

/// CompensationSlots::allocated() once a prefix has folded `folds` tokens.
size_t compensation_bytes(const CompensationSpec& spec, int head_size, int folds);

}  // namespace razorscope
