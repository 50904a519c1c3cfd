#pragma once

#include <array>
#include <vector>

#include "experiments/store/rows.hpp"
#include "experiments/store/store.hpp"

namespace razorscope {

/// A figure of a replay that is a mean over its query heads.
struct HeadMean {
  const char* key;     // in JSON, and of the explorer's columns
  const char* figure;  // in the database, and in comparisons
  double TradeoffRow::*of_run;
  double HeadErrors::*of_head;
  std::optional<Interval> HeadIntervals::*interval;
};
inline constexpr std::array<HeadMean, 3> means_over_heads = {
    {{"relative_error_mean", "relative_error_mean", &TradeoffRow::relative_error_mean,
      &HeadErrors::relative_error, &HeadIntervals::relative_error},
     {"lost_mass_mean", "lost_mass_mean", &TradeoffRow::lost_mass_mean, &HeadErrors::lost_mass,
      &HeadIntervals::lost_mass},
     {"kl_mean", "kl_mean_nats", &TradeoffRow::kl_mean, &HeadErrors::kl, &HeadIntervals::kl}}};

HeadIntervals head_intervals(const std::vector<HeadErrors>& heads);

/// Gives replays of this store their intervals, which needs the figures of all of their heads: a second for
/// a million of them.
void read_head_intervals(Store& store, std::vector<TradeoffRow>& rows);

}  // namespace razorscope
