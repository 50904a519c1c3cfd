#pragma once

#include <optional>
#include <string>

#include "experiments/cli/policy_options.hpp"
#include "experiments/store/records.hpp"

namespace razorscope::cli {

/// Fills in what all runs of one command share but their model: seed, command line, start, provenance.
void describe_command(RunRecord& record, uint64_t seed);

/// Fills in what a planned policy is compared under. full_f16_bytes: after the same prefix, where known.
void describe_policy(RunRecord& record, const PlannedPolicy& plan, std::optional<size_t> full_f16_bytes);

/// A text by its file's name and content; "" for one that was given as it is.
TextDescription describe_text(const std::string& file, const std::string& text);

}  // namespace razorscope::cli
