#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "policies/codecs/codec.hpp"

namespace razorscope {

/// A format that codes each row by itself: [head_size] floats to row_bytes(head_size) bytes and back.
/// Immutable.
class RowFormatCodec {
 public:
  virtual ~RowFormatCodec() = default;
  virtual size_t row_bytes(int head_size) const = 0;
  /// Of them, scales, zeros and minima.
  virtual size_t scale_bytes(int /*head_size*/) const { return 0; }
  /// `head_scale` is amax / full_scale() of the head's prefix rows, or 1 where that is 0 or the format has no
  /// full_scale.
  virtual void encode(const float* row, int head_size, float head_scale, std::byte* out) const = 0;
  /// `rows` rows that lie one behind the other, to out[rows, head_size].
  virtual void decode(const std::byte* stored, int rows, int head_size, float head_scale,
                      float* out) const = 0;
  /// The largest magnitude that a format with one scale per head can hold; 0: it has none.
  virtual float full_scale() const { return 0.0F; }
  /// What kernels call it; nullopt where they don't know it.
  virtual std::optional<RowFormat> kernel_format() const { return std::nullopt; }
};

/// What all row codecs have in common, beside their format.
struct RowStoreOptions {
  int residual = 0;  // the latest rows that stay in f16 and are coded as they age
  bool prefix_only =
      false;            // variant prefix: decoded rows stay exact, and the residual is the prefix's last rows
  bool rotate = false;  // Hadamard transform before coding; rows in the residual are as they came
};

/// A store of a row format: coded rows first, then the residual in f16, then exact rows in f32 (variant
/// prefix). `format` and `counter` must outlive it.
std::unique_ptr<RowStore> make_row_store(const RowFormatCodec& format, const RowStoreOptions& options,
                                         int head_size, AllocationCounter& counter);
/// RowBytes::allocated of such a store once a prefix of `rows` rows is in.
size_t row_store_bytes(const RowFormatCodec& format, const RowStoreOptions& options, int rows, int head_size);

/// A codec made of a row format.
class RowCodec final : public Codec {
 public:
  RowCodec(std::unique_ptr<const RowFormatCodec> format, const RowStoreOptions& options)
      : format_(std::move(format)), options_(options) {}

  std::unique_ptr<RowStore> make_store(int head_size, RowRole /*role*/,
                                       AllocationCounter& counter) const override {
    return make_row_store(*format_, options_, head_size, counter);
  }
  double bits_per_element(int head_size) const override {
    return 8.0 * static_cast<double>(format_->row_bytes(head_size)) / head_size;
  }
  int residual_rows(int rows, int prefix_rows, RowRole /*role*/) const override {
    return options_.prefix_only ? std::min(options_.residual, prefix_rows) + rows - prefix_rows
                                : std::min(options_.residual, rows);
  }
  bool exact_after_prefix() const override { return options_.prefix_only; }
  size_t allocated_bytes(int rows, int head_size, RowRole /*role*/) const override {
    return row_store_bytes(*format_, options_, rows, head_size);
  }
  const RowFormatCodec& format() const { return *format_; }

 private:
  std::unique_ptr<const RowFormatCodec> format_;
  RowStoreOptions options_;
};

/// The parameters `residual` (default: none) and `rotate`, and what a set of values and variants means.
std::vector<Parameter> row_store_parameters();
RowStoreOptions row_store_options(const std::vector<std::string>& variants, const ParameterValues& values);

/// The declaration of a codec of Format with the variant `prefix` and these parameters.
template <class Format>
CodecEntry row_codec_entry(std::string name, std::string help) {
  return {std::move(name),
          std::move(help),
          {"prefix"},
          row_store_parameters(),
          [](const std::vector<std::string>& variants, const ParameterValues& values) {
            return std::make_unique<RowCodec>(std::make_unique<Format>(),
                                              row_store_options(variants, values));
          }};
}

}  // namespace razorscope
