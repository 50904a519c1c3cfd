// log_sum_exp: every target against the scalar twin, the twin by hand.
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <numbers>
#include <random>

#include "tests/kernel/head_case.hpp"

namespace razorscope {
namespace {

using testing::available_tables;
using testing::HeapMemory;

constexpr float infinity = std::numeric_limits<float>::infinity();

LogSumExp log_sum_exp_of(const KernelTable& table, const std::vector<float>& row, size_t shift = 0) {
  HeapMemory memory;
  auto* copy = reinterpret_cast<float*>(memory(row.size() * sizeof(float), shift));
  std::copy(row.begin(), row.end(), copy);
  const LogSumExp result = table.log_sum_exp(copy, row.size());
  EXPECT_TRUE(memory.canaries_live());
  EXPECT_TRUE(std::equal(row.begin(), row.end(), copy)) << "the row is only read";
  return result;
}

TEST(LogSumExpTest, EveryTargetEqualsTheTwin) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const size_t count :
       {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 1000, 1023, 1024, 1025, 1039, 2048, 4099, 49152}) {
    for (const float spread : {0.001F, 1.0F, 30.0F, 1000.0F}) {
      std::vector<float> row(count);
      for (float& x : row) x = spread * normal(random);
      // Some tokens are ruled out, the first and the last of longer rows among them.
      for (size_t i = 0; i + 1 < count; i += 5) row[i] = -infinity;
      if (count > 7) row.back() = -infinity;
      const LogSumExp twin = log_sum_exp_of(scalar_kernels(), row);
      for (const KernelTable* table : available_tables()) {
        SCOPED_TRACE(::testing::Message()
                     << target_name(table->target) << ", count " << count << ", spread " << spread);
        const LogSumExp result = log_sum_exp_of(*table, row, count % 2 * sizeof(float));
        EXPECT_EQ(result.largest, *std::max_element(row.begin(), row.end()));
        EXPECT_NEAR(result.log_sum, twin.log_sum, 1e-6 + 1e-7 * std::abs(twin.log_sum));
      }
    }
  }
}

TEST(LogSumExpTest, ByHand) {
  for (const KernelTable* table : available_tables()) {
    SCOPED_TRACE(target_name(table->target));
    EXPECT_EQ(log_sum_exp_of(*table, {-3.5F}).largest, -3.5F);
    EXPECT_NEAR(log_sum_exp_of(*table, {-3.5F}).log_sum, -3.5, 1e-7);
    EXPECT_NEAR(log_sum_exp_of(*table, {0.0F, std::log(3.0F), std::log(4.0F)}).log_sum, std::log(8.0), 1e-6);
    EXPECT_NEAR(log_sum_exp_of(*table, std::vector<float>(49152, 2.0F)).log_sum, 2.0 + std::log(49152.0),
                1e-6);
    EXPECT_NEAR(log_sum_exp_of(*table, {-infinity, 1.0F, -infinity, 1.0F}).log_sum, 1.0 + std::numbers::ln2,
                1e-6);
  }
}

TEST(LogSumExpTest, LargeLogitsNeitherOverflowNorVanish) {
  for (const KernelTable* table : available_tables()) {
    for (const size_t count : {1, 16, 40, 1030}) {
      for (const float size : {1e4F, 1e30F}) {
        std::vector<float> row(count, -size);
        row[count / 2] = size;
        SCOPED_TRACE(::testing::Message() << target_name(table->target) << ", count " << count);
        EXPECT_EQ(log_sum_exp_of(*table, row).largest, size);
        EXPECT_EQ(log_sum_exp_of(*table, row).log_sum, double{size});
        EXPECT_NEAR(log_sum_exp_of(*table, std::vector<float>(count, -size)).log_sum,
                    double{-size} + std::log(static_cast<double>(count)), 1e-6);
      }
    }
  }
}

}  // namespace
}  // namespace razorscope
