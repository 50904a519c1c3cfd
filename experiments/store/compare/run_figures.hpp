#pragma once

#include <string>
#include <vector>

#include "experiments/store/compare/comparison.hpp"

namespace razorscope {

// What each kind of run is paired by where its configuration is not the same, and which figures of it are
// compared. Internal to this folder.

/// All that a reader sees of what was asked for.
std::string name_key(const TradeoffRow& row);
std::string name_key(const ClosedLoopRow& row);
std::string name_key(const TaskRow& row);
std::string name_key(const ServingRow& row);
std::string name_key(const MaxRateRow& row);
std::string name_key(const CapacityRow& row);

/// Without intervals that need more than the rows.
std::vector<FigureDifference> differences(const TradeoffRow& a, const TradeoffRow& b);
std::vector<FigureDifference> differences(const ClosedLoopRow& a, const ClosedLoopRow& b);
std::vector<FigureDifference> differences(const TaskRow& a, const TaskRow& b);
std::vector<FigureDifference> differences(const ServingRow& a, const ServingRow& b);
std::vector<FigureDifference> differences(const MaxRateRow& a, const MaxRateRow& b);
std::vector<FigureDifference> differences(const CapacityRow& a, const CapacityRow& b);

/// Gives the figures of a replay that are means over heads their intervals.
void add_head_intervals(std::vector<FigureDifference>& figures, const std::vector<HeadErrors>& a,
                        const std::vector<HeadErrors>& b);

}  // namespace razorscope
