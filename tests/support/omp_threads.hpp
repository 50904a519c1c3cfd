#pragma once

#include <omp.h>

namespace razorscope::testing {

/// OpenMP's thread count within a scope. One is right for matrices of a few rows: there, threads only wait
/// for each other.
class OmpThreads {
 public:
  explicit OmpThreads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~OmpThreads() { omp_set_num_threads(before_); }
  OmpThreads(const OmpThreads&) = delete;
  OmpThreads& operator=(const OmpThreads&) = delete;

 private:
  int before_;
};

}  // namespace razorscope::testing
