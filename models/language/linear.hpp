#pragma once

#include <cstddef>

#include "models/base/buffer.hpp"

namespace razorscope {

/// y = x · wᵀ, in f32 by oneDNN. x: [rows, w.columns], y: [rows, w.rows], row-major and contiguous.
void multiply(const float* x, size_t rows, const Matrix& w, float* y);

/// Strided forms, all row-major: c[m, n] = alpha · a[m, k] · b[n, k]ᵀ, and c[m, n] = a[m, k] · b[k, n].
/// lda, ldb and ldc are floats from one row to the next.
void multiply_transposed(size_t m, size_t n, size_t k, float alpha, const float* a, size_t lda,
                         const float* b, size_t ldb, float* c, size_t ldc);
void multiply_plain(size_t m, size_t n, size_t k, const float* a, size_t lda, const float* b, size_t ldb,
                    float* c, size_t ldc);

}  // namespace razorscope
