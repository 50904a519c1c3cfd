#pragma once

#include <string>
#include <vector>

#include "sim/serving/workloads/workload_format.hpp"
#include "sim/serving/workloads/workload_source.hpp"

namespace razorscope {

/// All formats, in the order in which a file is tried for them.
const std::vector<WorkloadFormat>& all_workload_formats();

/// A file's requests as they stand in it, at least one and at most `most`; `format` "" recognises it.
FileRequests read_workload_file(const std::string& path, const std::string& format, size_t most);

/// The same, sorted by arrival and at the rate that the options ask for: see load_workload.
Workload load_workload_file(const std::string& path, const WorkloadOptions& options);

}  // namespace razorscope
