#include "policies/kernels/hadamard.hpp"

#include <cmath>

namespace razorscope {
namespace {

/// The stages of distance 1 and 2, in one: four elements are too few for a loop over them.
void four_point(float* x, int block) {
  for (int i = 0; i < block; i += 4) {
    const float a = x[i] + x[i + 1];
    const float b = x[i] - x[i + 1];
    const float c = x[i + 2] + x[i + 3];
    const float d = x[i + 2] - x[i + 3];
    x[i] = a + c;
    x[i + 1] = b + d;
    x[i + 2] = a - c;
    x[i + 3] = b - d;
  }
}

/// Sums and differences of the halves of each run of 2·half elements, half a multiple of 4.
void butterflies(float* x, int block, int half) {
  for (int begin = 0; begin < block; begin += 2 * half) {
    float* __restrict low = x + begin;
    float* __restrict high = low + half;
    for (int i = 0; i < half; i += 4) {
      for (int j = i; j < i + 4; ++j) {
        const float sum = low[j] + high[j];
        high[j] = low[j] - high[j];
        low[j] = sum;
      }
    }
  }
}

}  // namespace

void hadamard(float* row, int head_size) {
  const int block = head_size & -head_size;
  if (block == 1) return;
  const float scale = 1.0F / std::sqrt(static_cast<float>(block));
  for (float* x = row; x < row + head_size; x += block) {
    if (block == 2) {
      const float sum = x[0] + x[1];
      x[1] = x[0] - x[1];
      x[0] = sum;
    } else {
      four_point(x, block);
      for (int half = 4; half < block; half *= 2) butterflies(x, block, half);
    }
    for (int i = 0; i < block; ++i) x[i] *= scale;
  }
}

}  // namespace razorscope
