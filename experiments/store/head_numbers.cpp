#include "experiments/store/head_numbers.hpp"

#include <fmt/format.h>

#include "experiments/store/token_ends.hpp"

namespace razorscope {

int head_number(int64_t stored) {
  if (stored < 0 || stored >= most_heads)
    throw_damaged(fmt::format("a layer or a head has the number {}", stored));
  return static_cast<int>(stored);
}

void check_head_count(int count) {
  if (count < 1 || count > most_heads) throw_damaged(fmt::format("there are {} layers or heads", count));
}

}  // namespace razorscope
