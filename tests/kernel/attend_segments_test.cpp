// Heads whose keys and values lie in several segments, and several heads at once.
#include "tests/kernel/tolerance.hpp"
#include "tests/support/omp_threads.hpp"

namespace razorscope {
namespace {

using testing::available_tables;
using testing::CaseNumbers;
using testing::CaseSpec;
using testing::expect_like_reference;
using testing::HeadCase;
using testing::HeapMemory;
using testing::key_formats;
using testing::value_formats;

TEST(AttendSegmentsTest, EveryPairOfFormatsWithAResidualAndExactRows) {
  uint32_t seed = 1;
  constexpr std::array head_sizes = {64, 80, 96, 31, 128, 33};
  for (const RowFormat keys : key_formats) {
    for (const RowFormat values : value_formats) {
      for (const bool rotated : {false, true}) {
        CaseSpec spec;
        spec.head_size = head_sizes[seed % head_sizes.size()];
        spec.slots = 171;
        spec.group = 1 + static_cast<int>(seed % 7);
        spec.keys = keys;
        spec.values = values;
        spec.key_residual = seed % 3 == 0 ? 0 : 50;
        spec.value_residual = seed % 4 == 0 ? 0 : 100;
        spec.exact = seed % 7 < 2 ? 0 : 7;
        spec.rotated = rotated;
        spec.misaligned = seed / 3 % 2 == 0;
        expect_like_reference(spec, seed++);
      }
    }
  }
}

// A piece begins and ends within a group of keys where the values' coded rows end there.
TEST(AttendSegmentsTest, ValuesEndAtAnyTokenOfAGroupOfKeys) {
  for (const RowFormat keys : {RowFormat::kivi4_keys, RowFormat::kivi2_keys}) {
    for (int value_residual = 0; value_residual <= 65; ++value_residual) {
      for (const int head_size : {64, 40}) {  // 40: keys are decoded
        CaseSpec spec;
        spec.head_size = head_size;
        spec.slots = 96 + value_residual % 3;
        spec.group = 1 + value_residual % 4;
        spec.keys = keys;
        spec.values = value_residual % 2 == 0 ? RowFormat::q4_0 : RowFormat::f16;
        spec.value_residual = value_residual;
        expect_like_reference(spec, static_cast<uint32_t>(value_residual));
      }
    }
  }
}

TEST(AttendSegmentsTest, LongHeadsWithDifferentCuts) {
  uint32_t seed = 3000;
  for (const RowFormat keys :
       {RowFormat::q8_0, RowFormat::kivi4_keys, RowFormat::kivi2_keys, RowFormat::fp8_e4m3}) {
    for (const auto& [key_residual, value_residual, exact] :
         {std::array{0, 100, 0}, {128, 0, 64}, {2100, 17, 3}, {1, 2500, 1}, {0, 0, 3000}}) {
      CaseSpec spec;
      spec.head_size = 64;
      spec.slots = 3333;
      spec.group = 4;
      spec.keys = keys;
      spec.values = seed % 2 == 0 ? RowFormat::q4_0 : RowFormat::kivi2_values;
      spec.key_residual = key_residual;
      spec.value_residual = value_residual;
      spec.exact = exact;
      spec.alibi = seed % 3 == 0;
      spec.compensation_slots = seed % 4 == 0 ? 3 : 0;
      expect_like_reference(spec, seed++);
    }
  }
}

TEST(AttendSegmentsTest, ASegmentsScaleCountsOnceInEveryFormat) {
  for (const RowFormat keys : key_formats) {
    for (const RowFormat values : value_formats) {
      for (const int head_size : {40, 64}) {
        CaseSpec spec;
        spec.head_size = head_size;
        spec.slots = 64;
        spec.keys = keys;
        spec.values = values;
        HeapMemory memory;
        const HeadCase plain(spec, CaseNumbers(spec, 9), memory);
        HeadView head = plain.view();
        const auto scaled = [](const RowSegments& rows, float factor) {
          RowSegment segment = rows[0];
          segment.scale *= factor;
          return RowSegments(segment);
        };
        head.keys = scaled(head.keys, 0.75F);
        head.values = scaled(head.values, 1.25F);
        const testing::ReferenceAttention expected(head, plain.query());
        for (const KernelTable* table : available_tables()) {
          SCOPED_TRACE(spec.text() + ", " + std::string(target_name(table->target)));
          attend_group(*table, head, plain.query(), plain.output());
          testing::expect_close(spec, table->target, head, expected, plain.output());
        }
      }
    }
  }
}

/// Heads as ragged as budgets make them, some of them long enough to be cut.
std::vector<CaseSpec> ragged_heads() {
  constexpr std::array slots = {5000, 1, 2100, 63, 3000, 1025, 33, 4097, 700, 2500, 2048, 2049};
  std::vector<CaseSpec> specs;
  for (size_t i = 0; i < slots.size(); ++i) {
    CaseSpec spec;
    spec.head_size = i % 3 == 0 ? 64 : i % 3 == 1 ? 80 : 31;
    spec.slots = slots[i];
    spec.group = 1 + static_cast<int>(i % 5);
    spec.keys = key_formats[i % key_formats.size()];
    spec.values = value_formats[(3 * i + 1) % value_formats.size()];
    spec.value_residual = i % 2 == 0 ? 33 : 0;
    spec.exact = i % 4 == 0 ? 9 : 0;
    spec.rotated = i % 3 == 1;
    spec.alibi = i % 3 == 2;
    spec.compensation_slots = i % 5 == 1 ? 4 : 0;
    specs.push_back(spec);
  }
  return specs;
}

struct Results {
  std::vector<float> out;
  std::vector<float> scores;
  std::vector<float> log_sums;
  explicit Results(const HeadCase<HeapMemory>& head)
      : out(head.out()), scores(head.scores()), log_sums(head.log_sums()) {}
  bool operator==(const Results&) const = default;
};

/// Puts the best target back.
class AttendHeadsTest : public ::testing::Test {
 protected:
  void TearDown() override { force_target(target_name(available_targets().back())); }
};

TEST_F(AttendHeadsTest, GivesAttendGroupsBitsForAnyNumberOfThreads) {
  HeapMemory memory;
  std::vector<HeadCase<HeapMemory>> heads;
  std::vector<AttentionJob> jobs;
  for (const CaseSpec& spec : ragged_heads()) {
    const HeadCase<HeapMemory>& head = heads.emplace_back(spec, CaseNumbers(spec, 7), memory);
    jobs.push_back({head.view(), head.query(), head.output()});
  }
  for (const KernelTable* table : available_tables()) {
    SCOPED_TRACE(target_name(table->target));
    force_target(target_name(table->target));
    std::vector<Results> alone;
    for (const HeadCase<HeapMemory>& head : heads) {
      head.clear();
      attend_group(head.view(), head.query(), head.output());
      alone.emplace_back(head);
    }
    for (const int threads : {1, 2, 3}) {
      const testing::OmpThreads fixed(threads);
      for (const HeadCase<HeapMemory>& head : heads) head.clear();
      attend_heads(jobs);
      for (size_t i = 0; i < heads.size(); ++i)
        EXPECT_TRUE(Results(heads[i]) == alone[i]) << "head " << i << ", threads " << threads;
    }
  }
  EXPECT_TRUE(memory.canaries_live());
}

TEST_F(AttendHeadsTest, NoHeadIsNoWork) { attend_heads({}); }

}  // namespace
}  // namespace razorscope
