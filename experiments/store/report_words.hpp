#pragma once

#include <optional>
#include <string>

#include "experiments/store/rows.hpp"

namespace razorscope {

// The words that tables, curves and figures use for the same thing. Internal to this folder.

/// A share of full+f16's bytes: "30 %", "7.5 %".
std::string share_text(double share);

/// "equal bytes (at most 2.0 MiB, 30 % of full+f16)"; what is not known is left out.
std::string comparison_text(const RunRow& row);

std::string mebibytes(double bytes);

/// Physical bytes in percent of full+f16's, "-" where those are not known.
std::string percent_of_full(double physical_bytes, const RunRow& row);

/// "[0.1000, 0.2000]", or "too few" where there is no interval.
std::string interval_text(const std::optional<Interval>& interval, int digits);

/// Three significant digits, for figures that span decades; with their interval as above.
std::string figure_text(double value);
std::string figure_interval_text(const std::optional<Interval>& interval);

/// What rows of one kind of run have in common beside the comparison that they were made for; and n.
std::string subject_text(const TradeoffRow& row);
std::string subject_text(const ClosedLoopRow& row);
std::string subject_text(const TaskRow& row);
std::string n_text(const TradeoffRow& row);
std::string n_text(const ClosedLoopRow& row);
std::string n_text(const TaskRow& row);

/// Questions that full+f32 answers rightly, of as many as the policy was asked.
int full_correct(const TaskRow& row);
/// "needle, …: the model cannot do this task with the full cache (3 of 40)".
std::string model_cannot_text(const TaskRow& row);

}  // namespace razorscope
