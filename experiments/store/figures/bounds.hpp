#pragma once

#include <algorithm>
#include <cstddef>
#include <fmt/format.h>
#include <string>
#include <vector>

namespace razorscope {

// What a figure shows at most, so that one of a database with thousands of runs can still be read. What is
// left out is always said.
inline constexpr size_t most_figures = 8;  // of one kind
inline constexpr size_t most_curves = 12;  // in a figure
inline constexpr size_t most_points = 300;
inline constexpr size_t most_bars = 32;

/// Keeps the `most` items that count most, in their order; returns how many went. `weight` orders them: of
/// two that weigh the same the earlier one stays.
template <typename Item, typename Weight>
size_t keep_heaviest(std::vector<Item>& items, size_t most, const Weight& weight) {
  if (items.size() <= most) return 0;
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return weight(items[a]) > weight(items[b]); });
  order.resize(most);
  std::sort(order.begin(), order.end());
  std::vector<Item> kept;
  for (const size_t i : order) kept.push_back(std::move(items[i]));
  const size_t gone = items.size() - most;
  items = std::move(kept);
  return gone;
}

/// "" where nothing is left out.
inline std::string left_out_text(size_t groups) {
  if (groups == 0) return "";
  return fmt::format(
      "Not drawn: {} more groups of runs, with fewer runs each; --model, --text, --policy and "
      "--prefix choose.",
      groups);
}

}  // namespace razorscope
