#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "models/base/progress.hpp"

namespace razorscope::cli {

double seconds_of(const std::function<void()>& work);

/// Of at least one value; the upper of the two in the middle.
double median(std::vector<double> values);

/// Does its work once and says how long that took: what must not be timed stays outside of seconds_of.
using TimedWork = std::function<double()>;

/// Seconds of every run, by works.
using RunSeconds = std::vector<std::vector<double>>;

/// Runs all works in turn, once for warmth and then `repeats` times, so that a machine that drifts touches
/// all of them alike.
RunSeconds interleaved_runs(const std::vector<TimedWork>& works, int repeats, Progress& progress,
                            std::string_view phase);
/// The median seconds of each.
std::vector<double> interleaved_medians(const std::vector<TimedWork>& works, int repeats, Progress& progress,
                                        std::string_view phase);

}  // namespace razorscope::cli
