#include "policies/codecs/kivi_key_store.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "policies/codecs/kivi_key_group.hpp"
#include "policies/codecs/residual_rows.hpp"
#include "policies/codecs/row_buffer.hpp"
#include "policies/kernels/row_sums.hpp"

namespace razorscope {

int KiviKeyOptions::step() const { return chunk ? residual : group_size; }
int KiviKeyOptions::threshold() const { return chunk ? residual : residual + group_size; }
int KiviKeyOptions::coded_in_prefix(int rows) const {
  return std::max(rows - threshold() + step(), 0) / step() * step();
}

namespace {

/// Groups are handed out one at a time: a block of 16 would be 512 tokens.
constexpr int group_granule = 1;
constexpr uint32_t all_live = 0xffffffffU;

template <int bits>
class KiviKeyStore final : public RowStore {
 public:
  using Group = KiviKeyGroup<bits>;

  KiviKeyStore(const KiviKeyOptions& options, int head_size, AllocationCounter& counter)
      : options_(options),
        width_(static_cast<size_t>(head_size)),
        groups_(Group::bytes(width_), counter, group_granule),
        marks_(sizeof(uint32_t), counter),
        residual_(head_size, counter) {}

  std::unique_ptr<RowStore> clone() const override { return std::make_unique<KiviKeyStore>(*this); }

  void reserve(int prefix_rows) override {
    prefix_coded_ = options_.coded_in_prefix(prefix_rows);
    groups_.reserve(prefix_coded_ / group_size);
    residual_.reserve(prefix_rows - prefix_coded_);
  }

  void append(const float* row) override {
    if (in_prefix_) {
      append_to_prefix(row);
    } else if (options_.prefix_only) {
      residual_.add_exact(row);
    } else {
      residual_.add_half(row);
      age();
    }
  }

  void append_rows(const SourceRows& source, int first, int count) override {
    std::vector<float> buffer;
    for (int i = first; i < first + count; ++i) {
      append(row_as_floats(source, i, static_cast<int>(width_), buffer));
    }
  }

  void end_prefix() override {
    if (live_ != prefix_coded_) throw std::logic_error("KiviKeyStore::end_prefix: fewer rows than reserved");
    in_prefix_ = false;
    staged_ = {};
  }

  void remove(int slot, int filler) override {
    if (filler != slot) throw std::logic_error("KiviKeyStore::remove: groups of tokens need the order kept");
    if (slot >= live_) {
      residual_.remove(slot - live_);
      return;
    }
    const Place place = place_of(slot);
    if (marks_.rows() == 0) {
      for (int i = 0; i < groups_.rows(); ++i) set_mark(marks_.add(), all_live);
    }
    set_mark(marks_.row(place.group), mark(place.group) & ~(1U << place.token));
    --live_;
    const int slots = groups_.rows() * group_size;
    if (4 * (slots - live_) >= slots) compact();
  }
  int unordered_rows() const override { return 0; }
  /// Under the variant prefix only when rows are removed.
  bool ages() const override { return true; }
  int rows() const override { return live_ + residual_.rows(); }

  void read(int slot, float* out) const override {
    if (slot >= live_) {
      residual_.read(slot - live_, out);
      return;
    }
    const Place place = place_of(slot);
    Group::decode(groups_.row(place.group), width_, place.token, out);
  }
  void read_all(float* out) const override { residual_.read_all(decode_live(0, out)); }

  /// Groups with dead slots are read decoded.
  std::optional<RowSegments> kernel_rows() const override {
    if (marks_.rows() > 0) return std::nullopt;
    RowSegments segments;
    if (live_ > 0)
      segments.add({bits == 4 ? RowFormat::kivi4_keys : RowFormat::kivi2_keys, groups_.row(0),
                    Group::bytes(width_), live_});
    residual_.add_segments(segments);
    return segments;
  }

  RowBytes bytes() const override {
    const auto groups = static_cast<size_t>(groups_.rows());
    RowBytes bytes;
    bytes.payload = groups * Group::code_bytes(width_);
    bytes.scales = groups * Group::scale_bytes(width_) + marks_.used();
    bytes.residual = residual_.used();
    bytes.allocated = groups_.allocated() + marks_.allocated() + residual_.allocated();
    return bytes;
  }

 private:
  struct Place {
    int group = 0;
    unsigned token = 0;
  };

  static void set_mark(std::byte* at, uint32_t live) { std::memcpy(at, &live, sizeof(live)); }
  /// Bit t: the group's token t is live.
  uint32_t mark(int group) const {
    if (marks_.rows() == 0) return all_live;
    uint32_t live = 0;
    std::memcpy(&live, marks_.row(group), sizeof(live));
    return live;
  }
  Place place_of(int slot) const {
    if (marks_.rows() == 0) return {slot / group_size, static_cast<unsigned>(slot % group_size)};
    Place place;
    for (int in_group = std::popcount(mark(0)); slot >= in_group;
         in_group = std::popcount(mark(place.group))) {
      slot -= in_group;
      ++place.group;
    }
    uint32_t live = mark(place.group);
    for (; slot > 0; --slot) live &= live - 1;
    place.token = static_cast<unsigned>(std::countr_zero(live));
    return place;
  }

  void append_to_prefix(const float* row) {
    if (live_ == prefix_coded_) {
      residual_.add_half(row);
      return;
    }
    // Coded from the exact values, which wait here for their group to fill.
    staged_.insert(staged_.end(), row, row + width_);
    if (staged_.size() < group_size * width_) return;
    add_group(staged_.data());
    staged_.clear();
  }

  /// rows: [32, head_size].
  void add_group(const float* rows) {
    Group::encode(rows, width_, groups_.add());
    if (marks_.rows() > 0) set_mark(marks_.add(), all_live);
    live_ += group_size;
  }

  void age() {
    std::vector<float> rows;
    while (residual_.halves() >= options_.threshold()) {
      rows.resize(static_cast<size_t>(options_.step()) * width_);
      residual_.take_front(options_.step(), rows.data());
      for (size_t first = 0; first < rows.size(); first += group_size * width_)
        add_group(rows.data() + first);
    }
  }

  /// Decodes the live rows of the groups from first_group on; returns where they end.
  float* decode_live(int first_group, float* out) const {
    std::vector<float> decoded;
    for (int group = first_group; group < groups_.rows(); ++group) {
      const uint32_t live = mark(group);
      if (live == all_live) {
        Group::decode(groups_.row(group), width_, out);
        out += group_size * width_;
        continue;
      }
      decoded.resize(group_size * width_);
      Group::decode(groups_.row(group), width_, decoded.data());
      for (size_t t = 0; t < group_size; ++t) {
        if ((live >> t & 1U) == 0) continue;
        out = std::copy_n(decoded.data() + t * width_, width_, out);
      }
    }
    return out;
  }

  void compact() {
    int first = 0;
    while (mark(first) == all_live) ++first;
    const int rows = live_ - first * group_size;
    std::vector<float> decoded(static_cast<size_t>(rows) * width_);
    decode_live(first, decoded.data());
    groups_.truncate(first);
    marks_.truncate(0);
    live_ = first * group_size;
    const int whole = rows / group_size * group_size;
    for (int row = 0; row < whole; row += group_size)
      add_group(decoded.data() + static_cast<size_t>(row) * width_);
    residual_.add_front(decoded.data() + static_cast<size_t>(whole) * width_, rows - whole);
    if (!options_.prefix_only) age();
  }

  KiviKeyOptions options_;
  size_t width_;
  int prefix_coded_ = 0;
  bool in_prefix_ = true;
  int live_ = 0;               // coded rows that are not dead
  std::vector<float> staged_;  // [fewer than 32, head_size], empty outside the prefix
  RowBuffer groups_;
  RowBuffer marks_;  // uint32 a group while there are dead slots, else empty
  ResidualRows residual_;
};

}  // namespace

std::unique_ptr<RowStore> make_kivi_key_store(int bits, const KiviKeyOptions& options, int head_size,
                                              AllocationCounter& counter) {
  if (bits == 4) return std::make_unique<KiviKeyStore<4>>(options, head_size, counter);
  if (bits == 2) return std::make_unique<KiviKeyStore<2>>(options, head_size, counter);
  throw std::logic_error("make_kivi_key_store: 4 or 2 bits");
}

size_t kivi_key_store_bytes(int bits, const KiviKeyOptions& options, int rows, int head_size) {
  const auto width = static_cast<size_t>(head_size);
  const int coded = options.coded_in_prefix(rows);
  const size_t group_bytes = bits == 4 ? KiviKeyGroup<4>::bytes(width) : KiviKeyGroup<2>::bytes(width);
  return RowBuffer::reserved_bytes(coded / group_size, group_bytes, group_granule) +
         ResidualRows::reserved_bytes(rows - coded, head_size);
}

}  // namespace razorscope
