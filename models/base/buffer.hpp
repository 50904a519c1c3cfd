#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

namespace razorscope {

/// Owned, 64-byte aligned, uninitialised floats. From 4 MiB on the kernel is asked for huge pages, which
/// streams of that size need to reach the memory's bandwidth.
class Floats {
 public:
  Floats() = default;
  explicit Floats(size_t count);

  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  float& operator[](size_t i) { return data_[i]; }
  float operator[](size_t i) const { return data_[i]; }

 private:
  struct Release {
    void operator()(float* address) const { std::free(address); }
  };
  std::unique_ptr<float[], Release> data_;
  size_t count_ = 0;
};

/// Row-major f32 matrix [rows, columns].
struct Matrix {
  Matrix() = default;
  Matrix(size_t row_count, size_t column_count)
      : rows(row_count), columns(column_count), values(row_count * column_count) {}

  float* row(size_t i) { return values.data() + i * columns; }
  const float* row(size_t i) const { return values.data() + i * columns; }
  float* data() { return values.data(); }
  const float* data() const { return values.data(); }
  bool empty() const { return values.empty(); }

  size_t rows = 0;
  size_t columns = 0;
  Floats values;
};

}  // namespace razorscope
