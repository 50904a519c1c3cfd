#pragma once

#include <gtest/gtest.h>

#include "policies/kernels/bf16_dots.hpp"
#include "policies/kernels/byte_dots.hpp"
#include "tests/kernel/head_case.hpp"
#include "tests/kernel/reference_attention.hpp"

namespace razorscope::testing {

/// What attention over rows of a format may differ from the same in double precision: normalised mean squared
/// errors of a query head's scores and output. All read the same stored rows, so the rounding of the format
/// is not in it.
struct Tolerance {
  double scores;  // of keys; the output's error by them is as large where scores are about normal
  double values;  // of the output, by values; such as these tests have, whose scales differ by little
};

/// Limits are two to four times the worst over all cases of the tests here.
inline Tolerance tolerance_of(RowFormat format, bool bf16_products) {
  switch (format) {
    case RowFormat::bf16:
      // Queries and weights are rounded to bf16, by up to 2^-9.
      if (bf16_products) return {4e-5, 1e-5};
      [[fallthrough]];
    case RowFormat::f32:
    case RowFormat::f16:
    case RowFormat::fp8_e4m3:
      return {3e-13, 1.5e-11};  // sums in f32
    // A query is rounded to 1/32767 of its largest element, a weight times its scale to 1/32767 of the
    // largest such product. Codes without a sign are larger beside the numbers that they stand for.
    case RowFormat::q8_0:
      return {1.5e-8, 5e-8};
    case RowFormat::q4_0:
      return {1.5e-8, 8e-8};
    case RowFormat::int8_token:
      return {1.5e-8, 3e-8};
    case RowFormat::q4_1:
    case RowFormat::kivi4_values:
    case RowFormat::kivi2_values:
      return {1.5e-8, 1e-6};
    // A query times the channels' scales is rounded so.
    case RowFormat::kivi4_keys:
    case RowFormat::kivi2_keys:
      return {1e-7, 0.0};
  }
  return {};
}

/// The same where queries and weights are rounded to 8 bits: a query to 1/127 of its largest element, a
/// weight times its scale to 1/127 of the largest such product among 64 tokens. The worst of a single slot's
/// score, or of an output that a few slots make, is ten times what is usual.
constexpr Tolerance byte_tolerance = {1.2e-3, 1.2e-3};

/// What a target's results may differ by, given the products that it has and those that were asked for.
inline Tolerance tolerance_of(const CaseSpec& spec, RowFormat format, Target target, bool byte_products) {
  const auto d = static_cast<size_t>(spec.head_size);
  const bool vnni =
      (target == Target::avx512 || target == Target::avx512_bf16) && vnni_byte_dots() != nullptr;
  if (byte_products && vnni && byte_dots_know(format, d)) return byte_tolerance;
  return tolerance_of(format, target == Target::avx512_bf16 && bf16_dots_know(d));
}

/// A target's results against the reference.
inline void expect_close(const CaseSpec& spec, Target target, const HeadView& head,
                         const ReferenceAttention& expected, const GroupOutput& output,
                         bool byte_products = false) {
  const Tolerance keys = tolerance_of(spec, spec.keys, target, byte_products);
  const Tolerance values = tolerance_of(spec, spec.values, target, byte_products);
  const auto d = static_cast<size_t>(spec.head_size);
  const auto entries = static_cast<size_t>(head.entries());
  // Under ALiBi, scores are rounded with their shift by the position, and a compensation slot's bias and
  // shift may be hundreds each: their sum is rounded at that size (ulp(256) = 3e-5).
  const bool large_bias = spec.alibi && spec.compensation_slots > 0;
  const double shift = large_bias ? 1e-8 : spec.alibi ? 2e-11 : 0.0;
  const double log_shift = large_bias ? 5e-5 : 1e-6;
  // The error of one element may be some times that of the mean one.
  const double few = d < 8 ? 4.0 : 1.0;
  for (size_t g = 0; g < static_cast<size_t>(spec.group); ++g) {
    const auto row = [g](const auto* all, size_t width) {
      return std::vector(all + g * width, all + (g + 1) * width);
    };
    const auto nmse = [&](const float* got, const std::vector<double>& all, size_t width, double size) {
      return worst_nmse(row(got, width), row(all.data(), width), width, size);
    };
    EXPECT_LE(nmse(output.scores, expected.scores, entries, expected.score_size[g]), keys.scores);
    // A weight's relative error is its score's absolute one.
    const double score_error = keys.scores * std::max(1.0, expected.score_size[g]);
    EXPECT_LE(nmse(output.out, expected.out, d, expected.out_size[g]),
              few * (values.values + score_error) + shift);
    EXPECT_LE(worst_difference(row(output.log_sum, 1), row(expected.log_sums.data(), 1)),
              log_shift + std::sqrt(score_error));
  }
}

/// All targets, the scalar twin among them.
inline void expect_like_reference(const CaseSpec& spec, uint32_t seed) {
  SCOPED_TRACE(spec.text());
  const CaseNumbers numbers(spec, seed);
  HeapMemory memory;
  const HeadCase ours(spec, numbers, memory);
  const ReferenceAttention expected(ours.view(), ours.query());
  for (const KernelTable* table : available_tables()) {
    SCOPED_TRACE(target_name(table->target));
    for (const bool byte_products : {false, true}) {
      SCOPED_TRACE(byte_products ? "products of bytes" : "as codes are");
      GroupQuery query = ours.query();
      query.byte_products = byte_products;
      ours.clear();
      attend_group(*table, ours.view(), query, ours.output());
      expect_close(spec, table->target, ours.view(), expected, ours.output(), byte_products);
    }
  }
  EXPECT_TRUE(memory.canaries_live());
}

}  // namespace razorscope::testing
