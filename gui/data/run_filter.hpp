#pragma once

#include <QJsonObject>
#include <QString>
#include <array>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "gui/data/snapshot.hpp"

namespace razorscope::gui {

/// Bounds of a figure, both inclusive. A run without the figure is not within.
struct FigureBounds {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();

  bool operator==(const FigureBounds&) const = default;
};

/// Which runs are looked at. A value: filters are kept in a history, in sessions and in saved views, and name
/// what they want instead of pointing at it, so that they outlive the database they were made on.
struct RunFilter {
  std::map<Facet, std::set<QString>> chosen = {};  // of a facet, any of these; "": runs that have none
  std::map<QString, FigureBounds> bounds = {};     // by the column's key
  std::map<QString, QString> words =
      {};               // by the column's key: part of the name, in any case; after a '=' the whole of it
  QString search = {};  // words that a run's names hold, all of them

  bool empty() const { return chosen.empty() && bounds.empty() && words.empty() && search.isEmpty(); }
  bool operator==(const RunFilter&) const = default;

  QJsonObject toJson() const;
  /// What cannot be understood is left out.
  static RunFilter fromJson(const QJsonObject& json);
};

/// How many runs each value of each facet would leave: the facet's own choice does not count, so that one
/// sees what another choice would bring.
struct FacetCounts {
  std::array<std::vector<int>, facet_count> counts;  // by facet and name
  std::array<int, facet_count> without = {};         // runs that have no such thing
};

struct FilteredRuns {
  std::vector<size_t> runs;  // places in the snapshot, in its order
  FacetCounts counts;
};

/// Milliseconds for tens of thousands of runs.
FilteredRuns filter_runs(const Snapshot& snapshot, const RunFilter& filter);

/// One part of a filter, to be shown and removed by itself.
struct FilterChip {
  QString text;       // "Model: tiny-alibi"
  RunFilter removed;  // the filter without it
};
std::vector<FilterChip> filter_chips(const RunFilter& filter);

}  // namespace razorscope::gui
