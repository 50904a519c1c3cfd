#pragma once

#include <immintrin.h>

namespace razorscope {

/// Lane i: the sum of the lanes of sums[i], eight vectors. Internal to the files of intrinsics, whose targets
/// contain AVX2.
__attribute__((always_inline, target("avx2"))) inline __m256 sums_of_lanes(const __m256* sums) {
  __m256 pairs[4];
  for (int i = 0; i < 4; ++i) {
    pairs[i] = _mm256_add_ps(_mm256_unpacklo_ps(sums[2 * i], sums[2 * i + 1]),
                             _mm256_unpackhi_ps(sums[2 * i], sums[2 * i + 1]));
  }
  __m256 fours[2];
  for (int i = 0; i < 2; ++i) {
    const __m256d a = _mm256_castps_pd(pairs[2 * i]);
    const __m256d b = _mm256_castps_pd(pairs[2 * i + 1]);
    fours[i] =
        _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)), _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)));
  }
  return _mm256_add_ps(_mm256_permute2f128_ps(fours[0], fours[1], 0x20),
                       _mm256_permute2f128_ps(fours[0], fours[1], 0x31));
}

}  // namespace razorscope
