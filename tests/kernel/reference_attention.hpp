#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "policies/kernels/attend.hpp"
#include "policies/kernels/hadamard.hpp"
#include "policies/kernels/stored_element.hpp"

namespace razorscope::testing {

/// All rows decoded, and rotated back where they were rotated: [rows, head_size].
inline std::vector<double> decoded_rows(const RowSegments& segments, int head_size) {
  std::vector<double> decoded;
  decoded.reserve(static_cast<size_t>(segments.rows() * head_size));
  for (int s = 0; s < segments.count(); ++s) {
    const RowSegment& segment = segments[s];
    std::vector<float> rotated(static_cast<size_t>(head_size));
    for (int row = 0; row < segment.rows; ++row) {
      for (int i = 0; i < head_size; ++i) {
        const double element = stored_element(segment, head_size, row, i);
        rotated[static_cast<size_t>(i)] = static_cast<float>(element);
        decoded.push_back(element);
      }
      if (!segment.rotated) continue;
      hadamard(rotated.data(), head_size);  // its own inverse
      std::copy(rotated.begin(), rotated.end(), decoded.end() - head_size);
    }
  }
  return decoded;
}

/// Attention over a head's decoded rows in double precision: what pieces and segments must add up to.
struct ReferenceAttention {
  std::vector<double> out;
  std::vector<double> scores;
  std::vector<double> log_sums;
  // What errors are measured against, [group]: the mean square that elements would have were their terms
  // independent. A row that is smaller by chance, because its terms cancel, has errors of the same size.
  std::vector<double> score_size;
  std::vector<double> out_size;

  ReferenceAttention(const HeadView& head, const GroupQuery& query)
      : d_(static_cast<size_t>(head.head_size)),
        keys_(decoded_rows(head.keys, head.head_size)),
        values_(decoded_rows(head.values, head.head_size)) {
    const size_t compensation = static_cast<size_t>(head.compensation_slots) * d_;
    keys_.insert(keys_.end(), head.compensation_keys, head.compensation_keys + compensation);
    values_.insert(values_.end(), head.compensation_values, head.compensation_values + compensation);
    for (int g = 0; g < query.group; ++g) {
      const std::vector<double> row = row_of_scores(head, query, g);
      add_softmax(row);
      scores.insert(scores.end(), row.begin(), row.end());
    }
  }

 private:
  static double mean_square(const std::vector<double>& x) {
    return std::inner_product(x.begin(), x.end(), x.begin(), 0.0) / static_cast<double>(x.size());
  }

  std::vector<double> row_of_scores(const HeadView& head, const GroupQuery& query, int g) {
    const float* q = query.q + static_cast<size_t>(g) * d_;
    const double slope = query.slopes != nullptr ? query.slopes[g] : 0.0;
    std::vector<double> products;
    std::vector<double> row;
    for (int slot = 0; slot < head.entries(); ++slot) {
      const double* key = keys_.data() + static_cast<size_t>(slot) * d_;
      products.push_back(query.scale * std::inner_product(key, key + d_, q, 0.0));
      if (slot < head.slots) {
        const int position = head.positions != nullptr ? head.positions[slot] : slot;
        row.push_back(products.back() - slope * (query.position - position));
      } else {
        row.push_back(products.back() + head.compensation_bias[slot - head.slots] - slope * query.position);
      }
    }
    const double independent =
        query.scale * query.scale * mean_square(keys_) * std::inner_product(q, q + d_, q, 0.0);
    score_size.push_back(std::max(independent, mean_square(products)));
    return row;
  }

  void add_softmax(const std::vector<double>& row) {
    const double largest = *std::max_element(row.begin(), row.end());
    std::vector<double> sums(d_);
    double total = 0.0;
    double squares = 0.0;
    for (size_t slot = 0; slot < row.size(); ++slot) {
      const double weight = std::exp(row[slot] - largest);
      total += weight;
      squares += weight * weight;
      for (size_t i = 0; i < d_; ++i) sums[i] += weight * values_[slot * d_ + i];
    }
    for (const double sum : sums) out.push_back(sum / total);
    out_size.push_back(squares / (total * total) * mean_square(values_));
    log_sums.push_back(largest + std::log(total));
  }

  size_t d_;
  std::vector<double> keys_;    // [entries, d]
  std::vector<double> values_;  // [entries, d]
};

}  // namespace razorscope::testing
