#pragma once

#include <vector>

#include "experiments/cli/bench/timing.hpp"
#include "models/language/packed_weights.hpp"

namespace razorscope::cli {

/// oneDNN's own speed with the threads in use: large products with packed weights, the inputs' rounding to
/// bf16 (half a percent of it) included. Its works are run among those that are measured against it.
class ProductPeak {
 public:
  explicit ProductPeak(Compute compute);
  std::vector<TimedWork> works() const;
  /// GFLOP/s of the best product, given the works' median seconds in their order.
  double gflop_per_s(const std::vector<double>& seconds) const;

 private:
  struct Product {
    PackedWeights w;
    Matrix x;
    Matrix y;
  };
  mutable std::vector<Product> products_;
};

/// How fast all threads together read memory that no cache holds.
class ReadPeak {
 public:
  ReadPeak();
  TimedWork work() const;
  double gb_per_s(double seconds) const;

 private:
  Floats values_;
};

/// How many f32 multiply-adds all threads together compute on numbers in registers, by this processor's
/// widest vectors.
class MultiplyAddPeak {
 public:
  TimedWork work() const;
  double gflop_per_s(double seconds) const;
};

/// How fast all threads together copy memory that no cache holds, with memcpy.
class CopyPeak {
 public:
  CopyPeak();
  TimedWork work() const;
  /// Bytes read and bytes written.
  double gb_per_s(double seconds) const;

 private:
  Floats from_;
  mutable Floats to_;
};

/// Bytes that no last-level cache holds any part of when they are gone over again: eight times its size.
size_t more_than_caches_hold();

}  // namespace razorscope::cli
