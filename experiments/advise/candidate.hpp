#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "experiments/advise/metric.hpp"
#include "sim/closed_loop/bootstrap.hpp"

namespace razorscope {

/// Where a figure comes from: a row of the store.
struct Evidence {
  MetricSource source = MetricSource::plan;
  int64_t run_id = 0;      // of the source's own series; 0: not stored
  std::string model;       // that was measured
  bool same_model = true;  // as the one that advice is for
  std::string text = {};   // "" where there is none
  int tokens = 0;          // of the context
  int64_t n = 0;           // what was averaged over; 0: nothing was
  std::string unit = {};   // of n: rows, questions, requests
};

struct CandidateFigure {
  double value = 0.0;
  std::optional<Interval> interval = {};  // 95 %
  Evidence evidence = {};

  /// The end of the interval that is worse: what a limit is held against. Without an interval the value.
  double decisive(const Metric& metric) const {
    if (!interval) return value;
    return metric.smaller_is_better ? interval->high : interval->low;
  }
};

/// Figures by the metric's name. What is not there was not measured.
using Figures = std::map<std::string, CandidateFigure>;

/// A policy that might be the answer.
struct Candidate {
  std::string policy;  // canonical name
  Figures figures = {};
  std::string refusal = {};             // why it cannot run here; "" where it can
  std::vector<std::string> notes = {};  // that belong below its figures

  const CandidateFigure* figure(const Metric& metric) const {
    const auto found = figures.find(metric.name);
    return found == figures.end() ? nullptr : &found->second;
  }
};

}  // namespace razorscope
