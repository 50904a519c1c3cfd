// softmax_row: every target against the scalar twin, the twin by hand.
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <numbers>
#include <numeric>
#include <random>

#include "tests/kernel/head_case.hpp"

namespace razorscope {
namespace {

using testing::available_tables;
using testing::HeapMemory;
using testing::worst_nmse;

std::vector<float> softmax(const KernelTable& table, const std::vector<float>& row, float slope,
                           size_t shift) {
  HeapMemory memory;
  auto* copy = reinterpret_cast<float*>(memory(row.size() * sizeof(float), shift));
  std::copy(row.begin(), row.end(), copy);
  table.softmax_row(copy, row.size(), slope);
  EXPECT_TRUE(memory.canaries_live());
  return {copy, copy + row.size()};
}

TEST(SoftmaxTest, EveryTargetEqualsTheTwin) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const size_t count : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 1000, 4097}) {
    for (const float spread : {1.0F, 30.0F}) {
      for (const float slope : {0.0F, 0.00390625F, 0.5F}) {
        std::vector<float> row(count);
        for (float& x : row) x = spread * normal(random);
        const std::vector<float> twin = softmax(scalar_kernels(), row, slope, 0);
        EXPECT_NEAR(std::accumulate(twin.begin(), twin.end(), 0.0), 1.0, 1e-6);
        for (const KernelTable* table : available_tables()) {
          // slope·j of a long row is rounded to f32 before exp: ulp(2048) = 2.4e-4.
          const double allowed = slope * static_cast<float>(count) > 100.0F ? 1e-7
                                 : spread > 1.0F                            ? 1e-9
                                                                            : 1e-12;
          EXPECT_LE(worst_nmse(softmax(*table, row, slope, count % 2 * sizeof(float)), twin, count, 0.0),
                    allowed)
              << target_name(table->target) << ", count " << count << ", spread " << spread << ", slope "
              << slope;
        }
      }
    }
  }
}

TEST(SoftmaxTest, ByHand) {
  for (const KernelTable* table : available_tables()) {
    const std::vector<float> row = softmax(*table, {0.0F, std::log(3.0F), std::log(4.0F)}, 0.0F, 0);
    EXPECT_NEAR(row[0], 0.125, 1e-7);
    EXPECT_NEAR(row[1], 0.375, 1e-7);
    EXPECT_NEAR(row[2], 0.5, 1e-7);
    // Each step to the right doubles the weight.
    const std::vector<float> sloped = softmax(*table, {1.0F, 1.0F, 1.0F}, std::numbers::ln2_v<float>, 0);
    EXPECT_NEAR(sloped[0], 1.0 / 7.0, 1e-7);
    EXPECT_NEAR(sloped[1], 2.0 / 7.0, 1e-7);
    EXPECT_NEAR(sloped[2], 4.0 / 7.0, 1e-7);
  }
}

TEST(SoftmaxTest, LargeScoresNeitherOverflowNorVanish) {
  for (const KernelTable* table : available_tables()) {
    for (size_t best = 0; best < 40; ++best) {
      std::vector<float> row(40, -1e30F);
      row[best] = 1e30F;
      std::vector<float> expected(40, 0.0F);
      expected[best] = 1.0F;
      EXPECT_EQ(softmax(*table, row, 0.0F, 0), expected) << target_name(table->target);
    }
    const std::vector<float> even = softmax(*table, std::vector<float>(33, -500.0F), 0.0F, 0);
    for (const float x : even) EXPECT_NEAR(x, 1.0 / 33.0, 1e-8);
  }
}

}  // namespace
}  // namespace razorscope
