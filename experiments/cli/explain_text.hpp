#pragma once

#include <cstddef>
#include <string>

#include "sim/closed_loop/explain.hpp"

namespace razorscope::cli {

/// Which heads a share of heads is of; -1: all.
struct ExplainFilter {
  int layer = -1;
  int kv_head = -1;
};

/// A table of policies and answers; then with colours the text under each policy, brighter where more heads
/// hold a token and the verdict underlined, else a table of paragraphs and the share of each that is held.
std::string explanation_text(const Explanation& explanation, size_t full_f16_bytes,
                             const ExplainFilter& filter, bool colour);

}  // namespace razorscope::cli
