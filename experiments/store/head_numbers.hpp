#pragma once

#include <cstdint>

namespace razorscope {

/// More layers than a model has, and more heads than a layer has. Numbers of heads are sizes and indices to
/// whoever reads them, and the schema lets any stand in a row.
inline constexpr int most_heads = 4096;

/// A layer or a head as a row has it. Throws what becomes "the database is damaged" where it can be neither.
/// Internal to this folder.
int head_number(int64_t stored);

/// The same of how many there are, of which there is at least one.
void check_head_count(int count);

}  // namespace razorscope
