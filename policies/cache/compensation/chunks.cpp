#include <algorithm>
#include <cmath>
#include <cstdint>

#include "policies/cache/compensation/kinds.hpp"
#include "policies/cache/compensation/membership.hpp"

namespace razorscope {
namespace {

/// The tokens that the prefix folds, cut by ascending position into contiguous chunks whose sizes differ by
/// at most one, each a slot of means with bias ln N. Tokens folded later join the last chunk, which moves
/// with the window's edge.
///
/// A prefix that folds fewer tokens than there may be chunks gets a chunk a token, and memory for no more;
/// one that folds none gets one chunk.
class ChunkSlots final : public CompensationSlots {
 public:
  ChunkSlots(int slots, int head_size, AllocationCounter& counter)
      : slots_(slots), rows_(head_size, counter) {}

  std::unique_ptr<CompensationSlots> clone() const override { return std::make_unique<ChunkSlots>(*this); }

  void begin(int prefix_folds) override { prefix_folds_ = prefix_folds; }

  void fold(int position, const float* key, const float* value) override {
    if (rows_.empty()) rows_.allocate(chunk_layout(slots_, prefix_folds_));
    if (latest_ + 1 < chunks() && folded_ == first(latest_ + 1)) ++latest_;
    ++folded_;
    const double count = folded(latest_);
    rows_.join(latest_, static_cast<float>(1.0 / count), key, value);
    rows_.bias(latest_) = static_cast<float>(std::log(count));
    membership_.note(position, latest_);
  }

  int slots() const override { return folded_ > 0 ? latest_ + 1 : 0; }
  double folded(int slot) const override {
    return static_cast<double>((slot < latest_ ? first(slot + 1) : folded_) - first(slot));
  }
  int slot_of(int position) const override { return membership_.slot_of(position); }
  void track_membership(bool wanted) override { membership_.track(wanted); }
  CompensationView view(const float* /*scaled_query*/) override { return rows_.view(slots()); }
  size_t bytes() const override { return SlotLayout{.slots = slots()}.bytes(rows_.head_size()); }
  size_t allocated() const override { return rows_.allocated(); }

 private:
  int chunks() const { return chunk_layout(slots_, prefix_folds_).slots; }
  /// Rank, among the folded tokens, of a chunk's first.
  int64_t first(int chunk) const { return static_cast<int64_t>(chunk) * prefix_folds_ / chunks(); }

  int slots_;  // most there may be
  int prefix_folds_ = 0;
  int latest_ = 0;  // the chunk that tokens join now
  int64_t folded_ = 0;
  SlotRows rows_;
  Membership membership_;
};

}  // namespace

std::unique_ptr<CompensationSlots> make_chunk_slots(int slots, int head_size, AllocationCounter& counter) {
  return std::make_unique<ChunkSlots>(slots, head_size, counter);
}

SlotLayout chunk_layout(int slots, int prefix_folds) { return {.slots = std::clamp(prefix_folds, 1, slots)}; }

}  // namespace razorscope
