#include "models/language/rope.hpp"

#include <cmath>

namespace razorscope {

Rope::Rope(const RopeScheme& scheme, int head_size) : scheme_(scheme), head_size_(head_size) {
  for (int i = 0; i < scheme.dimensions / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(scheme.dimensions);
    float frequency = 1.0F / std::pow(scheme.theta, exponent);
    if (!scheme.frequency_factors.empty()) frequency /= scheme.frequency_factors[static_cast<size_t>(i)];
    frequencies_.push_back(frequency / scheme.linear_scaling);
  }
}

Matrix Rope::angles(int first, int tokens) const {
  Matrix out(static_cast<size_t>(tokens), 2 * frequencies_.size());
  for (int t = 0; t < tokens; ++t) {
    float* row = out.row(static_cast<size_t>(t));
    for (size_t i = 0; i < frequencies_.size(); ++i) {
      const float angle = static_cast<float>(first + t) * frequencies_[i];
      row[2 * i] = std::cos(angle);
      row[2 * i + 1] = std::sin(angle);
    }
  }
  return out;
}

void Rope::rotate(float* heads_begin, int heads, const float* angles) const {
  const bool interleaved = scheme_.pairing == RopePairing::interleaved;
  const int pairs = scheme_.dimensions / 2;
  for (int h = 0; h < heads; ++h) {
    float* head = heads_begin + static_cast<ptrdiff_t>(h) * head_size_;
    for (int i = 0; i < pairs; ++i) {
      float& a = head[interleaved ? 2 * i : i];
      float& b = head[interleaved ? 2 * i + 1 : i + pairs];
      const float cosine = angles[2 * i];
      const float sine = angles[2 * i + 1];
      const float rotated = a * cosine - b * sine;
      b = a * sine + b * cosine;
      a = rotated;
    }
  }
}

}  // namespace razorscope
