#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "policies/selections/ranking.hpp"

namespace razorscope {
namespace {

class Lagkv final : public ScoredSelection {
 public:
  Lagkv(int budget, int sinks, int lag, const Shape& shape)
      : ScoredSelection(budget, shape),
        sinks_(sinks),
        lag_(lag),
        head_size_(static_cast<size_t>(shape.head_size)) {}
  Needs needs() const override { return {.rows = true}; }
  KeptRegions regions() const override { return {.sinks = sinks_}; }

 protected:
  /// Each partition but the last is ranked within itself; sinks, the last partition and what does not fill
  /// one must stay.
  std::vector<double> scores(const LayerView& view, int kv_head) const override {
    constexpr double stays = std::numeric_limits<double>::infinity();
    std::vector<double> scores(static_cast<size_t>(view.tokens), stays);
    const int partitions = (view.tokens - sinks_) / lag_;
    for (int p = 0; p + 1 < partitions; ++p) {
      const int begin = sinks_ + p * lag_;
      std::vector<double> sums = partition_scores(view.prefix->keys, begin, kv_head);
      const std::vector<double> of_values = partition_scores(view.prefix->values, begin, kv_head);
      for (size_t i = 0; i < sums.size(); ++i) sums[i] += of_values[i];
      std::vector<size_t> order(sums.size());
      std::iota(order.begin(), order.end(), size_t{0});
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return sums[a] < sums[b]; });
      for (size_t rank = 0; rank < order.size(); ++rank) {
        scores[static_cast<size_t>(begin) + order[rank]] = static_cast<double>(rank) / lag_;
      }
    }
    return scores;
  }

 private:
  /// Softmax over the partition of each token's standard deviation over channels, after min-max by the next
  /// partition.
  std::vector<double> partition_scores(const HeadRows& rows, int begin, int head) const {
    std::vector<double> least(head_size_, std::numeric_limits<double>::infinity());
    std::vector<double> most(head_size_, -std::numeric_limits<double>::infinity());
    for (int n = begin + lag_; n < begin + 2 * lag_; ++n) {
      for (size_t i = 0; i < head_size_; ++i) {
        least[i] = std::min(least[i], static_cast<double>(rows.row(n, head)[i]));
        most[i] = std::max(most[i], static_cast<double>(rows.row(n, head)[i]));
      }
    }
    std::vector<double> out;
    for (int n = begin; n < begin + lag_; ++n) {
      double sum = 0.0;
      double squares = 0.0;
      for (size_t i = 0; i < head_size_; ++i) {
        const double range = most[i] - least[i];
        const double x = range > 0.0 ? (rows.row(n, head)[i] - least[i]) / range : 0.0;
        sum += x;
        squares += x * x;
      }
      const auto d = static_cast<double>(head_size_);
      out.push_back(std::sqrt(std::max(0.0, (squares - sum * sum / d) / std::max(1.0, d - 1.0))));
    }
    const double largest = *std::max_element(out.begin(), out.end());
    double total = 0.0;
    for (double& x : out) total += x = std::exp(x - largest);
    for (double& x : out) x /= total;
    return out;
  }

  int sinks_;
  int lag_;
  size_t head_size_;
};

}  // namespace

SelectionEntry lagkv_selection() {
  SelectionEntry entry;
  entry.name = "lagkv";
  entry.help = "partitions of tokens, each judged by how it stands out from the next one";
  entry.source =
      "Liang et al., LagKV: Lag-Relative Information of the KV Cache Tells Which Tokens Are Important, 2025 "
      "(arXiv 2504.04704). "
      "Scores of keys and values are averaged and ranked within each partition of `lag` tokens; sinks, the "
      "last whole "
      "partition and the rest behind it stay first.";
  entry.parameters = {
      budget_parameter(),
      {.name = "sinks", .fallback = "4", .help = "first tokens that are always kept"},
      {.name = "lag", .fallback = "128", .help = "tokens of a partition", .lowest = 2},
  };
  entry.size_parameter = "budget";
  entry.make = [](const std::string&, const ParameterValues& values, const SelectionContext& context) {
    return std::make_unique<Lagkv>(budget_tokens(values, "budget", context), values.integer("sinks"),
                                   values.integer("lag"), context.shape);
  };
  return entry;
}

}  // namespace razorscope
