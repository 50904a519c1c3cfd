// Products with packed weights, against Eigen in double precision.
#include "models/language/packed_weights.hpp"

#include <Eigen/Dense>
#include <cmath>
#include <gtest/gtest.h>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "models/base/error.hpp"
#include "tests/support/omp_threads.hpp"

namespace razorscope {
namespace {

using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Matrix random_matrix(size_t rows, size_t columns, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Matrix matrix(rows, columns);
  for (size_t i = 0; i < rows * columns; ++i) matrix.data()[i] = normal(random);
  return matrix;
}

Rows in_double(const Matrix& matrix) {
  using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const Floats>(matrix.data(), static_cast<Eigen::Index>(matrix.rows),
                                  static_cast<Eigen::Index>(matrix.columns))
      .cast<double>();
}

Matrix product(const Matrix& x, const PackedWeights& w, Epilogue epilogue = Epilogue::none,
               const Matrix* factor = nullptr, float before = 0.0F) {
  Matrix y(x.rows, w.rows());
  for (size_t i = 0; i < y.rows * y.columns; ++i) y.data()[i] = before;
  w.multiply(x.data(), x.rows, y.data(), epilogue, factor == nullptr ? nullptr : factor->data());
  return y;
}

/// The largest difference, in units of the size that a sum of `inputs` normal products has.
double largest_error(const Matrix& y, const Rows& expected, size_t inputs) {
  return (in_double(y) - expected).cwiseAbs().maxCoeff() / std::sqrt(static_cast<double>(inputs));
}

bool same_bits(const Matrix& a, const Matrix& b) {
  return a.rows == b.rows && a.columns == b.columns &&
         std::equal(a.data(), a.data() + a.rows * a.columns, b.data());
}

bool runs_bf16() {
  try {
    compute_named("test", "bf16");
    return true;
  } catch (const InputError&) {
    return false;
  }
}

struct Size {
  size_t outputs;
  size_t inputs;
};
const std::vector<Size> sizes = {{1, 1}, {1, 7}, {37, 24}, {64, 64}, {65, 63}, {97, 130}, {200, 576}};
const std::vector<size_t> row_counts = {1, 2, 3, 7, 16, 31, 33, 64, 65, 129, 300, 513, 600};

TEST(PackedWeightsTest, MultiplyAsEigenDoes) {
  // Sums in f32: each of up to 576 additions rounds a sum of a few standard deviations, ulp 2^-23.
  constexpr double allowed_error = 5e-6;
  for (const auto& [outputs, inputs] : sizes) {
    const Matrix w = random_matrix(outputs, inputs, 1);
    const PackedWeights packed(w, Compute::f32);
    for (const size_t rows : row_counts) {
      const Matrix x = random_matrix(rows, inputs, 100 + static_cast<uint32_t>(rows));
      EXPECT_LE(largest_error(product(x, packed), in_double(x) * in_double(w).transpose(), inputs),
                allowed_error)
          << rows << " rows, " << outputs << " x " << inputs;
    }
  }
}

TEST(PackedWeightsTest, MultiplyRoundedInputsInBf16) {
  if (!runs_bf16()) GTEST_SKIP() << "this processor has no bf16 instructions";
  // Weights and inputs are rounded to 8 bits: each product is off by 2^-8 of it at most, by 0.16 % in the
  // mean square, and so are sums of many; the worst of 120000 sums by some ten times that.
  constexpr double allowed_error = 0.02;
  for (const auto& [outputs, inputs] : sizes) {
    const Matrix w = random_matrix(outputs, inputs, 2);
    const PackedWeights packed(w, Compute::bf16);
    for (const size_t rows : row_counts) {
      const Matrix x = random_matrix(rows, inputs, 100 + static_cast<uint32_t>(rows));
      const Matrix y = product(x, packed);
      if (inputs >= 24) {
        EXPECT_LE(largest_error(y, in_double(x) * in_double(w).transpose(), inputs), allowed_error)
            << rows << " rows, " << outputs << " x " << inputs;
      }
      // With the weights as they were rounded and inputs that need no rounding, only sums in f32 are left.
      Matrix exact = random_matrix(rows, inputs, 3);
      for (size_t i = 0; i < rows * inputs; ++i)
        exact.data()[i] = std::round(16.0F * exact.data()[i]) / 16.0F;
      EXPECT_LE(largest_error(product(exact, packed),
                              in_double(exact) * in_double(packed.unpacked()).transpose(), inputs),
                5e-6);
    }
  }
}

TEST(PackedWeightsTest, UnpackToWhatTheyWerePackedFrom) {
  for (const auto& [outputs, inputs] : sizes) {
    const Matrix w = random_matrix(outputs, inputs, 4);
    EXPECT_TRUE(same_bits(PackedWeights(w, Compute::f32).unpacked(), w));
    if (!runs_bf16()) continue;
    const Matrix rounded = PackedWeights(w, Compute::bf16).unpacked();
    for (size_t i = 0; i < outputs * inputs; ++i)
      ASSERT_LE(std::abs(rounded.data()[i] - w.data()[i]), std::ldexp(std::abs(w.data()[i]), -8));
    EXPECT_TRUE(same_bits(PackedWeights(rounded, Compute::bf16).unpacked(), rounded)) << "rounded once";
  }
  EXPECT_TRUE(PackedWeights().empty());
  EXPECT_TRUE(PackedWeights().unpacked().empty());
}

TEST(PackedWeightsTest, ApplyEpilogues) {
  constexpr size_t inputs = 96;
  const Matrix w = random_matrix(130, inputs, 5);
  const PackedWeights packed(w, Compute::f32);
  for (const size_t rows : {1U, 5U, 64U, 130U}) {
    Matrix x = random_matrix(rows, inputs, 6);
    // Arguments of the activations from the linear to the saturated part, 0 and its neighbourhood among them.
    for (size_t r = 0; r < rows; ++r) {
      const float scale = r == 0 ? 0.1F : 0.02F * static_cast<float>(r % 60);
      for (size_t i = 0; i < inputs; ++i) x.row(r)[i] *= scale;
    }
    const Matrix factor = random_matrix(rows, 130, 7);
    const Rows p = in_double(x) * in_double(w).transpose();
    const auto near = [&](Epilogue epilogue, const Rows& expected, double relative, float before = 0.0F) {
      const Rows y = in_double(product(x, packed, epilogue, &factor, before));
      // The product's own error is added: some ulps of sums whose size is the largest |p| of the row.
      const double absolute = 2e-6 * std::max(1.0, p.cwiseAbs().maxCoeff() / 10.0);
      for (Eigen::Index i = 0; i < y.size(); ++i)
        ASSERT_NEAR(y(i), expected(i), relative * std::abs(expected(i)) + absolute) << "of " << p(i);
    };
    near(Epilogue::add, (p.array() + 3.0).matrix(), 1e-6, 3.0F);
    near(Epilogue::silu, (p.array() / (1.0 + (-p.array()).exp())).matrix(), 2e-6);
    near(Epilogue::gelu, p.unaryExpr([](double a) { return 0.5 * a * std::erfc(-a / std::sqrt(2.0)); }),
         2e-6);
    near(Epilogue::times, p.cwiseProduct(in_double(factor)), 1e-5);
  }
}

TEST(PackedWeightsTest, GiveTheSameBitsForOneAndTwoThreads) {
  for (const Compute compute : {Compute::f32, Compute::bf16}) {
    if (compute == Compute::bf16 && !runs_bf16()) continue;
    const PackedWeights packed(random_matrix(200, 150, 8), compute);
    for (const size_t rows : {1U, 3U, 70U, 512U}) {
      const Matrix x = random_matrix(rows, 150, 9);
      std::optional<testing::OmpThreads> threads(std::in_place, 1);
      const Matrix one = product(x, packed);
      threads.emplace(2);
      EXPECT_TRUE(same_bits(one, product(x, packed))) << rows;
    }
  }
}

TEST(PackedWeightsTest, GiveARowTheSameBitsWhateverIsMultipliedWithIt) {
  for (const Compute compute : {Compute::f32, Compute::bf16}) {
    if (compute == Compute::bf16 && !runs_bf16()) continue;
    const PackedWeights packed(random_matrix(97, 130, 10), compute);
    const Matrix x = random_matrix(600, 130, 11);
    const Matrix all = product(x, packed);
    for (const size_t rows : row_counts) {
      Matrix few(rows, x.columns);
      std::copy_n(x.data(), rows * x.columns, few.data());
      const Matrix y = product(few, packed);
      // Without AVX-512 oneDNN cuts sums by the number of rows: equal to rounding then.
      for (size_t i = 0; i < rows * y.columns; ++i) ASSERT_NEAR(y.data()[i], all.data()[i], 1e-4);
      if (runs_bf16()) {
        EXPECT_TRUE(std::equal(y.data(), y.data() + rows * y.columns, all.data())) << rows;
      }
    }
  }
}

TEST(PackedWeightsTest, ServeSeveralThreadsAtATime) {
  // More shapes than one: what oneDNN keeps of them is shared by the threads.
  const PackedWeights packed(random_matrix(70, 90, 12), Compute::f32);
  const Matrix x = random_matrix(64, 90, 13);
  const Matrix expected = product(x, packed);
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      const testing::OmpThreads one(1);
      for (size_t i = 0; i < 300; ++i) {
        const size_t rows = 1 + (i * 7 + t) % 64;
        std::vector<float> y(rows * packed.rows());
        packed.multiply(x.data(), rows, y.data());
        for (size_t k = 0; k < y.size(); ++k) {
          if (std::abs(y[k] - expected.data()[k]) > 1e-4F) ++wrong[t];
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(PackedWeightsTest, TakeNoRows) {
  const PackedWeights packed(random_matrix(5, 6, 14), Compute::f32);
  packed.multiply(nullptr, 0, nullptr);
}

}  // namespace
}  // namespace razorscope
