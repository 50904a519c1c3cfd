#pragma once

#include <vector>

#include "policies/kernels/source_rows.hpp"

namespace razorscope {

/// sums[i] += Σ_t rows[t][i] over the first `count` rows, by the active target. sums: [head_size]. Vector
/// targets add eight rows at a time in f32, so that a sum is off by at most 2^-21 of Σ |rows[t][i]|.
void add_rows(const SourceRows& rows, int count, int head_size, double* sums);

/// The twin in double precision.
void add_rows_scalar(const SourceRows& rows, int count, int head_size, double* sums);

/// out[i] = the half at halves + 2·i, exactly, by the active target.
void widen_halves(const std::byte* halves, size_t count, float* out);
void widen_halves_scalar(const std::byte* halves, size_t count, float* out);

/// The row in f32: itself where it is stored so, else widened into `buffer`, [head_size].
const float* row_as_floats(const SourceRows& rows, int index, int head_size, std::vector<float>& buffer);

}  // namespace razorscope
