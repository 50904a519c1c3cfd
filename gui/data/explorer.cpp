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
  load(false);
}

void Explorer::close() {
  ++reading_;
  path_.clear();
  watch_.watch({});
  setState(State::empty);
  take(nullptr);
}

void Explorer::refresh() {
  if (!path_.isEmpty()) load(true);
}

void Explorer::bringUpToDate() {
  if (!outdated_) return;
  setState(State::loading);
  const std::filesystem::path path(path_.toStdString());
  worker_.run(
      this, [path] { return Store::open_for_writing(path).path(); },
      [this](const std::filesystem::path&) { open(path_); },
      [this](const QString& problem) { setState(State::failed, problem); });
}

void Explorer::load(bool again) {
  const int reading = ++reading_;
  if (!again) setState(State::loading);
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
      [this, reading](const Loaded& loaded) {
        if (reading == reading_) finish(loaded);
      },
      [this, reading, again](const QString& problem) {
        if (reading != reading_) return;
        setState(State::failed, problem);
        if (!again) take(nullptr);
      });
}

void Explorer::finish(const Loaded& loaded) {
  watch_.setReadingTime(loaded.milliseconds);
  if (loaded.snapshot) {
    setState(State::ready);
  } else {
    outdated_ = true;
    setState(State::failed, loaded.outdated);
  }
  take(loaded.snapshot);
}

void Explorer::setState(State state, const QString& problem) {
  state_ = state;
  if (state != State::failed) outdated_ = false;
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
