#include <bit>
#include <cmath>

#include "models/language/shape.hpp"

namespace razorscope {
namespace {

std::vector<double> slopes_of_power_of_two(unsigned heads, double max_bias) {
  std::vector<double> slopes;
  for (unsigned h = 1; h <= heads; ++h) slopes.push_back(std::exp2(-max_bias * h / heads));
  return slopes;
}

}  // namespace

std::vector<float> alibi_slopes(int heads, float max_bias) {
  const auto count = static_cast<unsigned>(heads);
  const unsigned whole = std::bit_floor(count);
  std::vector<double> slopes = slopes_of_power_of_two(whole, max_bias);
  const std::vector<double> finer = slopes_of_power_of_two(2 * whole, max_bias);
  for (size_t i = 0; slopes.size() < count; i += 2) slopes.push_back(finer[i]);
  return {slopes.begin(), slopes.end()};
}

}  // namespace razorscope
