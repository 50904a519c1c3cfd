// Softmax weights summed over queries: what the prefill adds up on its way, what attention_columns computes
// from stored rows, and a twin in double precision.
#include "policies/kernels/column_sums.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

#include "policies/cache/exact_memory.hpp"
#include "policies/kernels/attention_columns.hpp"
#include "tests/support/omp_threads.hpp"

namespace razorscope {
namespace {

// Of a column: weights in f32, relative error about 1e-6 each, and under ALiBi biases that are added to
// scores.
constexpr double allowed_error = 1e-5;

Shape shape_of(bool alibi) {
  Shape shape;
  shape.layers = 1;
  shape.query_heads = 6;
  shape.kv_heads = 2;
  shape.head_size = 20;
  shape.score_scale = 1.0F / std::sqrt(20.0F);
  if (alibi) {
    shape.position = PositionScheme::alibi;
    shape.alibi_slopes = alibi_slopes(shape.query_heads, 8.0F);
  }
  return shape;
}

/// Rows of q, k and v side by side, as the transformer has them.
struct Sequence {
  Sequence(const Shape& shape, int tokens) : rows(static_cast<size_t>(tokens), stride_of(shape)) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < rows.values.size(); ++i) rows.values[i] = normal(random);
  }
  static size_t stride_of(const Shape& shape) {
    return static_cast<size_t>(shape.query_width() + 2 * shape.kv_width());
  }
  QueriesKeysValues block(const Shape& shape, int first, int tokens) const {
    const float* row = rows.row(static_cast<size_t>(first));
    return {first,
            tokens,
            rows.columns,
            row,
            row + shape.query_width(),
            row + shape.query_width() + shape.kv_width()};
  }
  Matrix rows;
};

std::vector<double> twin(const Shape& shape, const Sequence& sequence, int begin, int end) {
  const QueriesKeysValues all = sequence.block(shape, 0, end);
  std::vector<double> sums(static_cast<size_t>(shape.query_heads * end), 0.0);
  for (int head = 0; head < shape.query_heads; ++head) {
    const double slope = shape.alibi_slopes.empty() ? 0.0 : shape.alibi_slopes[static_cast<size_t>(head)];
    for (int m = begin; m < end; ++m) {
      std::vector<double> weights;
      for (int n = 0; n <= m; ++n) {
        double dot = 0.0;
        for (int i = 0; i < shape.head_size; ++i) {
          const ptrdiff_t kv_head = head / shape.group_size();
          dot +=
              static_cast<double>(all.q[static_cast<size_t>(m) * all.stride + head * shape.head_size + i]) *
              all.k[static_cast<size_t>(n) * all.stride + kv_head * shape.head_size + i];
        }
        weights.push_back(std::exp(dot * shape.score_scale - slope * (m - n)));
      }
      double total = 0.0;
      for (const double weight : weights) total += weight;
      for (int n = 0; n <= m; ++n)
        sums[static_cast<size_t>(head * end + n)] += weights[static_cast<size_t>(n)] / total;
    }
  }
  return sums;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0.0;
  for (size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(a[i] - b[i]) / std::max(1.0, b[i]));
  return largest;
}

/// What a prefill in chunks sums; a chunk of one token goes through `step`, as the transformer does it.
std::vector<double> prefill_columns(const Shape& shape, const Sequence& sequence,
                                    const std::vector<int>& chunks, int begin, int end) {
  int tokens = 0;
  for (const int chunk : chunks) tokens += chunk;
  ExactMemory memory(shape, tokens);
  memory.sum_columns(begin, end);
  const int last = end - 1;  // several sums at a time do not mix
  if (last != begin) memory.sum_columns(last, end);
  int first = 0;
  for (const int chunk : chunks) {
    std::vector<float> out(static_cast<size_t>(chunk * shape.query_width()));
    const QueriesKeysValues block = sequence.block(shape, first, chunk);
    if (chunk == 1 && first > 0) {
      memory.step(0, block, out.data());
    } else {
      memory.prefill(0, block, out.data());
    }
    first += chunk;
  }
  if (last != begin) {
    EXPECT_LE(largest_difference(memory.take_columns(0, last), twin(shape, sequence, last, end)),
              allowed_error);
  }
  return memory.take_columns(0, begin);
}

TEST(ColumnSumsTest, OfAPrefillEqualTheTwinAndThoseOfStoredRows) {
  const testing::OmpThreads one(1);
  for (const bool alibi : {false, true}) {
    const Shape shape = shape_of(alibi);
    const Sequence sequence(shape, 700);
    struct Case {
      std::vector<int> chunks;
      int begin;
      int end;
    };
    for (const Case& c : {Case{{1}, 0, 1}, Case{{10}, 3, 10}, Case{{64, 64}, 0, 128}, Case{{100, 1}, 0, 101},
                          Case{{130, 70}, 65, 200}, Case{{200, 1, 20}, 190, 201}, Case{{700}, 0, 700},
                          Case{{600, 100}, 636, 700}}) {
      const std::vector<double> expected = twin(shape, sequence, c.begin, c.end);
      EXPECT_LE(largest_difference(prefill_columns(shape, sequence, c.chunks, c.begin, c.end), expected),
                allowed_error)
          << c.begin << " to " << c.end << ", alibi " << alibi;
      const QueriesKeysValues all = sequence.block(shape, 0, c.end);
      const auto d = static_cast<size_t>(shape.head_size);
      const std::vector<double> stored =
          attention_columns(shape, {all.q, all.stride, d}, {all.k, all.stride, d}, c.begin, c.end, c.end);
      EXPECT_LE(largest_difference(stored, expected), allowed_error);
    }
  }
}

TEST(ColumnSumsTest, LeaveOutWhatFallsBehindTheColumns) {
  const testing::OmpThreads one(1);
  const Shape shape = shape_of(false);
  const Sequence sequence(shape, 90);
  const QueriesKeysValues all = sequence.block(shape, 0, 90);
  const std::vector<double> whole = twin(shape, sequence, 70, 90);
  const std::vector<double> part =
      attention_columns(shape, {all.q, all.stride, 20}, {all.k, all.stride, 20}, 70, 90, 33);
  for (int head = 0; head < shape.query_heads; ++head) {
    for (int n = 0; n < 33; ++n)
      EXPECT_NEAR(part[static_cast<size_t>(head * 33 + n)], whole[static_cast<size_t>(head * 90 + n)],
                  allowed_error);
  }
}

TEST(ColumnSumsTest, AreTheSameBitsForOneAndTwoThreads) {
  const Shape shape = shape_of(true);
  const Sequence sequence(shape, 650);
  std::vector<std::vector<double>> sums;
  for (const int count : {1, 2}) {
    const testing::OmpThreads threads(count);
    sums.push_back(prefill_columns(shape, sequence, {600, 50}, 0, 650));
    const QueriesKeysValues all = sequence.block(shape, 0, 650);
    sums.push_back(attention_columns(shape, {all.q, all.stride, 20}, {all.k, all.stride, 20}, 0, 650, 650));
  }
  EXPECT_EQ(sums[0], sums[2]);
  EXPECT_EQ(sums[1], sums[3]);
}

}  // namespace
}  // namespace razorscope
