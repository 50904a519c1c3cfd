#pragma once

#include <string>

#include "experiments/store/compare/comparison.hpp"
#include "experiments/store/text_table.hpp"

namespace razorscope {

// Internal to this folder; see format_comparison.
std::string comparison_tables(const Comparison& comparison, TextStyle style);
/// "12 pairs of runs: 3 changed; 1 only in A, 0 only in B."
std::string comparison_summary(const Comparison& comparison);

}  // namespace razorscope
