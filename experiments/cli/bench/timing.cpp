#include "experiments/cli/bench/timing.hpp"

#include <algorithm>
#include <chrono>

namespace razorscope::cli {

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

RunSeconds interleaved_runs(const std::vector<TimedWork>& works, int repeats, Progress& progress,
                            std::string_view phase) {
  progress.begin(phase, static_cast<double>(works.size()) * (repeats + 1), "runs");
  RunSeconds seconds(works.size());
  int done = 0;
  for (int round = 0; round <= repeats; ++round) {
    for (size_t i = 0; i < works.size(); ++i) {
      const double taken = works[i]();
      if (round > 0) seconds[i].push_back(taken);
      progress.advance(++done);
    }
  }
  return seconds;
}

std::vector<double> interleaved_medians(const std::vector<TimedWork>& works, int repeats, Progress& progress,
                                        std::string_view phase) {
  std::vector<double> medians;
  for (std::vector<double>& values : interleaved_runs(works, repeats, progress, phase))
    medians.push_back(median(std::move(values)));
  return medians;
}

}  // namespace razorscope::cli
