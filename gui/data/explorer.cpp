#include "gui/data/explorer.hpp"

#include <algorithm>
#include <utility>

namespace razorscope::gui {
namespace {

constexpr size_t longest_history = 100;

}  // namespace

Explorer::Explorer(QObject* parent) : QObject(parent) {}

void Explorer::open(const QString& path) {
  path_ = path;
  load(false);
}

void Explorer::close() {
  ++reading_;
  path_.clear();
  setState(State::empty);
  take(nullptr);
}

void Explorer::refresh() {
  if (!path_.isEmpty()) load(true);
}

void Explorer::load(bool again) {
  const int reading = ++reading_;
  if (!again) setState(State::loading);
  worker_.read(
      std::filesystem::path(path_.toStdString()), this,
      [](Store& store) -> std::shared_ptr<const Snapshot> {
        return std::make_shared<const Snapshot>(read_snapshot(store));
      },
      [this, reading](const std::shared_ptr<const Snapshot>& snapshot) {
        if (reading != reading_) return;
        setState(State::ready);
        take(snapshot);
      },
      [this, reading, again](const QString& problem) {
        if (reading != reading_) return;
        setState(State::failed, problem);
        if (!again) take(nullptr);
      });
}

void Explorer::setState(State state, const QString& problem) {
  state_ = state;
  problem_ = problem;
  Q_EMIT stateChanged();
}

void Explorer::take(const std::shared_ptr<const Snapshot>& snapshot) {
  snapshot_ = snapshot;
  std::vector<RunRef> left;
  for (const RunRef& run : selection_) {
    if (snapshot_ && snapshot_->find(run) != nullptr) left.push_back(run);
  }
  const bool lost = left.size() != selection_.size();
  selection_ = std::move(left);
  if (snapshot_) {
    filtered_ = filter_runs(*snapshot_, filter_);
  } else {
    filtered_ = {};
  }
  Q_EMIT snapshotChanged();
  Q_EMIT filterChanged();
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
