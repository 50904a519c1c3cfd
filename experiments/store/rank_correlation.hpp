#pragma once

#include <optional>
#include <span>
#include <vector>

namespace razorscope {

/// Ranks from 1 for the smallest; equal values share the mean of the ranks that they take up.
std::vector<double> average_ranks(std::span<const double> values);

/// Spearman's rank correlation: Pearson's of the ranks, so that ties are treated rightly. Nothing where there
/// are fewer than two pairs, or all values of one side are equal: no order can be seen then.
std::optional<double> rank_correlation(std::span<const double> x, std::span<const double> y);

}  // namespace razorscope
