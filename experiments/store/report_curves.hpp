#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/store/rows.hpp"
#include "experiments/store/text_table.hpp"

namespace razorscope {

/// A policy's figure at one share of full+f16's bytes.
struct CurvePoint {
  double share = 0.0;
  double value = 0.0;
  std::optional<Interval> interval;
};

/// One policy as it was asked for, over the shares that its size was solved for.
struct Curve {
  std::string policy;  // canonical name
  std::vector<CurvePoint> points;
};

/// What curves show: their y axis.
struct CurveMeasure {
  const char* name;    // with its unit
  bool has_intervals;  // a figure without one is said to come from too few samples
  bool logarithmic;
  bool less_is_better;
};

/// Curves that may be compared: their runs differ only in the policy and in the share.
struct CurveGroup {
  std::string heading;  // what they have in common, with n
  CurveMeasure measure = {};
  std::vector<double> shares;  // the largest first
  std::vector<Curve> curves;   // in the order in which their policies first appear
};

/// Of runs whose sizes were solved for a known share; the others have no place on a curve. Figures: mean
/// relative error; KL to full; accuracy, where the model can do the task.
std::vector<CurveGroup> curve_groups(const std::vector<TradeoffRow>& rows);
std::vector<CurveGroup> curve_groups(const std::vector<ClosedLoopRow>& rows);
std::vector<CurveGroup> curve_groups(const std::vector<TaskRow>& rows);

/// What tells groups apart: all but policy, size and comparison. Keys of one kind of run.
std::string subject_key(const TradeoffRow& row);
std::string subject_key(const ClosedLoopRow& row);
std::string subject_key(const TaskRow& row);
/// The same in words: what the rows were measured on, and how often.
std::string subject_heading(const TradeoffRow& row);
std::string subject_heading(const ClosedLoopRow& row);
std::string subject_heading(const TaskRow& row);
/// A row's figure, whose share is the one that its size was solved for, else 0; and what that figure is.
CurvePoint curve_point(const TradeoffRow& row);
CurvePoint curve_point(const ClosedLoopRow& row);
CurvePoint curve_point(const TaskRow& row);
CurveMeasure measure_of(const TradeoffRow& row);
CurveMeasure measure_of(const ClosedLoopRow& row);
CurveMeasure measure_of(const TaskRow& row);

/// A table with a row per policy and a column per share, for each group that has more than one share.
std::string format_curves(const std::vector<CurveGroup>& groups, TextStyle style);

}  // namespace razorscope
