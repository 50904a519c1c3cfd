#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "experiments/store/rows.hpp"
#include "sim/closed_loop/explain.hpp"

namespace razorscope {

/// One policy's explanation of a text, as a line of a list. `prefix` is the text's tokens; figures are those
/// of PolicyExplanation.
struct ExplanationRow : RunRow {
  std::string text_ids;  // tells texts of the same name apart
  std::string question;
  std::string positive;
  std::string negative;
  int verdict_begin = 0;  // see Explanation
  int verdict_end = 0;
  double log_odds = 0.0;
  std::optional<double> log_odds_without_verdict;
  double full_log_odds = 0.0;  // of full+f32
  std::optional<double> full_log_odds_without_verdict;
  int layers = 0;
  int kv_heads = 0;  // caches per layer
  double nominal_bytes = 0.0;
  int64_t logical_bytes = 0;
  int64_t physical_bytes = 0;
  std::optional<int64_t> attention_id;  // the same for explanations of one text and question; nothing: stored
                                        // by a program that did not record attention
};

/// All that is stored of one explanation.
struct StoredExplanation {
  ExplanationRow row;
  std::string text;  // the whole of it; row.text is its name
  /// With this one policy. Of full+f32 there are the odds only, and of the policy's bytes the sums, as if all
  /// that is logical were keys. `attention` is null where it was not recorded.
  Explanation explanation;
};

}  // namespace razorscope
