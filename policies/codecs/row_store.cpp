#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "models/base/half.hpp"
#include "policies/codecs/row_codec.hpp"

namespace razorscope {
namespace {

/// Rows of one size in one buffer that grows by whole blocks of tokens.
class RowBuffer {
 public:
  RowBuffer(size_t row_bytes, AllocationCounter& counter) : row_bytes_(row_bytes), counter_(&counter) {}

  void reserve(int rows) {
    if (rows <= capacity_) return;
    capacity_ = rounded_capacity(rows);
    buffer_.resize(static_cast<size_t>(capacity_) * row_bytes_, used(), *counter_);
  }
  std::byte* add() {
    // One more block at a time while small, then an eighth more, so that appending stays linear.
    if (rows_ == capacity_) reserve(capacity_ + std::max(block_tokens, capacity_ / 8));
    return row(rows_++);
  }
  void remove(int slot, bool keep_order) {
    const int last = --rows_;
    if (slot == last) return;
    if (keep_order) {
      std::memmove(row(slot), row(slot + 1), static_cast<size_t>(last - slot) * row_bytes_);
    } else {
      std::memcpy(row(slot), row(last), row_bytes_);
    }
  }
  std::byte* row(int slot) { return buffer_.data() + static_cast<size_t>(slot) * row_bytes_; }
  const std::byte* row(int slot) const { return buffer_.data() + static_cast<size_t>(slot) * row_bytes_; }
  int rows() const { return rows_; }
  size_t used() const { return static_cast<size_t>(rows_) * row_bytes_; }
  size_t allocated() const { return buffer_.allocated(); }
  size_t row_bytes() const { return row_bytes_; }

 private:
  size_t row_bytes_;
  AllocationCounter* counter_;
  CacheBuffer buffer_;
  int rows_ = 0;
  int capacity_ = 0;
};

class FormatStore final : public RowStore {
 public:
  FormatStore(const RowFormatCodec& format, const RowStoreOptions& options, int head_size, AllocationCounter& counter)
      : format_(format),
        options_(options),
        head_size_(head_size),
        width_(static_cast<size_t>(head_size)),
        coded_(format.row_bytes(head_size), counter),
        residual_(width_ * sizeof(uint16_t), counter),
        exact_(width_ * sizeof(float), counter) {}

  void reserve(int prefix_rows) override {
    prefix_rows_ = prefix_rows;
    const int uncoded = std::min(options_.residual, prefix_rows);
    coded_.reserve(prefix_rows - uncoded);
    residual_.reserve(uncoded);
  }

  bool wants_calibration() const override { return format_.full_scale() > 0.0F; }
  void calibrate(const float* row) override {
    std::vector<float> rotated(row, row + width_);
    if (options_.rotate) hadamard(rotated.data(), head_size_);
    for (const float x : rotated) head_scale_ = std::max(head_scale_, std::abs(x) / format_.full_scale());
    calibrated_ = true;
  }

  void append(const float* row) override {
    if (in_prefix_) {
      // Coded from the exact value: the residual's rounding comes only to rows that age in it.
      if (coded_.rows() < prefix_rows_ - options_.residual) {
        code(row);
      } else {
        store_half(row, width_, residual_.add());
      }
      return;
    }
    if (options_.prefix_only) {
      std::memcpy(exact_.add(), row, width_ * sizeof(float));
      return;
    }
    if (options_.residual == 0) {
      code(row);
      return;
    }
    store_half(row, width_, residual_.add());
    if (residual_.rows() <= options_.residual) return;
    std::vector<float> oldest(width_);
    load_half(residual_.row(0), width_, oldest.data());
    residual_.remove(0, true);
    code(oldest.data());
  }

  void end_prefix() override { in_prefix_ = false; }

  void remove(int slot, bool keep_order) override {
    if (slot < coded_.rows()) {
      coded_.remove(slot, keep_order);
    } else if (slot < coded_.rows() + residual_.rows()) {
      residual_.remove(slot - coded_.rows(), keep_order);
    } else {
      exact_.remove(slot - coded_.rows() - residual_.rows(), keep_order);
    }
  }
  bool needs_order() const override { return options_.residual > 0 || options_.prefix_only; }
  bool ages() const override { return options_.residual > 0 && !options_.prefix_only; }
  int rows() const override { return coded_.rows() + residual_.rows() + exact_.rows(); }

  void read(int slot, float* out) const override {
    if (slot < coded_.rows()) {
      format_.decode(coded_.row(slot), head_size_, head_scale_, out);
      if (options_.rotate) hadamard(out, head_size_);
      return;
    }
    slot -= coded_.rows();
    if (slot < residual_.rows()) {
      load_half(residual_.row(slot), width_, out);
      return;
    }
    std::memcpy(out, exact_.row(slot - residual_.rows()), width_ * sizeof(float));
  }
  void read_all(float* out) const override {
    for (int slot = 0; slot < rows(); ++slot) read(slot, out + static_cast<size_t>(slot) * width_);
  }

  std::optional<RawRows> raw() const override {
    const std::optional<RowFormat> format = format_.kernel_format();
    if (!format || residual_.rows() + exact_.rows() > 0 || options_.rotate) return std::nullopt;
    return RawRows{*format, coded_.row(0), coded_.row_bytes()};
  }

  RowBytes bytes() const override {
    RowBytes bytes;
    bytes.scales = static_cast<size_t>(coded_.rows()) * format_.scale_bytes(head_size_) + (calibrated_ ? sizeof(float) : 0);
    bytes.payload = coded_.used() - static_cast<size_t>(coded_.rows()) * format_.scale_bytes(head_size_);
    bytes.residual = residual_.used() + exact_.used();
    bytes.allocated = coded_.allocated() + residual_.allocated() + exact_.allocated() + (calibrated_ ? sizeof(float) : 0);
    return bytes;
  }

 private:
  void code(const float* row) {
    if (!options_.rotate) {
      format_.encode(row, head_size_, head_scale_, coded_.add());
      return;
    }
    std::vector<float> rotated(row, row + width_);
    hadamard(rotated.data(), head_size_);
    format_.encode(rotated.data(), head_size_, head_scale_, coded_.add());
  }

  const RowFormatCodec& format_;
  RowStoreOptions options_;
  int head_size_;
  size_t width_;
  int prefix_rows_ = 0;
  bool in_prefix_ = true;
  bool calibrated_ = false;
  float head_scale_ = 0.0F;
  RowBuffer coded_;
  RowBuffer residual_;
  RowBuffer exact_;
};

}  // namespace

std::unique_ptr<RowStore> make_row_store(const RowFormatCodec& format, const RowStoreOptions& options, int head_size,
                                         AllocationCounter& counter) {
  return std::make_unique<FormatStore>(format, options, head_size, counter);
}

size_t RowCodec::allocated_bytes(int rows, int head_size, RowRole /*role*/) const {
  const int uncoded = std::min(options_.residual, rows);
  const auto capacity = [](int count) { return static_cast<size_t>(rounded_capacity(count)); };
  return CacheBuffer::block_size(capacity(rows - uncoded) * format_->row_bytes(head_size)) +
         CacheBuffer::block_size(capacity(uncoded) * static_cast<size_t>(head_size) * sizeof(uint16_t)) +
         (format_->full_scale() > 0.0F ? sizeof(float) : 0);
}

std::vector<Parameter> row_store_parameters() {
  return {
      {.name = "residual", .fallback = "0", .help = "latest tokens that stay in f16 and are coded as they age"},
      {.name = "rotate", .kind = ParameterKind::choice, .fallback = "no",
       .help = "Hadamard transform over the head's channels before coding", .choices = {"no", "yes"}},
  };
}

RowStoreOptions row_store_options(const std::vector<std::string>& variants, const ParameterValues& values) {
  RowStoreOptions options;
  options.prefix_only = std::find(variants.begin(), variants.end(), "prefix") != variants.end();
  if (values.has("residual")) options.residual = values.integer("residual");
  options.rotate = values.has("rotate") && values.text("rotate") == "yes";
  return options;
}

void hadamard(float* row, int head_size) {
  const int block = head_size & -head_size;  // the largest power of two that divides it
  const float scale = 1.0F / std::sqrt(static_cast<float>(block));
  for (int begin = 0; begin < head_size; begin += block) {
    float* x = row + begin;
    for (int half = 1; half < block; half *= 2) {
      for (int i = 0; i < block; i += 2 * half) {
        for (int j = i; j < i + half; ++j) {
          const float a = x[j];
          const float b = x[j + half];
          x[j] = a + b;
          x[j + half] = a - b;
        }
      }
    }
    for (int i = 0; i < block; ++i) x[i] *= scale;
  }
}

}  // namespace razorscope
