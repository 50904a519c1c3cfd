#include "policies/cache/even_head_scores.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace razorscope {
namespace {

constexpr double golden_ratio = 1.6180339887498949;
constexpr double induction_share = 0.14;
constexpr double echo_share = 0.01;

/// All heads, such that any first part of the list lies evenly in layers and in heads of a layer: multiples
/// of the golden ratio fill the unit interval evenly (three-distance theorem).
std::vector<size_t> even_order(size_t heads) {
  std::vector<size_t> order(heads);
  std::iota(order.begin(), order.end(), size_t{0});
  const auto key = [](size_t head) {
    const double multiple = static_cast<double>(head) * golden_ratio;
    return multiple - std::floor(multiple);
  };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a) < key(b); });
  return order;
}

/// By rank, as probes look: a few heads far above the others.
double score(size_t rank, size_t chosen, size_t heads) {
  const double place = static_cast<double>(rank) / static_cast<double>(heads);
  return rank < chosen ? 0.9 - 0.1 * place : 0.05 * (1.0 - place);
}

size_t share_of(double share, size_t heads) {
  return std::max<size_t>(1, static_cast<size_t>(std::floor(share * static_cast<double>(heads) + 0.5)));
}

}  // namespace

HeadScores even_head_scores(const Shape& shape) {
  const size_t heads = static_cast<size_t>(shape.layers) * static_cast<size_t>(shape.kv_heads);
  const auto group = static_cast<size_t>(shape.group_size());
  HeadScores scores;
  scores.layers = shape.layers;
  scores.query_heads = shape.query_heads;
  scores.kv_heads = shape.kv_heads;
  scores.variant = "assumed";
  scores.token_source = "none";
  scores.induction.resize(heads * group);
  scores.echo.resize(heads * group);
  const std::vector<size_t> order = even_order(heads);
  for (size_t rank = 0; rank < heads; ++rank) {
    const double induction = score(rank, share_of(induction_share, heads), heads);
    const double echo = score(heads - 1 - rank, share_of(echo_share, heads), heads);
    for (size_t g = 0; g < group; ++g) {
      scores.induction[order[rank] * group + g] = induction;
      scores.echo[order[rank] * group + g] = echo;
    }
  }
  return scores;
}

}  // namespace razorscope
