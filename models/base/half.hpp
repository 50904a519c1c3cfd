#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstring>

namespace razorscope {

/// IEEE half precision, rounded to nearest even.
inline void store_half(const float* from, size_t count, std::byte* to) {
  for (size_t i = 0; i < count; ++i) {
    const Eigen::half value(from[i]);
    std::memcpy(to + i * sizeof(value), &value, sizeof(value));
  }
}

inline void load_half(const std::byte* from, size_t count, float* to) {
  for (size_t i = 0; i < count; ++i) {
    Eigen::half value;
    std::memcpy(&value, from + i * sizeof(value), sizeof(value));
    to[i] = static_cast<float>(value);
  }
}

inline float round_to_half(float x) { return static_cast<float>(Eigen::half(x)); }

}  // namespace razorscope
