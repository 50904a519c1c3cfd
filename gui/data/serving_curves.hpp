#pragma once

#include <QString>
#include <optional>
#include <vector>

#include "gui/data/format.hpp"
#include "gui/data/snapshot.hpp"

namespace razorscope::gui {

/// A figure of a workload served, to be drawn against the rate at which requests arrive.
struct LoadMeasure {
  const char* key;
  const char* title;  // "TTFT"
  const char* unit;
  const char* help;
  FigureKind format;
  Percentiles ServingResult::*latency;         // or null, then `value` is set
  std::optional<double> ServiceLevel::*limit;  // of latencies that a service level may bound, or null
  double (*value)(const ServingRow& row);

  QString heading() const;
};
const std::vector<LoadMeasure>& latency_measures();
const std::vector<LoadMeasure>& throughput_measures();

/// Which of a run's requests a latency is told of.
struct LatencyPercentile {
  const char* key;  // "p50"
  double Percentiles::*value;
};
const std::vector<LatencyPercentile>& latency_percentiles();

/// As stored: latencies in milliseconds.
double measured(const ServingRow& row, const LoadMeasure& measure, const LatencyPercentile& percentile);

/// A run, in words, where it is drawn by this measure: of a latency with all percentiles.
QString load_words(const ServingRow& row, const LoadMeasure& measure);

/// A policy's runs, by rate.
struct LoadCurve {
  std::string policy;          // canonical name
  std::vector<size_t> places;  // in the snapshot
  size_t nth_of_family = 0;    // families share a colour
};

/// What may be compared: runs that differ in policy and rate alone.
struct LoadCurves {
  std::vector<LoadCurve> curves;  // no more than can be told apart
  std::vector<size_t> places;     // of all runs with a rate, drawn or not
  size_t left_out = 0;            // policies with fewer runs that have no curve
  size_t at_once = 0;             // runs whose requests arrive all at once, which have no rate
};
/// Policies of runs in `keep` are not left out.
LoadCurves load_curves(const Snapshot& snapshot, const std::vector<size_t>& places, int subject,
                       const std::vector<RunRef>& keep);

/// Subjects of workloads served among `places`, those with most runs first.
std::vector<int> serving_subjects(const Snapshot& snapshot, const std::vector<size_t>& places);

}  // namespace razorscope::gui
