#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "models/language/rope.hpp"
#include "policies/selections/ranking.hpp"

namespace razorscope {
namespace {

class Expected final : public ScoredSelection {
 public:
  Expected(int budget, int sinks, int future, double eps, GroupAggregate aggregate, const Shape& shape)
      : ScoredSelection(budget, shape),
        shape_(shape),
        sinks_(sinks),
        future_(future),
        eps_(eps),
        aggregate_(aggregate) {
    if (shape.position == PositionScheme::rope) rope_.emplace(shape.rope, shape.head_size);
  }
  KeptRegions regions() const override { return {.sinks = sinks_}; }
  Needs needs() const override { return {.rows = true}; }

 protected:
  std::vector<double> scores(const LayerView& view, int kv_head) const override {
    const int group = shape_.group_size();
    const auto tokens = static_cast<size_t>(view.tokens);
    const Eigen::MatrixXd rotation = mean_rotation(view.tokens);
    std::vector<double> columns;  // [group, tokens] expected weights
    for (int g = 0; g < group; ++g) {
      const std::vector<double> weights = expected_weights(view, kv_head * group + g, kv_head, rotation);
      columns.insert(columns.end(), weights.begin(), weights.end());
    }
    std::vector<double> scores = group_columns(columns.data(), view.tokens, 0, group, aggregate_);
    for (size_t n = 0; n < tokens; ++n) {
      const Eigen::Map<const Eigen::VectorXf> value(view.prefix->values.row(static_cast<int>(n), kv_head),
                                                    shape_.head_size);
      scores[n] = (scores[n] + eps_) * value.cast<double>().norm();
    }
    std::fill_n(scores.begin(), std::min<size_t>(static_cast<size_t>(sinks_), tokens),
                std::numeric_limits<double>::infinity());
    return scores;
  }

 private:
  /// Average over the positions tokens .. tokens + future - 1 of the rotation that RoPE applies; the identity
  /// under ALiBi.
  Eigen::MatrixXd mean_rotation(int tokens) const {
    const Eigen::Index d = shape_.head_size;
    Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(d, d);
    if (!rope_) return Eigen::MatrixXd::Identity(d, d);
    for (int p = tokens; p < tokens + future_; ++p) {
      const Matrix angles = rope_->angles(p, 1);
      for (Eigen::Index i = 0; i < d; ++i) {
        Eigen::VectorXf unit = Eigen::VectorXf::Unit(d, i);
        rope_->rotate(unit.data(), 1, angles.row(0));
        sum.col(i) += unit.cast<double>();
      }
    }
    return sum / future_;
  }

  /// Softmax over the keys of the expected logit of a query to come: k·(Rμ)/sqrt(d) + k'RSR'k/(2d), where μ
  /// and S are mean and covariance of the prefix's queries before RoPE, sinks left out.
  std::vector<double> expected_weights(const LayerView& view, int query_head, int kv_head,
                                       const Eigen::MatrixXd& rotation) const {
    const Eigen::Index d = shape_.head_size;
    const int first = std::min(sinks_, view.tokens - 1);
    Eigen::MatrixXd queries(d, view.tokens - first);
    for (int n = first; n < view.tokens; ++n) {
      Eigen::VectorXf query = Eigen::Map<const Eigen::VectorXf>(view.prefix->queries.row(n, query_head), d);
      if (rope_)
        rope_->rotate(query.data(), 1, rope_->angles(-n, 1).row(0));  // turns back what RoPE had turned
      queries.col(n - first) = query.cast<double>();
    }
    const Eigen::VectorXd mean = queries.rowwise().mean();
    queries.colwise() -= mean;
    const Eigen::MatrixXd covariance =
        queries * queries.transpose() / std::max<double>(1.0, static_cast<double>(queries.cols() - 1));
    const Eigen::VectorXd direction = rotation * mean * static_cast<double>(shape_.score_scale);
    const double scale = static_cast<double>(shape_.score_scale);
    const Eigen::MatrixXd spread = rotation * covariance * rotation.transpose() * (scale * scale / 2.0);
    std::vector<double> logits;
    for (int n = 0; n < view.tokens; ++n) {
      const Eigen::VectorXd key =
          Eigen::Map<const Eigen::VectorXf>(view.prefix->keys.row(n, kv_head), d).cast<double>();
      logits.push_back(key.dot(direction) + key.dot(spread * key));
    }
    const double largest = *std::max_element(logits.begin(), logits.end());
    double total = 0.0;
    for (double& x : logits) total += x = std::exp(x - largest);
    for (double& x : logits) x /= total;
    return logits;
  }

  Shape shape_;
  int sinks_;
  int future_;
  double eps_;
  GroupAggregate aggregate_;
  std::optional<Rope> rope_;
};

}  // namespace

SelectionEntry expected_selection() {
  SelectionEntry entry;
  entry.name = "expected";
  entry.help = "the tokens that queries to come are expected to attend to, by the statistics of past queries";
  entry.source =
      "Devoto et al., Expected Attention: KV Cache Compression by Estimating Attention from Future Queries "
      "Distribution, 2025 "
      "(arXiv 2510.00636). Queries before RoPE are got back by turning the recorded ones.";
  entry.parameters = {
      budget_parameter(),
      {.name = "sinks",
       .fallback = "4",
       .help = "first tokens that are always kept, and left out of the statistics"},
      {.name = "future",
       .fallback = "512",
       .help = "positions to come that the rotation is averaged over",
       .lowest = 1,
       .highest = 1e6},
      {.name = "eps",
       .kind = ParameterKind::real,
       .fallback = "0.01",
       .help = "added to the expected weight before the value's norm counts",
       .lowest = 0.0,
       .highest = 1.0},
      group_aggregate_parameter("mean", true),
  };
  entry.size_parameter = "budget";
  entry.make = [](const std::string&, const ParameterValues& values, const SelectionContext& context) {
    return std::make_unique<Expected>(budget_tokens(values, "budget", context), values.integer("sinks"),
                                      values.integer("future"), values.real("eps"),
                                      group_aggregate_of(values), context.shape);
  };
  return entry;
}

}  // namespace razorscope
