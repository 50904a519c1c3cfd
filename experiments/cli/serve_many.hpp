#pragma once

#include <vector>

#include "experiments/cli/serve_options.hpp"
#include "policies/policy.hpp"

namespace razorscope::cli {

/// Each policy at each of serve_rates(), in processes side by side; prints a table or JSON of all.
void serve_many(const ServeOptions& options, const std::vector<Policy>& policies);

/// The highest rate within the service level of each policy; prints a table or JSON. InputError where there
/// is no service level.
void search_rates(const ServeOptions& options, const std::vector<Policy>& policies);

}  // namespace razorscope::cli
