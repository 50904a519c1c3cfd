// Exact attention of prefill and of the uncompressed cache, against a twin in double precision.
#include "policies/kernels/prefill_attention.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <stdexcept>

#include "policies/cache/exact_memory.hpp"
#include "tests/support/omp_threads.hpp"

namespace razorscope {
namespace {

// Of a head's output, whose values are normal: sums in f32, and under ALiBi biases of up to 65, ulp(64)
// = 7.6e-6, that are added to the scores.
constexpr double allowed_error = 3e-5;

struct Case {
  int query_heads = 4;
  int kv_heads = 2;
  int head_size = 16;
  int tokens = 10;
  bool alibi = false;

  Shape shape() const {
    Shape shape;
    shape.layers = 1;
    shape.query_heads = query_heads;
    shape.kv_heads = kv_heads;
    shape.head_size = head_size;
    shape.score_scale = 1.0F / std::sqrt(static_cast<float>(head_size));
    if (alibi) {
      shape.position = PositionScheme::alibi;
      shape.alibi_slopes = alibi_slopes(query_heads, 8.0F);
    }
    return shape;
  }
};

/// Rows of q, k and v side by side, as the transformer has them.
class Sequence {
 public:
  Sequence(const Shape& shape, int tokens, uint32_t seed)
      : shape_(shape),
        stride_(static_cast<size_t>(shape.query_width() + 2 * shape.kv_width())),
        rows_(stride_ * static_cast<size_t>(tokens)) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (float& x : rows_) x = normal(random);
  }

  QueriesKeysValues block(int first, int tokens) const {
    const float* row = rows_.data() + static_cast<size_t>(first) * stride_;
    return {first,
            tokens,
            stride_,
            row,
            row + shape_.query_width(),
            row + shape_.query_width() + shape_.kv_width()};
  }
  float q(int token, int head, int i) const { return at(token, head * shape_.head_size + i); }
  float k(int token, int head, int i) const {
    return at(token, shape_.query_width() + head * shape_.head_size + i);
  }
  float v(int token, int head, int i) const {
    return at(token, shape_.query_width() + shape_.kv_width() + head * shape_.head_size + i);
  }

 private:
  float at(int token, int column) const {
    return rows_[static_cast<size_t>(token) * stride_ + static_cast<size_t>(column)];
  }

  Shape shape_;
  size_t stride_;
  std::vector<float> rows_;
};

/// softmax(q·k·scale - slope·distance)·v in double precision, of one token and query head.
std::vector<double> twin(const Shape& shape, const Sequence& sequence, int token, int head) {
  const int kv_head = head / shape.group_size();
  const double slope = shape.alibi_slopes.empty() ? 0.0 : shape.alibi_slopes[static_cast<size_t>(head)];
  std::vector<double> scores;
  double largest = -1e300;
  for (int n = 0; n <= token; ++n) {
    double dot = 0.0;
    for (int i = 0; i < shape.head_size; ++i)
      dot += static_cast<double>(sequence.q(token, head, i)) * sequence.k(n, kv_head, i);
    scores.push_back(dot * shape.score_scale - slope * (token - n));
    largest = std::max(largest, scores.back());
  }
  std::vector<double> out(static_cast<size_t>(shape.head_size), 0.0);
  double total = 0.0;
  for (int n = 0; n <= token; ++n) {
    const double weight = std::exp(scores[static_cast<size_t>(n)] - largest);
    total += weight;
    for (int i = 0; i < shape.head_size; ++i)
      out[static_cast<size_t>(i)] += weight * sequence.v(n, kv_head, i);
  }
  for (double& x : out) x /= total;
  return out;
}

/// out: rows of tokens first .. last - 1.
void expect_like_twin(const Shape& shape, const Sequence& sequence, int first, int last,
                      const std::vector<float>& out) {
  for (int token = first; token < last; ++token) {
    for (int head = 0; head < shape.query_heads; ++head) {
      const std::vector<double> expected = twin(shape, sequence, token, head);
      const float* row =
          out.data() + static_cast<ptrdiff_t>(token - first) * shape.query_width() + head * shape.head_size;
      double difference = 0.0;
      double norm = 0.0;
      const double expected_norm = static_cast<double>(shape.head_size) / (token + 1);
      for (size_t i = 0; i < expected.size(); ++i) {
        difference += (row[i] - expected[i]) * (row[i] - expected[i]);
        norm += expected[i] * expected[i];
      }
      ASSERT_LE(std::sqrt(difference / std::max(norm, expected_norm)), allowed_error)
          << "token " << token << ", head " << head;
    }
  }
}

/// The outputs of all tokens, read in chunks of the given lengths.
std::vector<float> run(const Shape& shape, const Sequence& sequence, const std::vector<int>& chunks,
                       int capacity) {
  ExactMemory memory(shape, capacity);
  std::vector<float> all;
  int first = 0;
  for (const int tokens : chunks) {
    std::vector<float> out(static_cast<size_t>(tokens * shape.query_width()), -1.0F);
    memory.prefill(0, sequence.block(first, tokens), out.data());
    all.insert(all.end(), out.begin(), out.end());
    first += tokens;
  }
  return all;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const bool alibi : {false, true}) {
    for (const auto& [query_heads, kv_heads] : {std::pair{1, 1}, {4, 4}, {6, 2}, {5, 1}}) {
      for (const int head_size : {1, 7, 32}) {
        for (const int tokens : {1, 2, 63, 64, 65, 130})
          all.push_back({query_heads, kv_heads, head_size, tokens, alibi});
      }
    }
  }
  return all;
}

/// On one thread: the work is too small for more.
class PrefillAttentionTest : public ::testing::Test {
 private:
  testing::OmpThreads one_{1};
};
using ExactMemoryTest = PrefillAttentionTest;

TEST_F(PrefillAttentionTest, EqualsTheTwin) {
  uint32_t seed = 1;
  for (const Case& wanted : cases()) {
    const Shape shape = wanted.shape();
    const Sequence sequence(shape, wanted.tokens, seed++);
    SCOPED_TRACE(::testing::Message()
                 << wanted.query_heads << "/" << wanted.kv_heads << " heads of " << wanted.head_size
                 << ", tokens " << wanted.tokens << ", alibi " << wanted.alibi);
    expect_like_twin(shape, sequence, 0, wanted.tokens,
                     run(shape, sequence, {wanted.tokens}, wanted.tokens + 3));
  }
}

TEST_F(PrefillAttentionTest, EqualsTheTwinAcrossChunks) {
  for (const bool alibi : {false, true}) {
    const Shape shape = Case{.query_heads = 6, .kv_heads = 3, .head_size = 20, .alibi = alibi}.shape();
    for (const std::vector<int>& chunks :
         {std::vector{1, 1, 1}, {64, 64}, {63, 2, 64}, {100, 1, 70}, {1, 128, 1}, {65, 65, 65}}) {
      int tokens = 0;
      for (const int chunk : chunks) tokens += chunk;
      const Sequence sequence(shape, tokens, 99);
      expect_like_twin(shape, sequence, 0, tokens, run(shape, sequence, chunks, tokens));
    }
  }
}

TEST_F(PrefillAttentionTest, GivesTheSameBitsForOneAndTwoThreads) {
  for (const bool alibi : {false, true}) {
    const Shape shape = Case{.query_heads = 6, .kv_heads = 2, .head_size = 64, .alibi = alibi}.shape();
    const Sequence sequence(shape, 300, 5);
    const std::vector<float> one = run(shape, sequence, {200, 100}, 300);
    const testing::OmpThreads both(2);
    const std::vector<float> two = run(shape, sequence, {200, 100}, 300);
    EXPECT_EQ(one, two);
  }
}

TEST_F(ExactMemoryTest, StepsEqualTheTwinAfterAPrefill) {
  for (const bool alibi : {false, true}) {
    const Shape shape = Case{.query_heads = 6, .kv_heads = 2, .head_size = 24, .alibi = alibi}.shape();
    const Sequence sequence(shape, 90, 11);
    ExactMemory memory(shape, 90);
    std::vector<float> out(static_cast<size_t>(70 * shape.query_width()));
    memory.prefill(0, sequence.block(0, 70), out.data());
    for (int token = 70; token < 90; ++token) {
      std::vector<float> row(static_cast<size_t>(shape.query_width()));
      memory.step(0, sequence.block(token, 1), row.data());
      expect_like_twin(shape, sequence, token, token + 1, row);
    }
  }
}

TEST_F(ExactMemoryTest, RefusesMoreTokensThanItsCapacity) {
  const Shape shape = Case{}.shape();
  const Sequence sequence(shape, 10, 3);
  ExactMemory memory(shape, 6);
  std::vector<float> out(static_cast<size_t>(10 * shape.query_width()));
  EXPECT_THROW(memory.prefill(0, sequence.block(0, 7), out.data()), std::length_error);
  memory.prefill(0, sequence.block(0, 6), out.data());
  EXPECT_THROW(memory.step(0, sequence.block(6, 1), out.data()), std::length_error);
}

}  // namespace
}  // namespace razorscope
