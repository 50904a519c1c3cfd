// Decode attention: every target against the scalar twin, and the twin against arithmetic by hand.
#include "policies/kernels/attend.hpp"

#include <array>
#include <cmath>
#include <gtest/gtest.h>
#include <numbers>
#include <optional>

#include "tests/kernel/head_case.hpp"

namespace razorscope {
namespace {

using testing::available_tables;
using testing::CaseNumbers;
using testing::CaseSpec;
using testing::HeadCase;
using testing::HeapMemory;
using testing::Scores;
using testing::worst_difference;
using testing::worst_nmse;

/// What a vector target may differ from the twin. Both read the same stored rows, so the rounding of a format
/// is not in it, only sums in f32.
struct Tolerance {
  double out;      // NMSE of a query head's output
  double scores;   // NMSE of a query head's scores
  double log_sum;  // relative where it is above 1
};
constexpr Tolerance f32_rows = {4e-12, 1e-12, 1e-6};
constexpr Tolerance f16_rows = {4e-12, 1e-12, 1e-6};
/// A score of 80 has an ulp of 7.6e-6, and a weight's relative error is its score's absolute one.
constexpr Tolerance large_scores = {1e-9, 1e-12, 1e-6};
/// A slot's bias and its shift by the position may be hundreds: their sum is rounded at that size (ulp(256) =
/// 3e-5).
constexpr Tolerance alibi_compensation = {1e-8, 1e-12, 1e-6};

Tolerance tolerance_of(const CaseSpec& spec) {
  if (spec.scores != Scores::ordinary) return large_scores;
  if (spec.alibi && spec.compensation_slots > 0) return alibi_compensation;
  return spec.keys == RowFormat::f16 || spec.values == RowFormat::f16 ? f16_rows : f32_rows;
}

void expect_like_twin(const CaseSpec& spec, uint32_t seed) {
  SCOPED_TRACE(spec.text());
  const CaseNumbers numbers(spec, seed);
  HeapMemory twin_memory;
  const HeadCase twin(spec, numbers, twin_memory);
  attend_group(scalar_kernels(), twin.view(), twin.query(), twin.output());
  ASSERT_TRUE(twin_memory.canaries_live());
  for (const KernelTable* table : available_tables()) {
    if (table->target == Target::scalar) continue;
    SCOPED_TRACE(target_name(table->target));
    HeapMemory memory;
    const HeadCase ours(spec, numbers, memory);
    attend_group(*table, ours.view(), ours.query(), ours.output());
    const Tolerance allowed = tolerance_of(spec);
    const int entries = ours.view().entries();
    // Values are normal: an average of n of them has a mean square of about 1/n, a score one of about 1.
    EXPECT_LE(worst_nmse(ours.out(), twin.out(), static_cast<size_t>(spec.head_size), 1.0 / entries),
              allowed.out);
    EXPECT_LE(worst_nmse(ours.scores(), twin.scores(), static_cast<size_t>(entries), 1.0), allowed.scores);
    EXPECT_LE(worst_difference(ours.log_sums(), twin.log_sums()), allowed.log_sum);
    EXPECT_TRUE(memory.canaries_live());
  }
}

constexpr std::array head_sizes = {1, 3, 8, 31, 64, 80, 96, 128, 256};
constexpr std::array slot_counts = {1, 2, 15, 16, 17, 63, 64, 65, 127, 129, 1000};
constexpr std::array formats = {RowFormat::f32, RowFormat::f16};

TEST(AttendTest, EveryTargetEqualsTheTwinForEveryHeadSizeAndSlotCount) {
  uint32_t seed = 1;
  for (const int head_size : head_sizes) {
    for (const int slots : slot_counts) {
      for (const RowFormat keys : formats) {
        for (const RowFormat values : formats) {
          for (const bool misaligned : {false, true}) {
            CaseSpec spec;
            spec.head_size = head_size;
            spec.slots = slots;
            spec.keys = keys;
            spec.values = values;
            spec.group = 1 + static_cast<int>(seed % 5);  // tiles of 1, 2, 3, 4 and 4 + 1 rows
            spec.misaligned = misaligned;
            expect_like_twin(spec, seed++);
          }
        }
      }
    }
  }
}

TEST(AttendTest, EveryTargetEqualsTheTwinForEveryGroupSize) {
  uint32_t seed = 1000;
  for (int group = 1; group <= 16; ++group) {
    for (const int head_size : head_sizes) {
      for (const bool alibi : {false, true}) {
        CaseSpec spec;
        spec.head_size = head_size;
        spec.slots = 129;
        spec.group = group;
        spec.keys = group % 2 == 0 ? RowFormat::f16 : RowFormat::f32;
        spec.values = group % 3 == 0 ? RowFormat::f16 : RowFormat::f32;
        spec.compensation_slots = group % 4 == 0 ? 2 : 0;
        spec.alibi = alibi;
        expect_like_twin(spec, seed++);
      }
    }
  }
}

TEST(AttendTest, EveryTargetEqualsTheTwinWithCompensationSlots) {
  uint32_t seed = 2000;
  for (const int compensation_slots : {1, 2, 63, 64, 65, 130}) {
    for (const int slots : {0, 1, 17, 64, 65}) {
      for (const bool alibi : {false, true}) {
        for (const RowFormat format : formats) {
          CaseSpec spec;
          spec.head_size = seed % 2 == 0 ? 80 : 31;
          spec.slots = slots;
          spec.group = 1 + static_cast<int>(seed % 6);
          spec.keys = format;
          spec.values = format == RowFormat::f32 ? RowFormat::f16 : RowFormat::f32;
          spec.compensation_slots = compensation_slots;
          spec.alibi = alibi;
          spec.misaligned = seed % 3 == 0;
          expect_like_twin(spec, seed++);
        }
      }
    }
  }
}

TEST(AttendTest, EveryTargetEqualsTheTwinUnderAlibiWithShuffledPositions) {
  uint32_t seed = 3000;
  for (const int slots : slot_counts) {
    for (const int group : {1, 3, 8}) {
      CaseSpec spec;
      spec.head_size = 64;
      spec.slots = slots;
      spec.group = group;
      spec.alibi = true;
      spec.keys = spec.values = seed % 2 == 0 ? RowFormat::f16 : RowFormat::f32;
      expect_like_twin(spec, seed++);
    }
  }
}

TEST(AttendTest, EveryTargetEqualsTheTwinAtExtremeScores) {
  uint32_t seed = 4000;
  for (const Scores scores : {Scores::extreme, Scores::dominant}) {
    for (const int slots : {1, 2, 17, 64, 65, 129, 1000}) {
      for (const int head_size : {8, 31, 128}) {
        for (const RowFormat format : formats) {
          CaseSpec spec;
          spec.head_size = head_size;
          spec.slots = slots;
          spec.group = 5;
          spec.keys = spec.values = format;
          spec.scores = scores;
          expect_like_twin(spec, seed++);
        }
      }
    }
  }
}

TEST(AttendTest, OneDominantSlotGivesItsValueWhereverItStands) {
  for (const KernelTable* table : available_tables()) {
    for (uint32_t seed = 0; seed < 20; ++seed) {
      CaseSpec spec;
      spec.slots = 200;
      spec.scores = Scores::dominant;
      const CaseNumbers numbers(spec, seed);
      HeapMemory memory;
      const HeadCase ours(spec, numbers, memory);
      attend_group(*table, ours.view(), ours.query(), ours.output());
      const std::vector<float> scores = ours.scores();
      const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();
      EXPECT_GT(scores[static_cast<size_t>(best)], 70.0F);
      const auto value = numbers.values.begin() + best * spec.head_size;
      EXPECT_EQ(ours.out(), std::vector<float>(value, value + spec.head_size)) << target_name(table->target);
    }
  }
}

TEST(AttendTest, UnwantedOutputsMayBeNullAndChangeNothing) {
  CaseSpec spec;
  spec.slots = 129;
  spec.group = 7;
  spec.compensation_slots = 3;
  const CaseNumbers numbers(spec, 7);
  for (const KernelTable* table : available_tables()) {
    SCOPED_TRACE(target_name(table->target));
    HeapMemory memory;
    const HeadCase whole(spec, numbers, memory);
    attend_group(*table, whole.view(), whole.query(), whole.output());
    std::vector<float> out(whole.out().size());
    attend_group(*table, whole.view(), whole.query(), {out.data(), nullptr, nullptr});
    EXPECT_EQ(out, whole.out());
  }
}

TEST(AttendTest, PositionsAreReadUnderAlibiOnlyAndDefaultToTheSlotNumber) {
  CaseSpec spec;
  spec.slots = 100;
  spec.group = 2;
  const CaseNumbers numbers(spec, 8);
  std::vector<int32_t> positions(100);
  std::iota(positions.begin(), positions.end(), 0);
  const std::vector<float> slopes = {0.5F, 0.25F};
  for (const KernelTable* table : available_tables()) {
    SCOPED_TRACE(target_name(table->target));
    HeapMemory memory;
    const HeadCase ours(spec, numbers, memory);
    const auto attend = [&](const int32_t* at, const float* with) {
      HeadView head = ours.view();
      GroupQuery query = ours.query();
      head.positions = at;
      query.slopes = with;
      query.position = 100;
      attend_group(*table, head, query, ours.output());
      return ours.out();
    };
    EXPECT_EQ(attend(positions.data(), slopes.data()), attend(nullptr, slopes.data()));
    EXPECT_EQ(attend(numbers.positions.data(), nullptr), attend(nullptr, nullptr));
    EXPECT_NE(attend(nullptr, slopes.data()), attend(nullptr, nullptr));
  }
}

/// A head of two channels whose scores can be done by hand: q = (1, 0), so a key's score is its first
/// channel.
struct HandCase {
  std::vector<float> keys;
  std::vector<float> values;
  std::vector<int32_t> positions;
  std::vector<float> compensation_keys;
  std::vector<float> compensation_values;
  std::vector<float> compensation_bias;
  std::optional<float> slope;
  int position = 0;

  struct Result {
    std::array<float, 2> out;
    std::vector<float> scores;
    float log_sum;
  };
  Result run(const KernelTable& table) const {
    const std::array<float, 2> q = {1.0F, 0.0F};
    HeadView head;
    head.head_size = 2;
    head.slots = static_cast<int>(keys.size() / 2);
    const auto rows = [&](const std::vector<float>& numbers) {
      return RowSegment{RowFormat::f32, reinterpret_cast<const std::byte*>(numbers.data()), 2 * sizeof(float),
                        head.slots};
    };
    head.keys = rows(keys);
    head.values = rows(values);
    head.positions = positions.empty() ? nullptr : positions.data();
    head.compensation_slots = static_cast<int>(compensation_bias.size());
    head.compensation_keys = compensation_keys.data();
    head.compensation_values = compensation_values.data();
    head.compensation_bias = compensation_bias.data();
    GroupQuery query;
    query.group = 1;
    query.q = q.data();
    query.slopes = slope ? &*slope : nullptr;
    query.position = position;
    Result result;
    result.scores.resize(static_cast<size_t>(head.entries()));
    attend_group(table, head, query, {result.out.data(), result.scores.data(), &result.log_sum});
    return result;
  }
};

TEST(AttendTest, TwoSlotsByHand) {
  HandCase hand;
  hand.keys = {0.0F, 5.0F, std::log(3.0F), -7.0F};  // weights 1/4 and 3/4
  hand.values = {4.0F, 8.0F, 0.0F, 4.0F};
  for (const KernelTable* table : available_tables()) {
    const HandCase::Result result = hand.run(*table);
    EXPECT_NEAR(result.out[0], 1.0, 1e-6);
    EXPECT_NEAR(result.out[1], 5.0, 1e-6);
    EXPECT_EQ(result.scores, (std::vector<float>{0.0F, std::log(3.0F)}));
    EXPECT_NEAR(result.log_sum, std::log(4.0), 1e-6);
  }
}

TEST(AttendTest, ACompensationSlotWeighsExpOfItsBiasByHand) {
  HandCase hand;
  hand.keys = {0.0F, 0.0F, std::log(3.0F), 0.0F};
  hand.values = {8.0F, 0.0F, 0.0F, 8.0F};
  hand.compensation_keys = {std::log(2.0F), 1.0F};
  hand.compensation_values = {16.0F, 32.0F};
  hand.compensation_bias = {std::log(2.0F)};  // weights 1, 3 and 2·2
  for (const KernelTable* table : available_tables()) {
    const HandCase::Result result = hand.run(*table);
    EXPECT_NEAR(result.out[0], (8.0 + 4.0 * 16.0) / 8.0, 1e-5);
    EXPECT_NEAR(result.out[1], (3.0 * 8.0 + 4.0 * 32.0) / 8.0, 1e-5);
    EXPECT_NEAR(result.scores[2], std::log(4.0), 1e-6);
    EXPECT_NEAR(result.log_sum, std::log(8.0), 1e-6);
  }
}

TEST(AttendTest, AlibiHalvesTheWeightForEachTokenOfDistanceByHand) {
  HandCase hand;
  hand.slope = std::numbers::ln2_v<float>;
  hand.keys = {0.0F, 0.0F, 0.0F, 0.0F};
  hand.values = {12.0F, 0.0F, 0.0F, 12.0F};
  hand.positions = {7, 9};
  hand.position = 10;  // weights 1/8 and 1/2
  hand.compensation_keys = {0.0F, 0.0F};
  hand.compensation_values = {24.0F, 24.0F};
  hand.compensation_bias = {std::log(128.0F + 256.0F)};  // tokens 7 and 8: 1/8 + 1/4
  for (const KernelTable* table : available_tables()) {
    const HandCase::Result result = hand.run(*table);
    EXPECT_NEAR(result.out[0], (0.125 * 12.0 + 0.375 * 24.0) / 1.0, 1e-5);
    EXPECT_NEAR(result.out[1], (0.5 * 12.0 + 0.375 * 24.0) / 1.0, 1e-5);
    EXPECT_NEAR(result.log_sum, 0.0, 2e-6);
  }
}

TEST(AttendTest, HalvesAreReadAsTheyAreStoredByHand) {
  // 1, -2, 0.5 and the smallest subnormal, 2^-24, as bit patterns.
  const std::array<uint16_t, 4> values = {0x3c00, 0xc000, 0x3800, 0x0001};
  const std::array<uint16_t, 4> keys = {0, 0, 0, 0};
  const std::array<float, 4> q = {1.0F, 1.0F, 1.0F, 1.0F};
  HeadView head;
  head.head_size = 4;
  head.slots = 1;
  head.keys = RowSegment{RowFormat::f16, reinterpret_cast<const std::byte*>(keys.data()), sizeof(keys), 1};
  head.values =
      RowSegment{RowFormat::f16, reinterpret_cast<const std::byte*>(values.data()), sizeof(values), 1};
  GroupQuery query;
  query.group = 1;
  query.q = q.data();
  for (const KernelTable* table : available_tables()) {
    std::array<float, 4> out{};
    attend_group(*table, head, query, {out.data(), nullptr, nullptr});
    EXPECT_EQ(out, (std::array<float, 4>{1.0F, -2.0F, 0.5F, std::ldexp(1.0F, -24)}))
        << target_name(table->target);
  }
}

}  // namespace
}  // namespace razorscope
