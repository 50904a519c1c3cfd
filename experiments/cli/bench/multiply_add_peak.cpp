// One source for every vector target (Highway).
#include <cstddef>
#include <omp.h>

#include "experiments/cli/bench/limits.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "experiments/cli/bench/multiply_add_peak.cpp"
// foreach_target must come before highway.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace razorscope::cli {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

/// Twelve independent chains hide the latency of an instruction; returns something that depends on all.
float multiply_add(size_t rounds) {
  const hn::ScalableTag<float> tag;
  const auto x = hn::Set(tag, 0.999F);
  auto a = hn::Set(tag, 1.0F);
  auto b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
  for (size_t round = 0; round < rounds; ++round) {
    a = hn::MulAdd(a, x, x);
    b = hn::MulAdd(b, x, x);
    c = hn::MulAdd(c, x, x);
    d = hn::MulAdd(d, x, x);
    e = hn::MulAdd(e, x, x);
    f = hn::MulAdd(f, x, x);
    g = hn::MulAdd(g, x, x);
    h = hn::MulAdd(h, x, x);
    i = hn::MulAdd(i, x, x);
    j = hn::MulAdd(j, x, x);
    k = hn::MulAdd(k, x, x);
    l = hn::MulAdd(l, x, x);
  }
  const auto half = hn::Add(hn::Add(hn::Add(a, b), hn::Add(c, d)), hn::Add(e, f));
  return hn::GetLane(hn::Add(half, hn::Add(hn::Add(hn::Add(g, h), hn::Add(i, j)), hn::Add(k, l))));
}

size_t lanes() { return hn::Lanes(hn::ScalableTag<float>()); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace razorscope::cli
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace razorscope::cli {
namespace {

HWY_EXPORT(multiply_add);
HWY_EXPORT(lanes);

constexpr size_t rounds = 4'000'000;
constexpr double flops_a_lane = 12.0 * 2.0 * static_cast<double>(rounds);

}  // namespace

TimedWork MultiplyAddPeak::work() const {
  return [] {
    return seconds_of([] {
      float sum = 0.0F;
#pragma omp parallel reduction(+ : sum)
      sum += HWY_DYNAMIC_DISPATCH(multiply_add)(rounds);
      volatile float kept = sum;
      (void)kept;
    });
  };
}

double MultiplyAddPeak::gflop_per_s(double seconds) const {
  return flops_a_lane * static_cast<double>(HWY_DYNAMIC_DISPATCH(lanes)()) * omp_get_max_threads() / seconds /
         1e9;
}

}  // namespace razorscope::cli
#endif
