// Decode attention by hand, and what holds whatever the rows' format; attend_formats_test.cpp has the others.
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
      const float* value = numbers.values.data() + best * spec.head_size;
      const std::vector<float> out = ours.out();
      for (size_t i = 0; i < out.size(); ++i) EXPECT_FLOAT_EQ(out[i], value[i]) << target_name(table->target);
    }
  }
}

TEST(AttendTest, UnwantedOutputsMayBeNullAndChangeNothing) {
  for (const RowFormat format : testing::key_formats) {
    CaseSpec spec;
    spec.slots = 129;
    spec.group = 7;
    spec.keys = format;
    spec.values = testing::in_groups(format) ? RowFormat::q4_1 : format;
    spec.value_residual = 40;
    spec.compensation_slots = 3;
    const CaseNumbers numbers(spec, 7);
    for (const KernelTable* table : available_tables()) {
      SCOPED_TRACE(spec.text() + ", " + std::string(target_name(table->target)));
      HeapMemory memory;
      const HeadCase whole(spec, numbers, memory);
      attend_group(*table, whole.view(), whole.query(), whole.output());
      std::vector<float> out(whole.out().size());
      attend_group(*table, whole.view(), whole.query(), {out.data(), nullptr, nullptr});
      EXPECT_EQ(out, whole.out());
    }
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
