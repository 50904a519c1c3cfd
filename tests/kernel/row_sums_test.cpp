// Sums of rows and widened halves of every target against their twins.
#include "policies/kernels/row_sums.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

#include "models/base/half.hpp"
#include "tests/kernel/head_case.hpp"

namespace razorscope {
namespace {

using testing::available_tables;

/// Rows of random numbers in either format, `misaligned` bytes from where they should begin.
class Block {
 public:
  Block(RowFormat format, int count, int head_size, size_t gap, size_t misaligned, uint32_t seed)
      : format_(format), misaligned_(misaligned) {
    const size_t element = format == RowFormat::f16 ? 2 : 4;
    const size_t width = static_cast<size_t>(head_size) + gap;
    stride_ = width * element;
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> numbers(static_cast<size_t>(count) * width);
    for (float& x : numbers) x = 3.0F * normal(random) + 1.0F;
    memory_.resize(misaligned + numbers.size() * element);
    if (format == RowFormat::f16) {
      store_half(numbers.data(), numbers.size(), memory_.data() + misaligned);
    } else {
      std::memcpy(memory_.data() + misaligned, numbers.data(), numbers.size() * element);
    }
  }
  SourceRows rows() const { return {format_, memory_.data() + misaligned_, stride_}; }

 private:
  RowFormat format_;
  size_t misaligned_;
  size_t stride_ = 0;
  std::vector<std::byte> memory_;
};

TEST(RowSums, EqualTheTwin) {
  for (const KernelTable* table : available_tables()) {
    SCOPED_TRACE(target_name(table->target));
    uint32_t seed = 0;
    for (const RowFormat format : {RowFormat::f32, RowFormat::f16}) {
      for (const int d : {1, 3, 7, 8, 15, 16, 17, 31, 64, 80, 128, 200}) {
        for (const int count : {1, 2, 7, 8, 9, 16, 100}) {
          ++seed;
          // Off a vector's alignment, never off an element's: no store puts a row there.
          const uint32_t element_bytes = format == RowFormat::f32 ? 4 : 2;
          const Block block(format, count, d, seed % 3, element_bytes * (seed % 2), seed);
          std::vector<double> expected(static_cast<size_t>(d), 0.5);
          std::vector<double> sums = expected;
          add_rows_scalar(block.rows(), count, d, expected.data());
          table->add_rows(block.rows(), count, d, sums.data());
          // Eight rows in f32: 2^-21 of their magnitudes, which stay below 20.
          for (size_t i = 0; i < sums.size(); ++i)
            ASSERT_NEAR(sums[i], expected[i], 20.0 * count * std::exp2(-21.0)) << d << " x " << count;
        }
      }
    }
  }
}

TEST(RowSums, OfEqualNumbersAreExact) {
  for (const KernelTable* table : available_tables()) {
    const std::vector<float> rows(100 * 33, 0.5F);
    std::vector<double> sums(33, 0.0);
    table->add_rows(SourceRows::f32(rows.data(), 33), 100, 33, sums.data());
    EXPECT_EQ(sums, std::vector<double>(33, 50.0));
  }
}

TEST(RowSums, EveryHalfIsWidenedExactly) {
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  const auto* bytes = reinterpret_cast<const std::byte*>(halves.data());
  std::vector<float> expected(halves.size());
  load_half(bytes, halves.size(), expected.data());
  for (const KernelTable* table : available_tables()) {
    SCOPED_TRACE(target_name(table->target));
    std::vector<float> widened(halves.size());
    table->widen_halves(bytes, halves.size(), widened.data());
    for (size_t i = 0; i < halves.size(); ++i) {
      if (std::isnan(expected[i])) {
        ASSERT_TRUE(std::isnan(widened[i])) << i;
      } else {
        ASSERT_EQ(std::bit_cast<uint32_t>(widened[i]), std::bit_cast<uint32_t>(expected[i])) << i;
      }
    }
    for (size_t count = 0; count < 40; ++count) {
      std::vector<float> few(count + 1, -7.0F);
      table->widen_halves(bytes + 2000, count, few.data());
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(few[i], expected[1000 + i]);
      ASSERT_EQ(few[count], -7.0F);
    }
  }
}

}  // namespace
}  // namespace razorscope
