#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "experiments/store/rows.hpp"

namespace razorscope {

inline bool is_full(const RunRow& row) { return row.policy == "full" || row.policy.starts_with("full+"); }

/// Rows with the same key stand together, groups in the order in which they first appear, and keep their
/// order in each. Internal to this folder, as is the next.
template <typename Row, typename Key>
std::vector<std::vector<Row>> grouped_in_order(const std::vector<Row>& rows, const Key& key_of) {
  std::vector<std::vector<Row>> groups;
  std::map<decltype(key_of(rows.front())), size_t> index;
  for (const Row& row : rows) {
    const auto [found, is_new] = index.try_emplace(key_of(row), groups.size());
    if (is_new) groups.emplace_back();
    groups[found->second].push_back(row);
  }
  return groups;
}

/// The same; in each group, `full` comes first, then by physical bytes, most first, and rows of equal bytes
/// keep their order.
template <typename Row, typename Key>
std::vector<std::vector<Row>> grouped(const std::vector<Row>& rows, const Key& key_of) {
  std::vector<std::vector<Row>> groups = grouped_in_order(rows, key_of);
  for (std::vector<Row>& group : groups) {
    std::stable_sort(group.begin(), group.end(), [&](const Row& a, const Row& b) {
      if (is_full(a) != is_full(b)) return is_full(a);
      return a.physical_bytes > b.physical_bytes;
    });
  }
  return groups;
}

}  // namespace razorscope
