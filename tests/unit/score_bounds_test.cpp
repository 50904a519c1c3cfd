#include "models/trace/score_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>
#include <vector>

#include "tests/support/random_model.hpp"

namespace razorscope {
namespace {

using testing::RandomFloats;
using Row = std::vector<double>;

constexpr int hidden = 48;
constexpr int query_heads = 4;
constexpr int kv_heads = 2;
constexpr int head_size = 8;

Shape shape_of(int layers = 1) {
  Shape shape;
  shape.architecture = "mpt";
  shape.layers = layers;
  shape.query_heads = query_heads;
  shape.kv_heads = kv_heads;
  shape.head_size = head_size;
  shape.hidden = hidden;
  shape.norm = NormKind::layer;
  shape.score_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_size)));
  return shape;
}

Floats floats_of(const std::vector<float>& values) {
  Floats floats(values.size());
  std::copy(values.begin(), values.end(), floats.data());
  return floats;
}

/// What bounds are made of, before it is packed.
struct PlainLayer {
  NormWeights attention_norm;
  Matrix qkv;
};

PlainLayer random_layer(RandomFloats& random, bool biased) {
  PlainLayer layer;
  layer.attention_norm.scale = floats_of(random.vector(hidden, 1.5F, 0.5F));
  if (biased) layer.attention_norm.bias = floats_of(random.vector(hidden, 0.5F));
  layer.qkv = Matrix((query_heads + 2 * kv_heads) * head_size, hidden);
  const std::vector<float> values = random.vector(layer.qkv.values.size(), 0.3F);
  std::copy(values.begin(), values.end(), layer.qkv.data());
  return layer;
}

double dot(const Row& a, const Row& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

/// γ ⊙ x̂ + b, without an epsilon: the largest that LayerNorm can give.
Row normalised(Row x, const NormWeights& norm) {
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / hidden;
  for (double& a : x) a -= mean;
  const double deviation = std::sqrt(dot(x, x) / hidden);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = x[i] / deviation * static_cast<double>(norm.scale[i]) +
           (norm.bias.empty() ? 0.0 : static_cast<double>(norm.bias[i]));
  }
  return x;
}

/// Rows [first, first + head_size) of the fused matrix times x.
Row projected(const PlainLayer& layer, int first, const Row& x) {
  Row y;
  for (int i = 0; i < head_size; ++i) {
    const float* row = layer.qkv.row(static_cast<size_t>(first + i));
    y.push_back(std::inner_product(x.begin(), x.end(), row, 0.0));
  }
  return y;
}

/// The transposed rows times y.
Row lifted(const PlainLayer& layer, int first, const Row& y) {
  Row x(hidden, 0.0);
  for (int i = 0; i < head_size; ++i) {
    for (size_t j = 0; j < x.size(); ++j) {
      x[j] +=
          y[static_cast<size_t>(i)] * static_cast<double>(layer.qkv.row(static_cast<size_t>(first + i))[j]);
    }
  }
  return x;
}

int query_row(int head) { return head * head_size; }
int key_row(int head) { return (query_heads + head / (query_heads / kv_heads)) * head_size; }

/// |q·k|·scale of a head for the inputs x of the query and y of the key, before the norm.
double score(const PlainLayer& layer, int head, const Row& x, const Row& y) {
  const Row q = projected(layer, query_row(head), normalised(x, layer.attention_norm));
  const Row k = projected(layer, key_row(head), normalised(y, layer.attention_norm));
  return std::abs(dot(q, k)) / std::sqrt(static_cast<double>(head_size));
}

struct Singular {
  Row query;  // inputs of unit length that give the largest product
  Row key;
  double value = 0.0;
};

/// The largest singular value of W_Qᵀ W_K by power iteration.
Singular top_singular(const PlainLayer& layer, int head) {
  RandomFloats random(99);
  Singular top;
  top.key.resize(hidden);
  for (double& a : top.key) a = static_cast<double>(random.next());
  for (int i = 0; i < 2000; ++i) {
    const auto unit = [](Row x) {
      const double length = std::sqrt(dot(x, x));
      for (double& a : x) a /= length;
      return x;
    };
    const Row query = lifted(layer, query_row(head), projected(layer, key_row(head), top.key));
    top.query = unit(query);
    const Row key = lifted(layer, key_row(head), projected(layer, query_row(head), top.query));
    top.value = std::sqrt(dot(key, key));
    top.key = unit(key);
  }
  return top;
}

void add_layer(Weights& weights, const PlainLayer& layer) {
  LayerWeights& added = weights.layers.emplace_back();
  const auto copy = [](const Floats& floats) {
    return floats_of({floats.data(), floats.data() + floats.size()});
  };
  added.attention_norm = {copy(layer.attention_norm.scale), copy(layer.attention_norm.bias)};
  added.qkv = PackedWeights(layer.qkv, Compute::f32);
}

Weights weights_of(const PlainLayer& layer) {
  Weights weights;
  add_layer(weights, layer);
  return weights;
}

TEST(ScoreBoundsTest, HoldForRandomAndForAdversarialInputs) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    RandomFloats random(seed);
    const PlainLayer layer = random_layer(random, seed % 2 == 0);
    const Weights weights = weights_of(layer);
    const ScoreBounds bounds = weight_score_bounds(shape_of(), weights);
    ASSERT_EQ(bounds.norm_bound.size(), static_cast<size_t>(query_heads));
    for (int head = 0; head < query_heads; ++head) {
      const double bound = bounds.norm_bound[static_cast<size_t>(head)];
      double largest = 0.0;
      const auto draw = [&](float spike) {
        Row x(hidden);
        for (double& a : x) a = static_cast<double>(random.next());
        x[static_cast<size_t>((random.next() + 1.0F) * 0.499F * hidden)] *= static_cast<double>(spike);
        return x;
      };
      for (int i = 0; i < 2000; ++i) {
        largest = std::max(largest, score(layer, head, draw(i % 2 == 0 ? 1.0F : 100.0F), draw(1.0F)));
      }
      // Inputs whose normalised form points along the top singular directions, with γ undone, and bias or
      // not.
      const Singular top = top_singular(layer, head);
      const auto undone = [&](Row x) {
        for (size_t i = 0; i < x.size(); ++i) x[i] /= static_cast<double>(layer.attention_norm.scale[i]);
        return x;
      };
      for (const Row& x : {top.query, undone(top.query)}) {
        for (const Row& y : {top.key, undone(top.key)}) largest = std::max(largest, score(layer, head, x, y));
      }
      EXPECT_LE(largest, bound) << "head " << head << ", seed " << seed;
      EXPECT_GE(largest, bound / 50.0) << "a bound that says nothing";
    }
  }
}

TEST(ScoreBoundsTest, AreWhatTheFormulaSays) {
  RandomFloats random(5);
  const PlainLayer layer = random_layer(random, true);
  const Weights weights = weights_of(layer);
  const ScoreBounds bounds = weight_score_bounds(shape_of(), weights);
  double largest = 0.0;
  double squares = 0.0;
  double bias_squares = 0.0;
  for (size_t i = 0; i < hidden; ++i) {
    const auto gamma = static_cast<double>(layer.attention_norm.scale[i]);
    const auto bias = static_cast<double>(layer.attention_norm.bias[i]);
    largest = std::max(largest, std::abs(gamma));
    squares += gamma * gamma;
    bias_squares += bias * bias;
  }
  const double input = largest * std::sqrt(static_cast<double>(hidden)) + std::sqrt(bias_squares);
  for (int head = 0; head < query_heads; ++head) {
    const double sigma = top_singular(layer, head).value;
    const auto h = static_cast<size_t>(head);
    EXPECT_NEAR(bounds.norm_bound[h] / (sigma * input * input / std::sqrt(static_cast<double>(head_size))),
                1.0, 1e-6);
    EXPECT_NEAR(bounds.paper[h] / (sigma * (squares + bias_squares)), 1.0, 1e-6);
  }
}

TEST(ScoreBoundsTest, AreMetWhereLayerNormLeavesTheTopDirectionsAlone) {
  RandomFloats random(8);
  PlainLayer layer = random_layer(random, false);
  layer.attention_norm.scale = floats_of(std::vector<float>(hidden, 2.0F));
  // Rows without a mean: the top directions have none either, so that centring does not move them.
  for (size_t r = 0; r < layer.qkv.rows; ++r) {
    float* row = layer.qkv.row(r);
    const float mean = std::accumulate(row, row + hidden, 0.0F) / hidden;
    for (int i = 0; i < hidden; ++i) row[i] -= mean;
  }
  const Weights weights = weights_of(layer);
  const ScoreBounds bounds = weight_score_bounds(shape_of(), weights);
  for (int head = 0; head < query_heads; ++head) {
    const Singular top = top_singular(layer, head);
    EXPECT_NEAR(score(layer, head, top.query, top.key) / bounds.norm_bound[static_cast<size_t>(head)], 1.0,
                1e-4);
  }
}

TEST(ScoreBoundsTest, AsThePaperPrintsThemAreNoBounds) {
  // One channel stands out in γ, and queries and keys read that channel alone.
  RandomFloats random(1);
  PlainLayer layer = random_layer(random, false);
  std::vector<float> gamma(hidden, 0.01F);
  gamma[7] = 3.0F;
  layer.attention_norm.scale = floats_of(gamma);
  for (size_t r = 0; r < layer.qkv.rows; ++r) {
    std::fill_n(layer.qkv.row(r), hidden, 0.0F);
    layer.qkv.row(r)[7] = r % head_size == 0 ? 1.0F : 0.0F;
  }
  const Weights weights = weights_of(layer);
  const ScoreBounds bounds = weight_score_bounds(shape_of(), weights);
  Row spike(hidden, 0.0);
  spike[7] = 1.0;
  for (int head = 0; head < query_heads; ++head) {
    const double reached = score(layer, head, spike, spike);
    EXPECT_GT(reached, 1.5 * bounds.paper[static_cast<size_t>(head)]);
    EXPECT_LE(reached, bounds.norm_bound[static_cast<size_t>(head)]);
  }
}

TEST(ScoreBoundsTest, AreGivenLayerByLayer) {
  RandomFloats random(2);
  Weights weights;
  add_layer(weights, random_layer(random, false));
  add_layer(weights, random_layer(random, false));
  const ScoreBounds both = weight_score_bounds(shape_of(2), weights);
  ASSERT_EQ(both.norm_bound.size(), 2U * query_heads);
  ASSERT_EQ(both.paper.size(), 2U * query_heads);
  weights.layers.erase(weights.layers.begin());
  const ScoreBounds second = weight_score_bounds(shape_of(1), weights);
  EXPECT_TRUE(
      std::equal(second.norm_bound.begin(), second.norm_bound.end(), both.norm_bound.begin() + query_heads));
}

TEST(ScoreBoundsTest, HoldWhereAHeadIsWiderThanTheModel) {
  Shape shape = shape_of();
  shape.hidden = 6;
  RandomFloats random(4);
  PlainLayer layer;
  layer.attention_norm.scale = floats_of(std::vector<float>(6, 1.0F));
  layer.qkv = Matrix((query_heads + 2 * kv_heads) * head_size, 6);
  const std::vector<float> values = random.vector(layer.qkv.values.size(), 1.0F);
  std::copy(values.begin(), values.end(), layer.qkv.data());
  const Weights weights = weights_of(layer);
  const ScoreBounds bounds = weight_score_bounds(shape, weights);
  const auto unit_score = [&](const Row& x, const Row& y) {
    double sum = 0.0;
    for (int i = 0; i < head_size; ++i) {
      sum += std::inner_product(x.begin(), x.end(), layer.qkv.row(static_cast<size_t>(i)), 0.0) *
             std::inner_product(y.begin(), y.end(), layer.qkv.row(static_cast<size_t>(key_row(0) + i)), 0.0);
    }
    return std::abs(sum) / std::sqrt(dot(x, x) * dot(y, y));
  };
  double largest = 0.0;
  for (int i = 0; i < 20000; ++i) {
    Row x(6);
    Row y(6);
    for (double& a : x) a = static_cast<double>(random.next());
    for (double& a : y) a = static_cast<double>(random.next());
    largest = std::max(largest, unit_score(x, y));
  }
  const double sigma = bounds.norm_bound[0] / 6.0 / static_cast<double>(shape.score_scale);
  EXPECT_LE(largest, sigma * (1.0 + 1e-6));
  EXPECT_GE(largest, sigma * 0.7);
}

}  // namespace
}  // namespace razorscope
