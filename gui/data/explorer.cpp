#include "gui/data/explorer.hpp"

#include <QElapsedTimer>
#include <algorithm>
#include <utility>

#include "experiments/store/schema.hpp"

namespace razorscope::gui {
namespace {

constexpr size_t longest_history = 100;

}  // namespace

Explorer::Explorer(QObject* parent) : QObject(parent) {
  connect(&watch_, &DatabaseWatch::changed, this, &Explorer::refresh);
}

void Explorer::open(const QString& path) {
  path_ = path;
  watch_.watch(path);
  ++reading_;
  is_reading_ = false;
  become(State::loading, {}, snapshot_);
  load();
}

void Explorer::close() {
  ++reading_;
  is_reading_ = false;
  path_.clear();
  watch_.watch({});
  become(State::empty, {}, nullptr);
}

void Explorer::refresh() {
  if (!path_.isEmpty()) load();
}

void Explorer::bringUpToDate() {
  if (!outdated_) return;
  const int reading = ++reading_;
  is_reading_ = true;
  become(State::loading, {}, nullptr);
  const std::filesystem::path path(path_.toStdString());
  worker_.run(
      this, [path] { return Store::open_for_writing(path).path(); },
      [this, reading](const std::filesystem::path&) {
        if (reading == reading_) open(path_);
      },
      [this, reading](const QString& problem) {
        if (reading != reading_) return;
        is_reading_ = false;
        become(State::failed, problem, nullptr);
        outdated_ = true;
        Q_EMIT stateChanged();
      });
}

/// A database that is written all the time is read once more when a reading is over, not once for each write.
void Explorer::load() {
  read_again_ = is_reading_;
  if (is_reading_) return;
  is_reading_ = true;
  const std::filesystem::path path(path_.toStdString());
  worker_.run(
      this,
      [path] {
        QElapsedTimer clock;
        clock.start();
        Loaded loaded;
        try {
          Store store = Store::open_read_only(path);
          loaded.snapshot = std::make_shared<const Snapshot>(read_snapshot(store));
        } catch (const OlderSchemaError& problem) {
          loaded.outdated = QString::fromUtf8(problem.what());
        }
        loaded.milliseconds = static_cast<int>(clock.elapsed());
        return loaded;
      },
      [this, reading = reading_](const Loaded& loaded) {
        if (reading == reading_) finish(loaded);
      },
      [this, reading = reading_](const QString& problem) {
        if (reading == reading_) fail(problem);
      });
}

void Explorer::finish(const Loaded& loaded) {
  is_reading_ = false;
  watch_.setReadingTime(loaded.milliseconds);
  if (loaded.snapshot) {
    become(State::ready, {}, loaded.snapshot);
  } else {
    outdated_ = true;
    become(State::failed, loaded.outdated, nullptr);
  }
  if (read_again_) load();
}

/// What was read of the same database before stays.
void Explorer::fail(const QString& problem) {
  is_reading_ = false;
  const bool is_of_this = snapshot_ && snapshot_->path == std::filesystem::path(path_.toStdString());
  become(State::failed, problem, is_of_this ? snapshot_ : nullptr);
}

void Explorer::become(State state, const QString& problem, const std::shared_ptr<const Snapshot>& snapshot) {
  state_ = state;
  problem_ = problem;
  if (state != State::failed) outdated_ = false;
  const bool is_new = snapshot != snapshot_;
  snapshot_ = snapshot;
  std::vector<RunRef> left;
  for (const RunRef& run : selection_) {
    if (snapshot_ && snapshot_->find(run) != nullptr) left.push_back(run);
  }
  const bool lost = left.size() != selection_.size();
  selection_ = std::move(left);
  if (is_new) filtered_ = snapshot_ ? filter_runs(*snapshot_, filter_) : FilteredRuns();
  Q_EMIT stateChanged();
  if (is_new) {
    Q_EMIT snapshotChanged();
    Q_EMIT filterChanged();
  }
  if (lost) Q_EMIT selectionChanged();
}

void Explorer::applyFilter() {
  if (snapshot_) filtered_ = filter_runs(*snapshot_, filter_);
  Q_EMIT filterChanged();
}

void Explorer::setFilter(const RunFilter& filter) {
  if (filter == filter_) return;
  undo_.push_back(std::exchange(filter_, filter));
  if (undo_.size() > longest_history) undo_.erase(undo_.begin());
  redo_.clear();
  applyFilter();
}

void Explorer::undoFilter() { restore(undo_, redo_); }
void Explorer::redoFilter() { restore(redo_, undo_); }

void Explorer::restore(std::vector<RunFilter>& from, std::vector<RunFilter>& to) {
  if (from.empty()) return;
  to.push_back(std::exchange(filter_, from.back()));
  from.pop_back();
  applyFilter();
}

std::optional<RunRef> Explorer::currentRun() const {
  return selection_.empty() ? std::nullopt : std::optional<RunRef>(selection_.back());
}

bool Explorer::isSelected(const RunRef& run) const {
  return std::find(selection_.begin(), selection_.end(), run) != selection_.end();
}

void Explorer::select(std::vector<RunRef> runs) {
  if (runs == selection_) return;
  selection_ = std::move(runs);
  Q_EMIT selectionChanged();
}

void Explorer::setTrial(std::optional<TradeoffRow> trial) {
  trial_ = std::move(trial);
  Q_EMIT trialChanged();
}

void Explorer::toggle(const RunRef& run) {
  std::vector<RunRef> runs = selection_;
  const auto found = std::find(runs.begin(), runs.end(), run);
  if (found == runs.end()) {
    runs.push_back(run);
  } else {
    runs.erase(found);
  }
  select(std::move(runs));
}

}  // namespace razorscope::gui
