#pragma once

#include <cstddef>
#include <memory>

#include "models/base/buffer.hpp"
#include "models/language/compute.hpp"

namespace razorscope {

/// What becomes of a product before it is written, elementwise: p is the product.
enum class Epilogue {
  none,   // y = p
  add,    // y = y + p
  silu,   // y = p / (1 + exp(-p))
  gelu,   // y = p·(1 + erf(p / sqrt(2))) / 2, the exact form (Hendrycks and Gimpel 2016)
  times,  // y = p·factor
};

/// A weight matrix w: [outputs, inputs], kept in the blocked order and the type that oneDNN's products read
/// fastest. Immutable, so products may run at the same time on several threads.
class PackedWeights {
 public:
  PackedWeights();
  /// Packs once; `w` may go afterwards.
  PackedWeights(const Matrix& w, Compute compute);
  PackedWeights(PackedWeights&&) noexcept;
  PackedWeights& operator=(PackedWeights&&) noexcept;
  ~PackedWeights();

  size_t rows() const { return rows_; }        // outputs
  size_t columns() const { return columns_; }  // inputs
  bool empty() const { return rows_ == 0; }

  /// y = x · wᵀ with an epilogue, by OpenMP's threads. x: [rows, columns()], y and (for `times`) factor:
  /// [rows, this->rows()], all row-major, contiguous and apart. A row's result depends neither on how many
  /// rows there are nor on the number of threads (with AVX-512; below it, only not on the threads).
  void multiply(const float* x, size_t rows, float* y, Epilogue epilogue = Epilogue::none,
                const float* factor = nullptr) const;

  /// The matrix as the products see it: w itself under f32, rounded under bf16.
  Matrix unpacked() const;

 private:
  struct Packed;

  size_t rows_ = 0;
  size_t columns_ = 0;
  Compute compute_ = Compute::f32;
  std::unique_ptr<const Packed> packed_;
};

}  // namespace razorscope
