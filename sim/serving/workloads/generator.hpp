#pragma once

#include <string>
#include <vector>

#include "policies/parameter.hpp"
#include "sim/serving/workloads/workload_source.hpp"

namespace razorscope {

/// Whether `text` is a generator's: the name of a kind of arrivals, alone or before a ":".
bool is_generator(const std::string& text);

/// What a generator's text may hold behind the ":", whatever its kind of arrivals is.
const std::vector<Parameter>& generator_parameters();

/// Draws the workload of a generator's text: see load_workload. Its name is the canonical text, which lists
/// every parameter and draws the same workload.
Workload generate_workload(const std::string& text, const WorkloadOptions& options);

}  // namespace razorscope
