// window/slot-positions: keys held before RoPE stand at their slots' indices.
#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <vector>

#include "models/language/rope.hpp"
#include "policies/cache/layer_cache.hpp"
#include "tests/support/expect_input_error.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;

constexpr int head_size = 16;
constexpr int group = 2;

Shape rope_shape(RopePairing pairing) {
  Shape shape;
  shape.layers = 1;
  shape.kv_heads = 1;
  shape.query_heads = group;
  shape.head_size = head_size;
  shape.score_scale = 0.25F;
  shape.rope.dimensions = 12;  // fewer than the head has
  shape.rope.pairing = pairing;
  return shape;
}

std::vector<float> random_rows(std::mt19937& random, int rows) {
  std::normal_distribution<float> normal;
  std::vector<float> out(static_cast<size_t>(rows) * head_size);
  for (float& x : out) x = 2.0F * normal(random);
  return out;
}

/// Tokens before RoPE, of which caches are fed any subset at any positions.
class Tokens {
 public:
  Tokens(const Shape& shape, int count) : rope_(shape.rope, head_size) {
    std::mt19937 random(7);
    for (int i = 0; i < count; ++i) {
      keys_.push_back(random_rows(random, 1));
      values_.push_back(random_rows(random, 1));
      queries_.push_back(random_rows(random, group));
    }
  }

  std::vector<float> key(int token, int position) const { return rotated(keys_[at(token)], 1, position); }
  std::vector<float> query(int token, int position) const {
    return rotated(queries_[at(token)], group, position);
  }
  const std::vector<float>& value(int token) const { return values_[at(token)]; }

  /// Exact attention of a token over `held` (it is the last of them), with positions 0, 1, 2, ...
  std::vector<float> attention_over(const Shape& shape, const std::vector<int32_t>& held) const {
    AllocationCounter counter;
    const PolicyRun run(Policy::parse("full+f32"), {.shape = shape, .prefix = 1});
    LayerCache cache(run, 0, counter);
    const std::vector<float> first = key(held.front(), 0);
    PrefixView prefix;
    prefix.keys = {first.data(), head_size, head_size};
    prefix.values = {value(held.front()).data(), head_size, head_size};
    cache.compress(prefix, 1);
    for (size_t i = 1; i < held.size(); ++i) {
      const auto position = static_cast<int>(i);
      cache.append(position, key(held[i], position).data(), value(held[i]).data());
    }
    const auto last = static_cast<int>(held.size()) - 1;
    return attend(cache, shape, query(held.back(), last), last);
  }

  static std::vector<float> attend(LayerCache& cache, const Shape& shape, const std::vector<float>& query,
                                   int position) {
    std::vector<float> out(static_cast<size_t>(group) * head_size);
    GroupQuery asked;
    asked.group = group;
    asked.q = query.data();
    asked.scale = shape.score_scale;
    asked.position = position;
    cache.attend(0, asked, {out.data(), nullptr, nullptr});
    return out;
  }

 private:
  static size_t at(int token) { return static_cast<size_t>(token); }
  std::vector<float> rotated(std::vector<float> rows, int heads, int position) const {
    rope_.rotate(rows.data(), heads, rope_.angles(position, 1).row(0));
    return rows;
  }

  Rope rope_;
  std::vector<std::vector<float>> keys_;
  std::vector<std::vector<float>> values_;
  std::vector<std::vector<float>> queries_;
};

double relative_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0.0;
  double norm = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - b[i], 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / norm);
}

class SlotPositionsTest : public ::testing::TestWithParam<RopePairing> {};

/// What a head holds attends as if nothing else had ever been there: as full does over those tokens alone.
TEST_P(SlotPositionsTest, EqualsExactAttentionOverWhatIsHeldAtContiguousPositions) {
  constexpr int prefix = 700;  // beyond one block of the rotation's tables
  constexpr int steps = 40;
  const Shape shape = rope_shape(GetParam());
  const Tokens tokens(shape, prefix + steps);
  std::vector<float> keys;
  std::vector<float> values;
  for (int t = 0; t < prefix; ++t) {
    const std::vector<float> key = tokens.key(t, t);
    keys.insert(keys.end(), key.begin(), key.end());
    values.insert(values.end(), tokens.value(t).begin(), tokens.value(t).end());
  }
  for (const char* policy : {"window/slot-positions:sinks=3,recent=9,when=every-step+f32",
                             "window/slot-positions:sinks=0,recent=1,when=every-step+f32",
                             "window/slot-positions:sinks=3,recent=640,when=after-prefill+f32"}) {
    SCOPED_TRACE(policy);
    AllocationCounter counter;
    const PolicyRun run(Policy::parse(policy), {.shape = shape, .prefix = prefix});
    LayerCache cache(run, 0, counter);
    PrefixView view;
    view.keys = {keys.data(), head_size, head_size};
    view.values = {values.data(), head_size, head_size};
    cache.compress(view, prefix);
    for (int position = prefix; position < prefix + steps; ++position) {
      cache.append(position, tokens.key(position, position).data(), tokens.value(position).data());
      const std::vector<float> ours =
          Tokens::attend(cache, shape, tokens.query(position, position), position);
      EXPECT_LT(relative_difference(ours, tokens.attention_over(shape, cache.head(0).sorted_positions())),
                1e-5);
      cache.end_step(position);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Pairings, SlotPositionsTest,
                         ::testing::Values(RopePairing::half, RopePairing::interleaved),
                         [](const auto& pairing) {
                           return std::string(pairing.param == RopePairing::half ? "Half" : "Interleaved");
                         });

TEST(SlotPositionsErrorTest, UnderAlibiIsAUsageErrorThatNamesTheReason) {
  Shape shape = rope_shape(RopePairing::half);
  shape.position = PositionScheme::alibi;
  shape.alibi_slopes = alibi_slopes(group, 8.0F);
  const SelectionContext context{.shape = shape, .prefix = 10};
  expect_input_error([&] { Policy::parse("window/slot-positions").make_selection(context); },
                     {"window/slot-positions", "ALiBi", "RoPE", "window/original-positions"});
  EXPECT_NO_THROW(Policy::parse("window").make_selection(context));
}

}  // namespace
}  // namespace razorscope
