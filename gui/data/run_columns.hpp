#pragma once

#include <QString>
#include <optional>
#include <string>
#include <vector>

#include "gui/data/format.hpp"
#include "gui/data/snapshot.hpp"

namespace razorscope::gui {

/// A figure or a name that runs have: a column of the table, an axis of a chart, a filter. Declared once, in
/// run_columns.cpp.
struct RunColumn {
  const char* key;    // as in `razorscope report --format json`
  const char* title;  // for people, without the unit
  const char* unit;   // "" where there is none
  const char* help;   // one line
  FigureKind format = FigureKind::error;
  bool less_is_better = true;
  bool shown = false;  // in a table that nobody has changed
  /// Names have `text`, figures have `number`; nothing where a kind of run has no such figure.
  QString (*text)(const Snapshot&, const Run&) = nullptr;
  std::optional<double> (*number)(const Snapshot&, const Run&) = nullptr;
  std::optional<Interval> (*interval)(const Snapshot&, const Run&) = nullptr;  // 95 %
  /// Of replays' means over heads; see HeadIntervalShelf.
  std::optional<Interval> HeadIntervals::*of_heads = nullptr;

  bool is_number() const { return number != nullptr; }
  /// "Physical bytes (B)".
  QString heading() const;
  /// As it is shown; "" where the run has none.
  QString cell(const Snapshot& snapshot, const Run& run) const;
  /// As it is written into files: figures with every digit.
  QString field(const Snapshot& snapshot, const Run& run) const;
};

/// In the order of the table.
const std::vector<RunColumn>& run_columns();

/// By key; -1 where there is none.
int run_column(const QString& key);

}  // namespace razorscope::gui
