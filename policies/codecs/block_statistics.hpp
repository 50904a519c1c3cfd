#pragma once

#include <array>
#include <cmath>
#include <cstddef>

namespace razorscope {

/// Elements that share a scale: channels of a row in block formats, tokens of a channel in KIVI's keys.
inline constexpr int group_size = 32;

struct MinMax {
  float smallest = 0.0F;
  float largest = 0.0F;
};

// Both keep eight running values, which compilers turn into vectors: they may not reorder one running
// maximum. A NaN is passed over, except as one of the first eight elements of min_max.

/// max |x[i]| over a group.
inline float largest_magnitude(const float* x) {
  std::array<float, 8> lanes = {};
  for (int i = 0; i < group_size; i += 8) {
    for (size_t j = 0; j < lanes.size(); ++j) {
      const float magnitude = std::fabs(x[static_cast<size_t>(i) + j]);
      lanes[j] = magnitude > lanes[j] ? magnitude : lanes[j];
    }
  }
  float largest = 0.0F;
  for (const float lane : lanes) largest = lane > largest ? lane : largest;
  return largest;
}

/// The smallest and the largest element of a group.
inline MinMax min_max(const float* x) {
  std::array<float, 8> low;
  std::array<float, 8> high;
  for (size_t j = 0; j < low.size(); ++j) low[j] = high[j] = x[j];
  for (int i = 8; i < group_size; i += 8) {
    for (size_t j = 0; j < low.size(); ++j) {
      const float value = x[static_cast<size_t>(i) + j];
      low[j] = value < low[j] ? value : low[j];
      high[j] = value > high[j] ? value : high[j];
    }
  }
  MinMax result = {low[0], high[0]};
  for (size_t j = 1; j < low.size(); ++j) {
    result.smallest = low[j] < result.smallest ? low[j] : result.smallest;
    result.largest = high[j] > result.largest ? high[j] : result.largest;
  }
  return result;
}

}  // namespace razorscope
