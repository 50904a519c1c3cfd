#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "policies/kernels/row_format.hpp"
#include "policies/kernels/source_rows.hpp"

namespace razorscope {

/// Bytes of a store by purpose; `allocated` is what came from the allocator, at least the sum of the others.
struct RowBytes {
  size_t payload = 0;   // codes
  size_t scales = 0;    // scales, zeros and minima, and marks of dead slots
  size_t residual = 0;  // rows that are not (yet) coded
  size_t allocated = 0;

  size_t logical() const { return payload + scales + residual; }
};

/// Bits that an element of K and V takes in the mean over `rows` tokens, scales and residual windows
/// included.
inline double effective_bits(const RowBytes& keys, const RowBytes& values, int rows, int head_size) {
  return 8.0 * static_cast<double>(keys.logical() + values.logical()) / (2.0 * rows * head_size);
}

/// The keys or the values of one KV head, coded: rows in slots 0 .. rows() - 1.
///
/// Contract. First `reserve` with the number of rows that the prefix leaves, then `calibrate` with each of
/// them where wants_calibration(), then `append` each in order, then `end_prefix`; after that append and
/// remove as decoding goes on. What a row reads back as may change, when later rows arrive (a residual window
/// ages) or others are removed (KIVI's groups are coded anew), only where ages() says so. Not shared by
/// threads.
class RowStore {
 public:
  virtual ~RowStore() = default;
  /// A copy that goes its own way, under the same counter.
  virtual std::unique_ptr<RowStore> clone() const = 0;
  virtual void reserve(int prefix_rows) = 0;
  virtual bool wants_calibration() const { return false; }
  virtual void calibrate(const float* /*row*/) {}
  virtual void append(const float* row) = 0;
  /// Appends rows first .. first + count - 1 of the source: the same as one by one, only faster.
  virtual void append_rows(const SourceRows& source, int first, int count) = 0;
  virtual void end_prefix() {}
  /// Removes a row: the one at `filler` takes its slot, and the rows behind filler move up by one. filler is
  /// either slot, so that the order of the others stays, or behind it and below unordered_rows().
  virtual void remove(int slot, int filler) = 0;
  /// Leading slots whose order is free.
  virtual int unordered_rows() const = 0;
  virtual bool ages() const { return false; }

  virtual int rows() const = 0;
  virtual void read(int slot, float* out) const = 0;
  /// All rows in slot order: [rows(), head_size].
  virtual void read_all(float* out) const = 0;
  /// The rows as they lie, where kernels can read them so.
  virtual std::optional<RowSegments> kernel_rows() const = 0;
  virtual RowBytes bytes() const = 0;
};

}  // namespace razorscope
