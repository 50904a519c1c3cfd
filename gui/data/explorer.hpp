#pragma once

#include <QObject>
#include <QString>
#include <memory>
#include <optional>
#include <vector>

#include "gui/data/database_watch.hpp"
#include "gui/data/run_filter.hpp"
#include "gui/data/snapshot.hpp"
#include "gui/data/worker.hpp"

namespace razorscope::gui {

/// What all views share: the database that is looked at, the filter, the runs that it leaves, and which of
/// them are selected. Views watch it and tell it what the user does; they do not know each other.
///
/// Contract. Lives in the thread that draws. A signal is sent after all that it tells of is in place, in the
/// order snapshotChanged, filterChanged, selectionChanged where one brings the other about. Opening and
/// refreshing come back later, by stateChanged.
class Explorer : public QObject {
  Q_OBJECT

 public:
  enum class State { empty, loading, ready, failed };
  Q_ENUM(State)

  explicit Explorer(QObject* parent = nullptr);

  State state() const { return state_; }
  /// Why the database could not be read, or read again.
  QString problem() const { return problem_; }
  /// Whether that is because an older program made it, which bringUpToDate() mends.
  bool isOutdated() const { return outdated_; }
  QString path() const { return path_; }

  /// Looks at another database. Filter and selection stay where they fit.
  void open(const QString& path);
  void close();
  /// Reads the database again; what is shown stays until it is there. Happens by itself when another program
  /// has written into it.
  void refresh();
  /// Brings a database of an older program up to date, and opens it. Loses nothing; older programs cannot
  /// read it any more.
  void bringUpToDate();

  /// Nothing before a database was read.
  const std::shared_ptr<const Snapshot>& snapshot() const { return snapshot_; }
  const RunFilter& filter() const { return filter_; }
  /// Places in the snapshot of the runs that the filter leaves.
  const std::vector<size_t>& visibleRuns() const { return filtered_.runs; }
  const FacetCounts& facetCounts() const { return filtered_.counts; }

  void setFilter(const RunFilter& filter);
  bool canUndoFilter() const { return !undo_.empty(); }
  bool canRedoFilter() const { return !redo_.empty(); }
  void undoFilter();
  void redoFilter();

  /// The last of them is the current run, which views of one run show.
  const std::vector<RunRef>& selection() const { return selection_; }
  std::optional<RunRef> currentRun() const;
  bool isSelected(const RunRef& run) const;
  void select(std::vector<RunRef> runs);
  void selectOnly(const RunRef& run) { select({run}); }
  void toggle(const RunRef& run);

  /// A replay that was tried and is not stored; it stands beside the runs where it can be compared with them.
  const std::optional<TradeoffRow>& trial() const { return trial_; }
  void setTrial(std::optional<TradeoffRow> trial);

  /// The thread that reads.
  Worker& worker() { return worker_; }

 Q_SIGNALS:
  void stateChanged();
  void snapshotChanged();
  void filterChanged();  // the filter, or the runs that it leaves
  void selectionChanged();
  void trialChanged();

 private:
  /// What came of reading: nothing, where the database is of an older program.
  struct Loaded {
    std::shared_ptr<const Snapshot> snapshot;
    QString outdated;
    int milliseconds = 0;
  };

  void load();
  void finish(const Loaded& loaded);
  void fail(const QString& problem);
  /// Everything is in place when the first signal is sent.
  void become(State state, const QString& problem, const std::shared_ptr<const Snapshot>& snapshot);
  void applyFilter();
  void restore(std::vector<RunFilter>& from, std::vector<RunFilter>& to);

  State state_ = State::empty;
  QString problem_;
  bool outdated_ = false;
  QString path_;
  DatabaseWatch watch_;
  int reading_ = 0;  // counts databases, so that an answer about one is not taken for another's
  bool is_reading_ = false;
  bool read_again_ = false;  // once the reading at hand is over
  std::shared_ptr<const Snapshot> snapshot_;
  RunFilter filter_;
  FilteredRuns filtered_;
  std::vector<RunFilter> undo_;
  std::vector<RunFilter> redo_;
  std::vector<RunRef> selection_;
  std::optional<TradeoffRow> trial_;
  Worker worker_;  // last: nothing is called back once the rest is gone
};

}  // namespace razorscope::gui
