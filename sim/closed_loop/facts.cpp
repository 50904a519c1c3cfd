#include "sim/closed_loop/facts.hpp"

#include <array>
#include <fmt/format.h>
#include <numeric>
#include <random>
#include <string_view>
#include <utility>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

constexpr std::array<std::string_view, 12> colours = {"blue",   "red",    "green",  "yellow",
                                                      "white",  "black",  "brown",  "purple",
                                                      "orange", "silver", "golden", "grey"};
constexpr std::array<std::string_view, 16> things = {
    "lighthouse", "bakery", "bridge", "station",  "garden", "theatre", "mill", "library",
    "harbour",    "castle", "tunnel", "workshop", "museum", "orchard", "bank", "stable"};

}  // namespace

int most_facts() { return static_cast<int>(colours.size() * things.size()); }

std::vector<Fact> make_facts(int count, uint64_t seed) {
  if (count < 1 || count > most_facts())
    throw InputError("--facts", fmt::format("{} is out of range; allowed: 1 to {}", count, most_facts()));
  std::mt19937_64 random(seed);
  std::vector<int> names(static_cast<size_t>(most_facts()));
  std::iota(names.begin(), names.end(), 0);
  // By hand: what std::shuffle does with its generator differs between libraries.
  for (size_t i = names.size(); i > 1; --i) std::swap(names[i - 1], names[random() % i]);
  std::vector<Fact> facts;
  for (int i = 0; i < count; ++i) {
    const auto name = static_cast<size_t>(names[static_cast<size_t>(i)]);
    const std::string what = fmt::format("The secret number of the {} {} is", colours[name % colours.size()],
                                         things[name / colours.size()]);
    const auto number = 10000 + random() % 90000;
    const std::string asked = fmt::format("the{}", what.substr(3, what.size() - 6));
    facts.push_back({fmt::format("\n{} {}.\n", what, number),
                     fmt::format("\nQuestion: What is {}?\nAnswer: {}", asked, what),
                     fmt::format(" {}", number)});
  }
  return facts;
}

}  // namespace razorscope
