#pragma once

#include "experiments/store/chrome_trace.hpp"
#include "sim/serving/serving.hpp"

namespace razorscope {

/// Adds a serving run: counters of running and waiting requests, of KV in use and of tokens a second, and
/// each request's wait for its first token and its decoding, on as few threads as leave requests of one
/// thread apart. At most `most_requests` of them, the first.
void add_serving_timeline(const ServingResult& result, std::string_view name, ChromeTrace& trace,
                          size_t most_requests = 20'000);

}  // namespace razorscope
