#pragma once

#include <exception>

namespace razorscope {

/// Runs task(0) .. task(count - 1) on OpenMP's threads, each on one thread, in any order; waits for all. The
/// first exception caught is thrown again here: none may leave an OpenMP region by itself.
template <typename Task>
void parallel_for(int count, const Task& task) {
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic)
  for (int i = 0; i < count; ++i) {
    try {
      task(i);
    } catch (...) {
#pragma omp critical(parallel_for_failure)
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace razorscope
