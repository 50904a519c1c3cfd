#pragma once

#include "policies/kernels/row_format.hpp"

namespace razorscope {

/// Element i of row `row` of a segment, by the definition of its format and as plainly as it can be written;
/// of kivi keys, `row` counts from the segment's first group. Slow.
double stored_element(const RowSegment& segment, int head_size, int row, int i);

}  // namespace razorscope
