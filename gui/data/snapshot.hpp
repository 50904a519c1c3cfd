#pragma once

#include <QString>
#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "experiments/store/report.hpp"
#include "experiments/store/store.hpp"
#include "gui/data/run.hpp"

namespace razorscope::gui {

/// All runs of a database as they were at one moment, as the store's reports have them. Figures of heads
/// and tokens and timelines stay in the database until they are looked at.
///
/// Never changes once it is made: any thread may read it.
struct Snapshot {
  std::filesystem::path path;
  ReportData data;  // without ladder and searches for rates, which no view shows
  std::vector<ExplanationRow> explanations;
  std::vector<RankedHead> heads;                        // of all probes
  std::vector<Run> runs;                                // of all kinds, in the order of the store's reports
  std::map<RunRef, size_t> places;                      // of the runs
  std::array<std::vector<QString>, facet_count> names;  // of each facet, in the order in which they are shown
  std::vector<QString> subjects;                        // what runs of a subject were measured on, in words
  std::unordered_map<std::string, int> subject_numbers;  // by kind and subject_key
  std::vector<QString> labels;                           // of policies
  std::vector<QString> haystacks;  // what a search looks through, one a run, in lower case

  const TradeoffRow& replay(const Run& run) const { return data.replay[run.row]; }
  const ClosedLoopRow& eval(const Run& run) const { return data.closed_loop[run.row]; }
  const TaskRow& task(const Run& run) const { return data.tasks[run.row]; }
  const ExplanationRow& explanation(const Run& run) const { return explanations[run.row]; }
  const CapacityRow& plan(const Run& run) const { return data.plans[run.row]; }
  const ServingRow& serving(const Run& run) const { return data.serving[run.row]; }

  const std::vector<QString>& names_of(Facet facet) const { return names[static_cast<size_t>(facet)]; }
  /// The name of a run's facet; "" where it has none.
  QString name(const Run& run, Facet facet) const;
  /// The policy by its label.
  const QString& label(const Run& run) const { return labels[static_cast<size_t>(run.label)]; }
  /// Nothing where the snapshot has no such run.
  const Run* find(const RunRef& ref) const;
  /// The subject that a replay which is not stored would be of; -1: none.
  int subject_of(const TradeoffRow& row) const;
  /// The policy's canonical name.
  const std::string& policy(const Run& run) const;
};

/// Of one replay that is not stored.
Snapshot snapshot_of(const TradeoffRow& replay);

/// Reads all of it; seconds where there are tens of thousands of runs, so never on the thread that draws.
Snapshot read_snapshot(Store& store);

}  // namespace razorscope::gui
