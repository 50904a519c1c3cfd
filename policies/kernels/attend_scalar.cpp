// The scalar twin: what the vector kernels must equal, in double precision and as plainly as it can be
// written.
#include <Eigen/Core>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "policies/kernels/kernel_table.hpp"

namespace razorscope {
namespace {

double element(const std::byte* row, RowFormat format, int i) {
  if (format == RowFormat::f32) {
    float value = 0.0F;
    std::memcpy(&value, row + sizeof(float) * static_cast<size_t>(i), sizeof(float));
    return value;
  }
  Eigen::half value;
  std::memcpy(&value, row + sizeof(Eigen::half) * static_cast<size_t>(i), sizeof(Eigen::half));
  return static_cast<double>(static_cast<float>(value));
}

const std::byte* key_row(const HeadView& head, int slot) {
  return head.keys + static_cast<size_t>(slot) * head.key_stride;
}

const std::byte* value_row(const HeadView& head, int slot) {
  return head.values + static_cast<size_t>(slot) * head.value_stride;
}

double score_of(const HeadView& head, const GroupQuery& query, int g, int entry) {
  const int d = head.head_size;
  const float* q = query.q + static_cast<ptrdiff_t>(g) * d;
  const double slope = query.slopes != nullptr ? query.slopes[g] : 0.0;
  double dot = 0.0;
  if (entry < head.slots) {
    const int slot_position = head.positions != nullptr ? head.positions[entry] : entry;
    for (int i = 0; i < d; ++i) dot += q[i] * element(key_row(head, entry), head.key_format, i);
    return query.scale * dot - slope * (query.position - slot_position);
  }
  const int c = entry - head.slots;
  for (int i = 0; i < d; ++i) dot += static_cast<double>(q[i]) * head.compensation_keys[c * d + i];
  return query.scale * dot + head.compensation_bias[c] - slope * query.position;
}

void attend_group_scalar(const HeadView& head, const GroupQuery& query, const GroupOutput& output) {
  const int entries = head.entries();
  const int d = head.head_size;
  std::vector<double> scores(static_cast<size_t>(entries));
  std::vector<double> sums(static_cast<size_t>(d));
  for (int g = 0; g < query.group; ++g) {
    double largest = -std::numeric_limits<double>::infinity();
    for (int e = 0; e < entries; ++e) {
      scores[static_cast<size_t>(e)] = score_of(head, query, g, e);
      largest = std::max(largest, scores[static_cast<size_t>(e)]);
    }
    double total = 0.0;
    std::fill(sums.begin(), sums.end(), 0.0);
    for (int e = 0; e < entries; ++e) {
      const double weight = std::exp(scores[static_cast<size_t>(e)] - largest);
      total += weight;
      for (int i = 0; i < d; ++i) {
        const double value = e < head.slots ? element(value_row(head, e), head.value_format, i)
                                            : head.compensation_values[(e - head.slots) * d + i];
        sums[static_cast<size_t>(i)] += weight * value;
      }
    }
    for (int i = 0; i < d; ++i)
      output.out[g * d + i] = static_cast<float>(sums[static_cast<size_t>(i)] / total);
    if (output.scores != nullptr) {
      for (int e = 0; e < entries; ++e) {
        output.scores[static_cast<ptrdiff_t>(g) * entries + e] =
            static_cast<float>(scores[static_cast<size_t>(e)]);
      }
    }
    if (output.log_sum != nullptr) output.log_sum[g] = static_cast<float>(largest + std::log(total));
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
  static const KernelTable table = {Target::scalar, attend_group_scalar, softmax_row_scalar,
                                    log_sum_exp_scalar};
  return table;
}

}  // namespace razorscope
