#include "policies/kernels/target.hpp"

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iostream>
#include <set>

#include "models/base/error.hpp"
#include "tests/kernel/head_case.hpp"

namespace razorscope {
namespace {

using testing::available_tables;
using testing::CaseNumbers;
using testing::CaseSpec;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;
using testing::HeadCase;
using testing::HeapMemory;

/// Tests in one process share the forced target: put it back.
class TargetTest : public ::testing::Test {
 protected:
  void TearDown() override { force_target(target_name(available_targets().back())); }
};

TEST_F(TargetTest, TheScalarTwinIsAlwaysThereAndFirst) {
  ASSERT_FALSE(available_targets().empty());
  EXPECT_EQ(available_targets().front(), Target::scalar);
}

TEST_F(TargetTest, EveryTargetHasItsOwnKernels) {
  std::set<const void*> attention;
  std::set<const void*> softmax;
  for (const KernelTable* table : available_tables()) {
    ASSERT_NE(table, nullptr);
    attention.insert(reinterpret_cast<const void*>(table->attend_piece));
    softmax.insert(reinterpret_cast<const void*>(table->softmax_row));
  }
  EXPECT_EQ(attention.size(), available_targets().size());
  // Without rows of bf16, avx512-bf16 is avx512.
  EXPECT_EQ(softmax.size(),
            available_targets().size() - (kernels_of(Target::avx512_bf16) != nullptr ? 1 : 0));
}

TEST_F(TargetTest, AForcedTargetIsReallyUsed) {
  CaseSpec spec;
  spec.slots = 200;
  spec.group = 3;
  spec.keys = spec.values = RowFormat::bf16;  // what targets differ in most
  const CaseNumbers numbers(spec, 1);
  for (const KernelTable* table : available_tables()) {
    force_target(target_name(table->target));
    EXPECT_EQ(active_target(), table->target);
    EXPECT_EQ(&active_kernels(), table);
    HeapMemory memory;
    const HeadCase direct(spec, numbers, memory);
    attend_group(*table, direct.view(), direct.query(), direct.output());
    const HeadCase active(spec, numbers, memory);
    attend_group(active.view(), active.query(), active.output());
    EXPECT_EQ(active.out(), direct.out());
    std::vector<float> row = numbers.q;
    std::vector<float> expected = numbers.q;
    softmax_row(row.data(), row.size(), 0.25F);
    table->softmax_row(expected.data(), expected.size(), 0.25F);
    EXPECT_EQ(row, expected);
  }
}

TEST_F(TargetTest, Avx512Bf16RoundsQueriesAndWeightsOfBf16RowsOnly) {
  if (kernels_of(Target::avx512_bf16) == nullptr) GTEST_SKIP() << "this processor lacks AVX512_BF16";
  const auto run = [](const char* target, RowFormat format, int head_size) {
    force_target(target);
    CaseSpec spec;
    spec.head_size = head_size;
    spec.slots = 200;
    spec.keys = spec.values = format;
    HeapMemory memory;
    const HeadCase head(spec, CaseNumbers(spec, 2), memory);
    attend_group(head.view(), head.query(), head.output());
    return std::pair(head.out(), head.scores());
  };
  for (const int head_size : {64, 96, 128, 256}) {
    const auto [plain, plain_scores] = run("avx512", RowFormat::bf16, head_size);
    const auto [rounded, rounded_scores] = run("avx512-bf16", RowFormat::bf16, head_size);
    EXPECT_NE(rounded, plain);
    EXPECT_GT(testing::worst_nmse(rounded_scores, plain_scores, plain_scores.size(), 1.0), 1e-8);
  }
  EXPECT_EQ(run("avx512-bf16", RowFormat::bf16, 80), run("avx512", RowFormat::bf16, 80)) << "no such kernel";
  for (const RowFormat format : {RowFormat::f32, RowFormat::f16, RowFormat::q8_0})
    EXPECT_EQ(run("avx512-bf16", format, 64), run("avx512", format, 64));
}

TEST_F(TargetTest, AnUnknownNameIsAnErrorThatNamesTheAllowedOnes) {
  force_target("scalar");
  for (const char* name : {"", "avx1024", "SCALAR ", "scalr"}) {
    try {
      force_target(name);
      FAIL() << name;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("--target"));
      for (const Target target : available_targets())
        EXPECT_THAT(error.what(), HasSubstr(std::string(target_name(target))));
    }
  }
  EXPECT_EQ(active_target(), Target::scalar) << "a refused name changes nothing";
}

// The environment is read once per process: each of these runs in a process of its own, which starts anew.
class TargetDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  void TearDown() override { GTEST_FLAG_SET(death_test_style, "fast"); }

  /// Exits with the target's number, or 100 with the error's text.
  [[noreturn]] static void exit_with_target(const char* wanted) {
    ::setenv("RAZORSCOPE_TARGET", wanted, 1);
    try {
      std::exit(static_cast<int>(active_target()));
    } catch (const InputError& error) {
      std::cerr << error.what() << '\n';
      std::exit(100);
    }
  }
};

TEST_F(TargetDeathTest, TheEnvironmentChoosesTheTarget) {
  for (const Target target : available_targets()) {
    EXPECT_EXIT(exit_with_target(std::string(target_name(target)).c_str()),
                ExitedWithCode(static_cast<int>(target)), "");
  }
}

TEST_F(TargetDeathTest, AnEmptyEnvironmentVariableMeansTheBest) {
  EXPECT_EXIT(exit_with_target(""), ExitedWithCode(static_cast<int>(available_targets().back())), "");
}

TEST_F(TargetDeathTest, AWrongEnvironmentVariableIsAnErrorThatNamesIt) {
  EXPECT_EXIT(exit_with_target("avx1024"), ExitedWithCode(100),
              "RAZORSCOPE_TARGET.*avx1024.*allowed: scalar");
}

}  // namespace
}  // namespace razorscope
