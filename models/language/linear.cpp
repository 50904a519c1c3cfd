#include "models/language/linear.hpp"

#include <dnnl.h>
#include <stdexcept>

#include "models/language/onednn.hpp"

namespace razorscope {
namespace {

void sgemm(char transpose_b, size_t m, size_t n, size_t k, float alpha, const float* a, size_t lda,
           const float* b, size_t ldb, float* c, size_t ldc) {
  prepare_onednn();
  const auto size = [](size_t x) { return static_cast<dnnl_dim_t>(x); };
  const dnnl_status_t status = dnnl_sgemm('N', transpose_b, size(m), size(n), size(k), alpha, a, size(lda), b,
                                          size(ldb), 0.0F, c, size(ldc));
  if (status != dnnl_success) throw std::runtime_error("oneDNN's matrix product failed");
}

}  // namespace

void multiply(const float* x, size_t rows, const Matrix& w, float* y) {
  sgemm('T', rows, w.rows, w.columns, 1.0F, x, w.columns, w.data(), w.columns, y, w.rows);
}

void multiply_transposed(size_t m, size_t n, size_t k, float alpha, const float* a, size_t lda,
                         const float* b, size_t ldb, float* c, size_t ldc) {
  sgemm('T', m, n, k, alpha, a, lda, b, ldb, c, ldc);
}

void multiply_plain(size_t m, size_t n, size_t k, const float* a, size_t lda, const float* b, size_t ldb,
                    float* c, size_t ldc) {
  sgemm('N', m, n, k, 1.0F, a, lda, b, ldb, c, ldc);
}

}  // namespace razorscope
