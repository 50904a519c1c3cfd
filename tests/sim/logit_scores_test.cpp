// What rows of logits say about a policy, against plain sums in double.
#include "sim/closed_loop/logit_scores.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace razorscope {
namespace {

using Row = std::vector<float>;

Row random_row(size_t size, float spread, std::mt19937& random) {
  std::normal_distribution<float> normal(0.0F, spread);
  Row row(size);
  for (float& x : row) x = normal(random);
  return row;
}

double log_sum(const Row& row) {
  const double largest = *std::max_element(row.begin(), row.end());
  double sum = 0.0;
  for (const float x : row) sum += std::exp(double{x} - largest);
  return largest + std::log(sum);
}

double plain_kl(const Row& full, const Row& ours) {
  double kl = 0.0;
  for (size_t i = 0; i < full.size(); ++i) {
    const double p = double{full[i]} - log_sum(full);
    const double q = double{ours[i]} - log_sum(ours);
    kl += std::exp(p) * (p - q);
  }
  return kl;
}

RowScore compare(const Row& full, const Row& ours, int32_t target) {
  ReferenceRows reference(static_cast<int>(full.size()));
  reference.begin(7, 1);
  reference.logits(7, 1, full.data());
  return reference.compare(7, ours.data(), target);
}

TEST(LogitScoresTest, EqualPlainSumsInDouble) {
  std::mt19937 random(1);
  for (const size_t size : {1, 2, 15, 16, 17, 1023, 1024, 1025, 2055}) {
    for (const float spread : {1.0F, 10.0F}) {
      for (const float change : {0.01F, 1.0F}) {
        SCOPED_TRACE(::testing::Message() << size << ", spread " << spread << ", change " << change);
        const Row full = random_row(size, spread, random);
        Row ours = random_row(size, change, random);
        for (size_t i = 0; i < size; ++i) ours[i] += full[i];
        const auto target = static_cast<int32_t>(random() % size);
        const RowScore score = compare(full, ours, target);
        const auto at = static_cast<size_t>(target);
        EXPECT_NEAR(score.nll, log_sum(ours) - double{ours[at]}, 1e-5);
        EXPECT_NEAR(score.full_nll, log_sum(full) - double{full[at]}, 1e-5);
        const double kl = plain_kl(full, ours);
        EXPECT_NEAR(score.kl, kl, 2e-6 + 1e-5 * kl);
      }
    }
  }
}

TEST(LogitScoresTest, EqualRowsHaveNoDivergenceAndAgree) {
  std::mt19937 random(2);
  const Row full = random_row(49152, 3.0F, random);
  const RowScore score = compare(full, full, 5);
  EXPECT_LT(score.kl, 1e-9);
  EXPECT_EQ(score.nll, score.full_nll);
  EXPECT_TRUE(score.agrees);
}

TEST(LogitScoresTest, AConstantOnAllLogitsChangesNothing) {
  std::mt19937 random(3);
  const Row full = random_row(2048, 3.0F, random);
  Row ours = full;
  for (float& x : ours) x += 64.0F;
  const RowScore score = compare(full, ours, 5);
  EXPECT_LT(score.kl, 5e-5);
  EXPECT_NEAR(score.nll, score.full_nll, 2e-5);
  EXPECT_TRUE(score.agrees);
}

TEST(LogitScoresTest, AgreementMeansThatFullsFirstChoiceIsNoneBehindAnyOther) {
  EXPECT_TRUE(compare({0.0F, 3.0F, 1.0F}, {2.0F, 2.5F, 2.4F}, 0).agrees);
  EXPECT_FALSE(compare({0.0F, 3.0F, 1.0F}, {2.0F, 2.5F, 2.6F}, 0).agrees);
  EXPECT_TRUE(compare({0.0F, 3.0F, 1.0F}, {2.5F, 2.5F, 0.0F}, 0).agrees) << "a tie";
  EXPECT_FALSE(compare({3.0F, 3.0F, 1.0F}, {2.0F, 2.5F, 0.0F}, 0).agrees)
      << "the lower of two counts as full's";
}

TEST(LogitScoresTest, RowsComeInAnyNumberOfPartsAndTargetsAreTheNextTokens) {
  std::mt19937 random(4);
  constexpr size_t size = 33;
  constexpr int first = 3;
  constexpr int rows = 5;
  Row full;
  Row ours;
  std::vector<int32_t> ids;
  for (int r = 0; r < first + rows + 1; ++r) ids.push_back(static_cast<int32_t>(random() % size));
  for (int r = 0; r < rows; ++r) {
    for (Row* all : {&full, &ours}) {
      const Row row = random_row(size, 2.0F, random);
      all->insert(all->end(), row.begin(), row.end());
    }
  }
  ReferenceRows reference(size);
  reference.begin(first, rows);
  reference.logits(first, 2, full.data());
  reference.logits(first + 2, rows - 2, full.data() + 2 * size);
  PolicyRows policy(reference, ids);
  policy.logits(first, 4, ours.data());
  policy.logits(first + 4, 1, ours.data() + 4 * size);
  ASSERT_EQ(policy.scores().size(), static_cast<size_t>(rows));
  for (size_t r = 0; r < rows; ++r) {
    const auto begin = static_cast<ptrdiff_t>(r * size);
    const auto end = begin + static_cast<ptrdiff_t>(size);
    const RowScore alone = compare({full.begin() + begin, full.begin() + end},
                                   {ours.begin() + begin, ours.begin() + end}, ids[first + r + 1]);
    EXPECT_EQ(policy.scores()[r].nll, alone.nll);
    EXPECT_EQ(policy.scores()[r].full_nll, alone.full_nll);
    EXPECT_EQ(policy.scores()[r].kl, alone.kl);
    EXPECT_EQ(policy.scores()[r].agrees, alone.agrees);
  }
}

}  // namespace
}  // namespace razorscope
