#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "policies/codecs/residual_rows.hpp"
#include "policies/codecs/row_buffer.hpp"
#include "policies/codecs/row_codec.hpp"
#include "policies/kernels/hadamard.hpp"
#include "policies/kernels/row_sums.hpp"

namespace razorscope {
namespace {

/// Rows of the prefix that are coded; the others are its residual.
int coded_in_prefix(const RowStoreOptions& options, int rows) { return std::max(rows - options.residual, 0); }

bool has_head_scale(const RowFormatCodec& format) { return format.full_scale() > 0.0F; }

class FormatStore final : public RowStore {
 public:
  FormatStore(const RowFormatCodec& format, const RowStoreOptions& options, int head_size,
              AllocationCounter& counter)
      : format_(format),
        options_(options),
        head_size_(head_size),
        width_(static_cast<size_t>(head_size)),
        head_scale_(has_head_scale(format) ? sizeof(float) : 0, counter),
        coded_(format.row_bytes(head_size), counter),
        residual_(head_size, counter) {
    if (has_head_scale(format)) *head_scale_.as<float>() = 1.0F;
  }

  std::unique_ptr<RowStore> clone() const override { return std::make_unique<FormatStore>(*this); }

  void reserve(int prefix_rows) override {
    prefix_coded_ = coded_in_prefix(options_, prefix_rows);
    coded_.reserve(prefix_coded_);
    residual_.reserve(prefix_rows - prefix_coded_);
  }

  bool wants_calibration() const override { return has_head_scale(format_); }
  void calibrate(const float* row) override {
    const std::vector<float> values = rotated(row);
    for (const float x : values) largest_ = std::max(largest_, std::abs(x));
    const float scale = largest_ / format_.full_scale();
    if (scale > 0.0F) *head_scale_.as<float>() = scale;
  }

  void append(const float* row) override {
    if (in_prefix_) {
      // Coded from the exact value: the residual's rounding comes only to rows that age in it.
      if (coded_.rows() < prefix_coded_) {
        code(row);
      } else {
        residual_.add_half(row);
      }
    } else if (options_.prefix_only) {
      residual_.add_exact(row);
    } else if (options_.residual == 0) {
      code(row);
    } else {
      if (residual_.halves() == options_.residual) {
        std::vector<float> oldest(width_);
        residual_.take_front(1, oldest.data());
        code(oldest.data());
      }
      residual_.add_half(row);
    }
  }

  void append_rows(const SourceRows& source, int first, int count) override {
    const int end = first + count;
    if (in_prefix_ && source.format == RowFormat::f16) {
      if (format_.kernel_format() == RowFormat::f16 && !options_.rotate) {
        const int copied = std::min(count, prefix_coded_ - coded_.rows());
        copy(source.from(first), copied);
        first += copied;
      }
      for (; first < end && coded_.rows() == prefix_coded_; ++first)
        residual_.add_stored_half(source.row(first));
    }
    std::vector<float> buffer;
    for (; first < end; ++first) append(row_as_floats(source, first, head_size_, buffer));
  }

  void end_prefix() override { in_prefix_ = false; }

  void remove(int slot, int filler) override {
    if (slot < coded_.rows()) {
      coded_.remove(slot, filler);
    } else {
      residual_.remove(slot - coded_.rows());
    }
  }
  int unordered_rows() const override { return coded_.rows(); }
  bool ages() const override { return options_.residual > 0 && !options_.prefix_only; }
  int rows() const override { return coded_.rows() + residual_.rows(); }

  void read(int slot, float* out) const override {
    if (slot < coded_.rows()) {
      decode(slot, 1, out);
    } else {
      residual_.read(slot - coded_.rows(), out);
    }
  }
  void read_all(float* out) const override {
    decode(0, coded_.rows(), out);
    residual_.read_all(out + static_cast<size_t>(coded_.rows()) * width_);
  }

  std::optional<RowSegments> kernel_rows() const override {
    const std::optional<RowFormat> format = format_.kernel_format();
    if (!format) return std::nullopt;
    RowSegments segments;
    segments.add({*format, coded_.row(0), coded_.row_bytes(), coded_.rows(), head_scale(), options_.rotate});
    residual_.add_segments(segments);
    return segments;
  }

  RowBytes bytes() const override {
    const size_t row_scales = static_cast<size_t>(coded_.rows()) * format_.scale_bytes(head_size_);
    RowBytes bytes;
    bytes.scales = row_scales + (has_head_scale(format_) ? sizeof(float) : 0);
    bytes.payload = coded_.used() - row_scales;
    bytes.residual = residual_.used();
    bytes.allocated = head_scale_.allocated() + coded_.allocated() + residual_.allocated();
    return bytes;
  }

 private:
  std::vector<float> rotated(const float* row) const {
    std::vector<float> values(row, row + width_);
    if (options_.rotate) hadamard(values.data(), head_size_);
    return values;
  }
  float head_scale() const { return has_head_scale(format_) ? *head_scale_.as<float>() : 1.0F; }
  /// Rows that lie in the source as they will here.
  void copy(const SourceRows& source, int count) {
    if (count <= 0) return;
    std::byte* to = coded_.add(count);
    if (source.stride == coded_.row_bytes()) {
      std::memcpy(to, source.data, static_cast<size_t>(count) * source.stride);
      return;
    }
    for (int i = 0; i < count; ++i, to += coded_.row_bytes())
      std::memcpy(to, source.row(i), coded_.row_bytes());
  }
  void code(const float* row) {
    if (options_.rotate) {
      format_.encode(rotated(row).data(), head_size_, head_scale(), coded_.add());
    } else {
      format_.encode(row, head_size_, head_scale(), coded_.add());
    }
  }
  void decode(int slot, int count, float* out) const {
    if (count == 0) return;
    format_.decode(coded_.row(slot), count, head_size_, head_scale(), out);
    if (!options_.rotate) return;
    for (int i = 0; i < count; ++i) hadamard(out + static_cast<size_t>(i) * width_, head_size_);
  }

  const RowFormatCodec& format_;
  RowStoreOptions options_;
  int head_size_;
  size_t width_;
  int prefix_coded_ = 0;
  bool in_prefix_ = true;
  float largest_ = 0.0F;    // magnitude seen by calibrate
  CacheBuffer head_scale_;  // f32, only for formats that have one
  RowBuffer coded_;
  ResidualRows residual_;
};

}  // namespace

std::unique_ptr<RowStore> make_row_store(const RowFormatCodec& format, const RowStoreOptions& options,
                                         int head_size, AllocationCounter& counter) {
  return std::make_unique<FormatStore>(format, options, head_size, counter);
}

size_t row_store_bytes(const RowFormatCodec& format, const RowStoreOptions& options, int rows,
                       int head_size) {
  const int coded = coded_in_prefix(options, rows);
  return CacheBuffer::block_size(has_head_scale(format) ? sizeof(float) : 0) +
         RowBuffer::reserved_bytes(coded, format.row_bytes(head_size)) +
         ResidualRows::reserved_bytes(rows - coded, head_size);
}

std::vector<Parameter> row_store_parameters() {
  return {
      {.name = "residual",
       .fallback = "0",
       .help = "latest tokens that stay in f16 and are coded as they age"},
      {.name = "rotate",
       .kind = ParameterKind::choice,
       .fallback = "no",
       .help = "Hadamard transform over the head's channels before coding",
       .choices = {"no", "yes"}},
  };
}

RowStoreOptions row_store_options(const std::vector<std::string>& variants, const ParameterValues& values) {
  RowStoreOptions options;
  options.prefix_only = std::find(variants.begin(), variants.end(), "prefix") != variants.end();
  if (values.has("residual")) options.residual = values.integer("residual");
  options.rotate = values.has("rotate") && values.text("rotate") == "yes";
  return options;
}

}  // namespace razorscope
