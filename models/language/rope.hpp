#pragma once

#include "models/base/buffer.hpp"
#include "models/language/shape.hpp"

namespace razorscope {

/// Rotary position embedding (Su et al. 2021): the channel pair i of a head at position p turns by
/// p · theta^(-2i/dimensions), with the scaling that the scheme names.
class Rope {
 public:
  Rope(const RopeScheme& scheme, int head_size);

  /// Cosines and sines of positions first .. first + tokens - 1: [tokens, dimensions] as cos, sin pairs. In
  /// f32 from the f32 product position · frequency, as Hugging Face transformers computes them.
  Matrix angles(int first, int tokens) const;

  /// Rotates `heads` consecutive heads of one token in place. angles: one row of `angles`.
  void rotate(float* heads_begin, int heads, const float* angles) const;

 private:
  RopeScheme scheme_;
  int head_size_;
  std::vector<float> frequencies_;  // [dimensions / 2]
};

}  // namespace razorscope
