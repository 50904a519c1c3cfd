#pragma once

#include <cstddef>

namespace razorscope {

/// Where the bytes of a cache are. Sums over heads and layers are sums of the fields.
struct ByteLedger {
  // Logical: what is stored.
  size_t keys = 0;          // codes of K
  size_t values = 0;        // codes of V
  size_t scales = 0;        // of both: scales, zeros, minima
  size_t residual = 0;      // of both: rows that are not (yet) coded
  size_t compensation = 0;  // slots: two f32 rows and the logarithm of their weight, and what a variant adds
  size_t positions = 0;     // 4 bytes a slot, where a head no longer holds 0 .. n-1
  size_t scores = 0;        // 4 bytes a slot, where a selection accumulates scores
  // Physical, beyond that: spare slots of the last 16-token block, and alignment.
  size_t padding = 0;
  // The formula of papers: (kept tokens + compensation slots) · 2·d · codec bits / 8.
  double nominal = 0.0;

  /// What attention reads: all but the slots' bookkeeping.
  size_t rows() const { return keys + values + scales + residual + compensation; }
  size_t logical() const { return rows() + positions + scores; }
  size_t physical() const { return logical() + padding; }

  ByteLedger& operator+=(const ByteLedger& other) {
    keys += other.keys;
    values += other.values;
    scales += other.scales;
    residual += other.residual;
    compensation += other.compensation;
    positions += other.positions;
    scores += other.scores;
    padding += other.padding;
    nominal += other.nominal;
    return *this;
  }
};

}  // namespace razorscope
