#include "sim/serving/workloads/workload_format.hpp"

#include <algorithm>
#include <charconv>

namespace razorscope {

int parse_tokens(const Place& place, std::string_view field, std::string_view value) {
  int tokens = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), tokens);
  if (error != std::errc() || end != value.data() + value.size() || tokens < 1 || tokens > most_tokens) {
    fail_field(place, field, value, "a whole number of tokens, 1 to 100000000");
  }
  return tokens;
}

double parse_time(const Place& place, std::string_view field, std::string_view value) {
  double time = 0.0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), time);
  // Written so that NaN fails too.
  if (error != std::errc() || end != value.data() + value.size() || !(time >= 0.0 && time <= 1e15)) {
    fail_field(place, field, value, "a number, 0 to 1e15");
  }
  return time;
}

void reserve_for_rest(std::vector<Request>& requests, const TextReader& text, size_t most) {
  constexpr size_t enough = 4096;
  if (requests.size() != enough) return;
  constexpr double spare = 1.03;  // later records may be a little shorter
  const double expected = spare * enough * (1.0 + text.rest_over_given());
  requests.reserve(std::min(static_cast<size_t>(expected), most));
}

}  // namespace razorscope
