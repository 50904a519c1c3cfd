#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/store/rows.hpp"

namespace razorscope {

/// Below this, a rank correlation says nothing.
inline constexpr size_t fewest_ladder_pairs = 8;

/// How well one rung of the ladder ranks policies as another does.
struct LadderCorrelation {
  std::string cheap;               // lost_mass_mean, kl_mean, relative_error_mean, output_error_mean
  std::string dear;                // kl_to_full, nll_difference, needle_accuracy, multi_query_accuracy
  size_t pairs = 0;                // policies with both figures
  std::optional<double> spearman;  // nothing where there are too few pairs, or one side has a single value
};

/// Rows of one model and prefix, over all their texts, policies and sizes.
struct LadderGroup {
  std::vector<LadderRow> rows;  // never empty
  std::vector<LadderCorrelation> correlations;
};

std::vector<LadderGroup> ladder_groups(const std::vector<LadderRow>& rows);

}  // namespace razorscope
