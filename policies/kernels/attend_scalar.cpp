// The scalar twin: what the vector kernels must equal, in double precision and as plainly as it can be
// written.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "policies/kernels/kernel_table.hpp"
#include "policies/kernels/row_sums.hpp"
#include "policies/kernels/stored_element.hpp"

namespace razorscope {
namespace {

double score_of(const AttentionPiece& piece, const GroupQuery& query, int g, int slot) {
  const int d = piece.head_size;
  const float* q = query.q + static_cast<ptrdiff_t>(g) * d;
  double dot = 0.0;
  for (int i = 0; i < d; ++i) dot += q[i] * stored_element(piece.keys, d, piece.first_in_group + slot, i);
  const double slope = query.slopes != nullptr ? query.slopes[g] : 0.0;
  if (piece.bias != nullptr) return query.scale * dot + piece.bias[slot] - slope * query.position;
  const int position = piece.positions != nullptr ? piece.positions[slot] : piece.first_position + slot;
  return query.scale * dot - slope * (query.position - position);
}

void attend_piece_scalar(const AttentionPiece& piece, const GroupQuery& query, const PieceOutput& output) {
  const int d = piece.head_size;
  const auto slots = static_cast<size_t>(piece.slots);
  std::vector<double> values(slots * static_cast<size_t>(d));
  for (int slot = 0; slot < piece.slots; ++slot) {
    for (int i = 0; i < d; ++i)
      values[static_cast<size_t>(slot * d + i)] = stored_element(piece.values, d, slot, i);
  }
  std::vector<double> scores(slots);
  for (int g = 0; g < query.group; ++g) {
    for (size_t slot = 0; slot < slots; ++slot)
      scores[slot] = score_of(piece, query, g, static_cast<int>(slot));
    const double largest = *std::max_element(scores.begin(), scores.end());
    double total = 0.0;
    std::vector<double> sums(static_cast<size_t>(d), 0.0);
    for (size_t slot = 0; slot < slots; ++slot) {
      const double weight = std::exp(scores[slot] - largest);
      total += weight;
      for (size_t i = 0; i < sums.size(); ++i) sums[i] += weight * values[slot * sums.size() + i];
    }
    output.largest[g] = static_cast<float>(largest);
    output.total[g] = static_cast<float>(total);
    for (int i = 0; i < d; ++i) output.out[g * d + i] = static_cast<float>(sums[static_cast<size_t>(i)]);
    if (output.scores != nullptr) {
      float* row = output.scores + static_cast<size_t>(g) * output.score_stride;
      std::transform(scores.begin(), scores.end(), row,
                     [](double score) { return static_cast<float>(score); });
    }
  }
}

void softmax_row_scalar(float* row, size_t count, float slope) {
  double largest = -std::numeric_limits<double>::infinity();
  for (size_t j = 0; j < count; ++j)
    largest = std::max(largest, row[j] + double{slope} * static_cast<double>(j));
  double total = 0.0;
  std::vector<double> weights(count);
  for (size_t j = 0; j < count; ++j) {
    weights[j] = std::exp(row[j] + double{slope} * static_cast<double>(j) - largest);
    total += weights[j];
  }
  for (size_t j = 0; j < count; ++j) row[j] = static_cast<float>(weights[j] / total);
}

LogSumExp log_sum_exp_scalar(const float* row, size_t count) {
  const float largest = *std::max_element(row, row + count);
  if (std::isinf(largest)) return {largest, double{largest}};  // all are -infinity, or one +infinity decides
  double sum = 0.0;
  for (size_t j = 0; j < count; ++j) sum += std::exp(double{row[j]} - double{largest});
  return {largest, double{largest} + std::log(sum)};
}

}  // namespace

const KernelTable& scalar_kernels() {
  static const KernelTable table = {Target::scalar,     attend_piece_scalar, softmax_row_scalar,
                                    log_sum_exp_scalar, add_rows_scalar,     widen_halves_scalar};
  return table;
}

}  // namespace razorscope
