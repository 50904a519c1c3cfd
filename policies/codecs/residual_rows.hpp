#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "models/base/half.hpp"
#include "policies/codecs/ring_rows.hpp"
#include "policies/codecs/rounding.hpp"
#include "policies/kernels/row_format.hpp"

namespace razorscope {

/// What lies behind the coded rows of a store, in slot order: the residual window in f16, then exact rows in
/// f32. The counter must outlive it.
class ResidualRows {
 public:
  ResidualRows(int head_size, AllocationCounter& counter)
      : width_(static_cast<size_t>(head_size)),
        halves_(half_bytes(head_size), counter),
        exact_(width_ * sizeof(float), counter) {}

  /// What a new one takes from the allocator on reserve(halves).
  static size_t reserved_bytes(int halves, int head_size) {
    return RingRows::reserved_bytes(halves, half_bytes(head_size));
  }

  void reserve(int halves) { halves_.reserve(halves); }
  void add_half(const float* row) { store_half(row, width_, halves_.add()); }
  /// A row that is stored as halves already.
  void add_stored_half(const std::byte* row) { std::memcpy(halves_.add(), row, width_ * sizeof(uint16_t)); }
  void add_exact(const float* row) { std::memcpy(exact_.add(), row, width_ * sizeof(float)); }
  /// rows: [count, head_size], before all others.
  void add_front(const float* rows, int count) {
    if (count == 0) return;
    halves_.add_front(count);
    for (int i = 0; i < count; ++i)
      store_half(rows + static_cast<size_t>(i) * width_, width_, halves_.row(i));
  }
  /// Moves the first halves to out[count, head_size].
  void take_front(int count, float* out) {
    widen(0, count, out);
    halves_.remove_front(count);
  }
  /// The order of the others stays.
  void remove(int slot) {
    if (slot < halves_.rows()) {
      halves_.remove(slot);
    } else {
      exact_.remove(slot - halves_.rows());
    }
  }

  int halves() const { return halves_.rows(); }
  int rows() const { return halves_.rows() + exact_.rows(); }
  void read(int slot, float* out) const {
    if (slot < halves_.rows()) {
      widen(slot, 1, out);
    } else {
      std::memcpy(out, exact_.row(slot - halves_.rows()), width_ * sizeof(float));
    }
  }
  /// out: [rows(), head_size].
  void read_all(float* out) const {
    widen(0, halves(), out);
    out += static_cast<size_t>(halves_.rows()) * width_;
    for (int i = 0; i < exact_.rows(); ++i, out += width_)
      std::memcpy(out, exact_.row(i), width_ * sizeof(float));
  }
  /// Adds these rows to what kernels read.
  void add_segments(RowSegments& segments) const {
    add_ring(segments, RowFormat::f16, halves_);
    add_ring(segments, RowFormat::f32, exact_);
  }
  size_t used() const { return halves_.used() + exact_.used(); }
  size_t allocated() const { return halves_.allocated() + exact_.allocated(); }

 private:
  static size_t half_bytes(int head_size) { return static_cast<size_t>(head_size) * sizeof(uint16_t); }
  static void add_ring(RowSegments& segments, RowFormat format, const RingRows& rows) {
    const int unbroken = rows.unbroken();
    if (unbroken > 0) segments.add({format, rows.row(0), rows.row_bytes(), unbroken});
    if (unbroken < rows.rows())
      segments.add({format, rows.row(unbroken), rows.row_bytes(), rows.rows() - unbroken});
  }
  void widen(int slot, int count, float* out) const {
    for (int i = 0; i < count; ++i, out += width_) widen(halves_.row(slot + i), out);
  }
  /// load_half of models/base/half.hpp, in a loop that vectorises on any target.
  void widen(const std::byte* row, float* __restrict out) const {
    const auto* __restrict halves = reinterpret_cast<const uint16_t*>(row);
    for (size_t i = 0; i < width_; ++i) out[i] = half_to_float(halves[i]);
  }

  size_t width_;
  RingRows halves_;
  RingRows exact_;
};

}  // namespace razorscope
