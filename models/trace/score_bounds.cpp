#include "models/trace/score_bounds.hpp"

#include <Eigen/Dense>
#include <cmath>

namespace razorscope {
namespace {

/// Rows [first, first + d) of a weight matrix, transposed: [hidden, d].
Eigen::MatrixXd head_columns(const Matrix& weight, int first, int d) {
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const RowMajor> rows(weight.row(static_cast<size_t>(first)), d,
                                        static_cast<Eigen::Index>(weight.columns));
  return rows.transpose().cast<double>();
}

/// The triangular factor of a thin QR decomposition: [d, d]. An orthogonal factor does not change singular
/// values.
Eigen::MatrixXd triangular(const Eigen::MatrixXd& matrix) {
  const Eigen::Index d = std::min(matrix.rows(), matrix.cols());
  const Eigen::HouseholderQR<Eigen::MatrixXd> factors(matrix);
  return factors.matrixQR().topRows(d).triangularView<Eigen::Upper>();
}

double largest_singular_value(const Eigen::MatrixXd& matrix) {
  return Eigen::BDCSVD<Eigen::MatrixXd>(matrix).singularValues()(0);
}

struct NormSize {
  double largest = 0.0;       // ||γ||∞
  double squares = 0.0;       // ||γ||₂²
  double bias_squares = 0.0;  // ||b||₂²
};

NormSize size_of(const NormWeights& norm) {
  NormSize size;
  for (size_t i = 0; i < norm.scale.size(); ++i) {
    const double gamma = std::abs(static_cast<double>(norm.scale[i]));
    size.largest = std::max(size.largest, gamma);
    size.squares += gamma * gamma;
  }
  for (size_t i = 0; i < norm.bias.size(); ++i)
    size.bias_squares += static_cast<double>(norm.bias[i]) * norm.bias[i];
  return size;
}

}  // namespace

ScoreBounds weight_score_bounds(const Shape& shape, const Weights& weights) {
  ScoreBounds bounds;
  for (const LayerWeights& layer : weights.layers) {
    const NormSize size = size_of(layer.attention_norm);
    const Matrix qkv = layer.qkv.unpacked();
    const double input_norm =
        size.largest * std::sqrt(static_cast<double>(shape.hidden)) + std::sqrt(size.bias_squares);
    std::vector<Eigen::MatrixXd> key_factors;
    for (int h = 0; h < shape.kv_heads; ++h) {
      key_factors.push_back(
          triangular(head_columns(qkv, shape.query_width() + h * shape.head_size, shape.head_size)));
    }
    for (int h = 0; h < shape.query_heads; ++h) {
      const Eigen::MatrixXd query_factor =
          triangular(head_columns(qkv, h * shape.head_size, shape.head_size));
      const Eigen::MatrixXd& key_factor = key_factors[static_cast<size_t>(h / shape.group_size())];
      const double sigma = largest_singular_value(query_factor * key_factor.transpose());
      bounds.norm_bound.push_back(sigma * input_norm * input_norm * shape.score_scale);
      bounds.paper.push_back(sigma * (size.squares + size.bias_squares));
    }
  }
  return bounds;
}

}  // namespace razorscope
