#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "gui/data/explorer.hpp"

namespace razorscope::gui {

/// Intervals of replays over their heads, which a snapshot leaves in the database, for those that are looked
/// at.
///
/// Contract. Lives as long as what it calls back.
class HeadIntervalShelf {
 public:
  /// Of more replays than that, none are read: their bars could not be told apart.
  static constexpr size_t most_runs = 300;

  /// The database was read again: what is known stays until it is known anew, unless the file is another.
  void expire(const std::filesystem::path& path);
  /// nullptr until it was read.
  const HeadIntervals* find(int64_t run) const;
  /// Reads those of these replays that were not read yet, and calls `done` where it has read any.
  void read(Explorer& explorer, QObject* context, const std::vector<int64_t>& runs,
            const std::function<void()>& done);

 private:
  using Shelf = std::map<int64_t, HeadIntervals>;  // by run

  Shelf shelf_;
  std::set<int64_t> asked_;  // since the database was read
  std::filesystem::path path_;
  int readings_ = 0;
};

}  // namespace razorscope::gui
