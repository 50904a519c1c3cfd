#pragma once

namespace razorscope {

/// In place, on blocks of the largest power of two that divides head_size (80: 5 x 16): the orthonormal
/// Hadamard transform, which is its own inverse. It spreads an outlier channel over its block before a block
/// shares one scale.
void hadamard(float* row, int head_size);

}  // namespace razorscope
