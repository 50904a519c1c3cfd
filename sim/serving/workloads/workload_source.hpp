#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/serving/request.hpp"

namespace razorscope {

struct WorkloadOptions {
  std::string format = {};   // of a file: one of workload_formats(); "": recognised from its beginning
  int64_t max_requests = 0;  // only the first so many, in the file's order; 0: all
  /// Mean requests/s. A file's arrivals keep their pattern and are stretched to it; a file without arrivals
  /// gets Poisson ones; a generator takes it in place of its own `rate`. 0: as they come.
  double rate = 0.0;
  uint64_t seed = 1;  // of whatever is drawn, unless a generator's text gives its own; at most 2^53
};

/// The workload that `text` names: a file, or a generator such as
///     poisson:rate=5,requests=10000,input=lognormal(1155,1.0),output=lognormal(211,1.1),seed=1
/// See workload_help() for what there is; a file that is called as a generator is (gamma) needs its format.
/// Whatever it comes from, requests are sorted by arrival, the first arrives at 0, and every request has at
/// least one input and one output token.
///
/// Files are read once, a line at a time: about 40 bytes a request, and 8 for each hash. What had to be
/// changed or assumed (unsorted arrivals, estimated lengths) stands in Workload::note. Throws InputError that
/// names the file, line and field, or the generator's parameter, and what is allowed.
Workload load_workload(const std::string& text, const WorkloadOptions& options = {});

/// The file formats' names, as WorkloadOptions::format takes them.
std::vector<std::string> workload_formats();

/// All formats, generators and their parameters for a help page, one a line; made from their declarations.
std::string workload_help();

}  // namespace razorscope
