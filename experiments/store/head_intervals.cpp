#include "experiments/store/head_intervals.hpp"

#include "experiments/store/compare/difference.hpp"

namespace razorscope {

HeadIntervals head_intervals(const std::vector<HeadErrors>& heads) {
  HeadIntervals intervals;
  for (const HeadMean& mean : means_over_heads) {
    std::vector<double> values;
    for (const HeadErrors& head : heads) values.push_back(head.*mean.of_head);
    intervals.*mean.interval = mean_interval(values);
  }
  return intervals;
}

void read_head_intervals(Store& store, std::vector<TradeoffRow>& rows) {
  for (TradeoffRow& row : rows) row.intervals = head_intervals(store.head_errors(row.run_id));
}

}  // namespace razorscope
