#include "gui/data/head_interval_shelf.hpp"

#include <algorithm>
#include <iterator>

#include "experiments/store/head_intervals.hpp"

namespace razorscope::gui {

void HeadIntervalShelf::expire(const std::filesystem::path& path) {
  if (path != path_) shelf_.clear();
  path_ = path;
  asked_.clear();
  ++readings_;
}

const HeadIntervals* HeadIntervalShelf::find(int64_t run) const {
  const auto found = shelf_.find(run);
  return found == shelf_.end() ? nullptr : &found->second;
}

void HeadIntervalShelf::read(Explorer& explorer, QObject* context, const std::vector<int64_t>& runs,
                             const std::function<void()>& done) {
  std::vector<int64_t> missing;
  std::copy_if(runs.begin(), runs.end(), std::back_inserter(missing),
               [this](int64_t run) { return !asked_.contains(run); });
  if (missing.empty() || runs.size() > most_runs) return;
  asked_.insert(missing.begin(), missing.end());
  explorer.worker().read(
      path_, context,
      [missing](Store& store) {
        Shelf shelf;
        for (const int64_t run : missing) shelf[run] = head_intervals(store.head_errors(run));
        return shelf;
      },
      [this, done, reading = readings_](const Shelf& shelf) {
        if (reading != readings_) return;
        for (const auto& [run, intervals] : shelf) shelf_[run] = intervals;
        done();
      },
      // Asked for again when the chart is filled next.
      [this, missing](const QString&) {
        for (const int64_t run : missing) asked_.erase(run);
      });
}

}  // namespace razorscope::gui
