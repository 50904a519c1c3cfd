// Decode attention over rows of every format: every target against the same in double precision.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/kernel/tolerance.hpp"

namespace razorscope {
namespace {

using testing::CaseSpec;
using testing::expect_like_reference;
using testing::key_formats;
using testing::Scores;
using testing::value_formats;

// Whole blocks and vectors, halves of blocks, and what only the loops for single elements know.
constexpr std::array head_sizes = {1, 8, 31, 33, 64, 80, 96, 128, 256};
constexpr std::array slot_counts = {1, 2, 31, 32, 33, 63, 64, 65, 1000};

/// Cases take a list's elements by turns in what they don't vary themselves.
template <typename List>
auto by_turns(const List& list, uint32_t turn) {
  return list[turn % list.size()];
}

class AttendFormatsTest : public ::testing::Test {
 protected:
  /// f(spec, turn) for each format of keys and each of values, the other side by turns.
  template <typename Task>
  static void for_every_format(const Task& task) {
    uint32_t turn = 0;
    for (const RowFormat keys : key_formats) task(keys, by_turns(value_formats, turn++));
    for (const RowFormat values : value_formats) task(by_turns(key_formats, 5 * turn++), values);
  }
};

TEST_F(AttendFormatsTest, EveryHeadSizeAndSlotCount) {
  uint32_t turn = 0;
  const auto run = [&](int head_size, int slots, RowFormat keys, RowFormat values) {
    CaseSpec spec;
    spec.head_size = head_size;
    spec.slots = slots;
    spec.keys = keys;
    spec.values = values;
    spec.group = 1 + static_cast<int>(turn % 5);  // tiles of 1, 2, 3, 4 and 4 + 1 rows
    spec.misaligned = turn / 3 % 2 == 0;
    spec.flat = turn % 7 == 0;
    expect_like_reference(spec, ++turn);
  };
  for (const int head_size : head_sizes) {
    for (const int slots : slot_counts) {
      for (const RowFormat keys : key_formats) run(head_size, slots, keys, by_turns(value_formats, turn));
      for (const RowFormat values : value_formats) run(head_size, slots, by_turns(key_formats, turn), values);
    }
  }
}

TEST_F(AttendFormatsTest, EveryPairOfFormats) {
  uint32_t turn = 1000;
  for (const RowFormat keys : key_formats) {
    for (const RowFormat values : value_formats) {
      for (const bool misaligned : {false, true}) {
        CaseSpec spec;
        spec.head_size = by_turns(std::array{64, 80, 96, 128, 256, 48, 33}, turn);
        spec.slots = by_turns(std::array{96, 129, 191}, turn);
        spec.keys = keys;
        spec.values = values;
        spec.group = by_turns(std::array{4, 7, 1, 2}, turn / 7);
        spec.misaligned = misaligned;
        expect_like_reference(spec, turn++);
      }
    }
  }
}

// Beyond a kernel's block of 1024 slots, and into two pieces and more.
TEST_F(AttendFormatsTest, LongHeads) {
  uint32_t turn = 2000;
  for (const int slots : {1025, 2100, 10500}) {
    for_every_format([&](RowFormat keys, RowFormat values) {
      CaseSpec spec;
      spec.head_size = by_turns(std::array{64, 31, 96, 80, 64, 128}, turn);
      spec.slots = slots;
      spec.keys = keys;
      spec.values = values;
      spec.group = by_turns(std::array{1, 3, 2}, turn / 3);
      spec.misaligned = turn / 2 % 2 == 0;
      expect_like_reference(spec, turn++);
    });
  }
}

TEST_F(AttendFormatsTest, EveryGroupSize) {
  uint32_t turn = 3000;
  for (int group = 1; group <= 16; ++group) {
    for_every_format([&](RowFormat keys, RowFormat values) {
      CaseSpec spec;
      spec.head_size = by_turns(head_sizes, turn);
      spec.slots = 67;
      spec.group = group;
      spec.keys = keys;
      spec.values = values;
      expect_like_reference(spec, turn++);
    });
  }
}

TEST_F(AttendFormatsTest, AlibiWithShuffledPositionsAndCompensationSlots) {
  uint32_t turn = 4000;
  for (const int slots : {0, 1, 17, 64, 129, 1100}) {
    for (const int compensation_slots : {0, 1, 65}) {
      if (slots + compensation_slots == 0) continue;
      for (const bool alibi : {false, true}) {
        for_every_format([&](RowFormat keys, RowFormat values) {
          CaseSpec spec;
          spec.head_size = by_turns(std::array{64, 31, 80, 33, 64}, turn);
          spec.slots = slots;
          spec.group = by_turns(std::array{1, 3, 6}, turn);
          spec.keys = keys;
          spec.values = values;
          spec.alibi = alibi;
          spec.compensation_slots = compensation_slots;
          spec.misaligned = turn % 7 < 3;
          expect_like_reference(spec, turn++);
        });
      }
    }
  }
}

// Equal ones, and such that weights grow small and vanish in f32.
TEST_F(AttendFormatsTest, ExtremeScores) {
  uint32_t turn = 5000;
  for (const Scores scores : {Scores::equal, Scores::extreme, Scores::dominant, Scores::spread}) {
    for (const int slots : {1, 2, 33, 129, 1025}) {
      for (const bool flat : {false, true}) {
        for_every_format([&](RowFormat keys, RowFormat values) {
          CaseSpec spec;
          spec.head_size = by_turns(std::array{8, 31, 64, 80, 96}, turn);
          spec.slots = slots;
          spec.group = by_turns(std::array{1, 5, 2}, turn);
          spec.keys = keys;
          spec.values = values;
          spec.scores = scores;
          spec.flat = flat;
          expect_like_reference(spec, turn++);
        });
      }
    }
  }
}

RC_GTEST_FIXTURE_PROP(AttendFormatsTest, AnyCase, ()) {
  const auto chance = [](int of) { return *rc::gen::inRange(0, of) == 0; };
  CaseSpec spec;
  spec.head_size = *rc::gen::oneOf(rc::gen::element(64, 80, 96, 128), rc::gen::inRange(1, 160));
  spec.slots = *rc::gen::oneOf(rc::gen::inRange(1, 140), rc::gen::inRange(1, 1100));
  spec.group = *rc::gen::inRange(1, 9);
  spec.keys = *rc::gen::elementOf(key_formats);
  spec.values = *rc::gen::elementOf(value_formats);
  if (chance(2)) spec.key_residual = *rc::gen::inRange(0, spec.slots + 1);
  if (chance(2)) spec.value_residual = *rc::gen::inRange(0, spec.slots + 1);
  if (chance(3)) spec.exact = *rc::gen::inRange(0, spec.slots + 1);
  spec.rotated = chance(3);
  spec.flat = chance(4);
  spec.compensation_slots = chance(3) ? *rc::gen::inRange(1, 70) : 0;
  spec.alibi = chance(3);
  spec.misaligned = chance(2);
  spec.scores = *rc::gen::element(Scores::ordinary, Scores::ordinary, Scores::equal, Scores::extreme,
                                  Scores::dominant, Scores::spread);
  expect_like_reference(spec, *rc::gen::arbitrary<uint32_t>());
  RC_ASSERT(!HasFailure());
}

}  // namespace
}  // namespace razorscope
