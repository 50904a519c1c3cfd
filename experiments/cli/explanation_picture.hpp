#pragma once

#include <filesystem>

#include "experiments/cli/explain_text.hpp"

namespace razorscope::cli {

/// Draws the text once for every policy into an SVG file: a token is the paler the fewer heads hold it, the
/// verdict is outlined, and each panel says the policy, its bytes and its answer. Replaces the file as a
/// whole.
void write_picture(const std::filesystem::path& path, const Explanation& explanation,
                   const ExplainFilter& filter);

}  // namespace razorscope::cli
