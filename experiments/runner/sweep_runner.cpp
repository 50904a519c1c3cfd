#include "experiments/runner/sweep_runner.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <sstream>
#include <thread>

#include "experiments/runner/child_message.hpp"
#include "experiments/runner/child_pool.hpp"
#include "experiments/runner/process_identity.hpp"
#include "experiments/runner/shell_line.hpp"
#include "experiments/runner/sweep_board.hpp"
#include "experiments/runner/trace_recordings.hpp"

namespace razorscope {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds a_moment{100};
constexpr std::chrono::seconds between_heartbeats{10};
constexpr double longest_silence = 120.0;         // seconds, after which a runner elsewhere is taken for dead
constexpr std::chrono::seconds between_looks{1};  // at what other runners did
constexpr int bad_input = 2;
constexpr int first_signal = 128;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Strikes the runner off the journal when it goes, however it goes.
class Registration {
 public:
  explicit Registration(SweepJournal& journal) : journal_(journal) {
    const ProcessIdentity process = this_process();
    id_ = journal_.add_runner(process.host, process.pid, process.start);
  }
  ~Registration() {
    try {
      journal_.release(id_);
    } catch (const std::exception&) {  // the next runner finds that this one is gone
      return;
    }
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  int64_t id() const { return id_; }

 private:
  SweepJournal& journal_;
  int64_t id_ = 0;
};

/// What a child process works on: cells of a batch, or a trace.
struct Work {
  int batch = -1;
  int trace = -1;
  std::vector<size_t> cells;
  SweepCost cost;
  size_t threads = 1;
  std::string command_line;
  Clock::time_point begin = Clock::now();
};

/// Why a process that came to its end stored no run of a policy: what it says it left out.
std::string reason_without_run(const ChildExit& exit) {
  std::string reasons;
  std::istringstream lines(exit.error_tail);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("left out")) reasons += (reasons.empty() ? "" : "; ") + line;
  }
  return reasons.empty() ? "its process stored no run of it" : reasons;
}

std::vector<double> seconds_of(const std::vector<SweepCost>& costs) {
  std::vector<double> seconds;
  for (const SweepCost& cost : costs) seconds.push_back(cost.seconds);
  return seconds;
}

}  // namespace

struct SweepRunner::Run {
  Run(const SweepFile& file, const SweepPlan& plan, const SweepCosts& costs, const SweepRunOptions& options);
  void release_dead_runners();
  void look();
  void keep_the_journal();
  bool fits(const SweepCost& cost, size_t threads) const;
  size_t threads_for(const SweepCost& cost, size_t batches) const;
  bool is_ready(const SweepBatch& batch) const;
  void start(std::vector<std::string> words, Work work);
  bool start_trace(size_t trace);
  bool start_batch(size_t batch);
  void start_what_fits();
  void take(const ChildExit& exit);
  void take_trace(const Work& work, const ChildExit& exit);
  void take_cells(const Work& work, const ChildExit& exit);
  void fail_what_cannot_start();
  bool is_over() const;
  SweepState state() const;

  const SweepPlan& plan;
  const SweepCosts& costs;
  const SweepRunOptions& options;
  SweepJournal journal;
  SweepBoard board;
  mutable TraceRecordings recordings;
  Registration registration;
  std::map<size_t, Work> work;  // by the pool's id
  std::map<size_t, int> kills;  // of the group that begins with a cell
  double measured_seconds = 0.0;
  double estimated_seconds = 0.0;  // of the same
  Clock::time_point beat = Clock::now();
  Clock::time_point looked = Clock::now();
  ChildPool pool;  // last: its children end before their cells are given back
};

SweepRunner::Run::Run(const SweepFile& file, const SweepPlan& the_plan, const SweepCosts& the_costs,
                      const SweepRunOptions& the_options)
    : plan(the_plan),
      costs(the_costs),
      options(the_options),
      journal(the_options.db),
      board(journal, file, the_plan, seconds_of(the_costs.batches)),
      recordings(the_plan.traces),
      registration(journal),
      pool(the_options.program, the_options.threads) {
  release_dead_runners();
  if (options.retry_failed) journal.retry_failed(board.ids(board.here()));
  look();
}

void SweepRunner::Run::release_dead_runners() {
  for (const RunnerRow& runner : journal.runners()) {
    if (runner.id == registration.id()) continue;
    if (is_gone({runner.host, runner.pid, runner.process_start}) || runner.silent_seconds > longest_silence)
      journal.release(runner.id);
  }
}

void SweepRunner::Run::look() {
  board.look();
  looked = Clock::now();
}

void SweepRunner::Run::keep_the_journal() {
  if (Clock::now() - beat > between_heartbeats) {
    journal.heartbeat(registration.id());
    beat = Clock::now();
  }
  if (Clock::now() - looked < between_looks) return;
  release_dead_runners();
  look();
}

bool SweepRunner::Run::fits(const SweepCost& cost, size_t threads) const {
  size_t busy = threads;
  double memory = cost.memory_bytes;
  for (const auto& [id, running] : work) {
    busy += running.threads;
    memory += running.cost.memory_bytes;
  }
  return work.empty() || (busy <= options.threads && memory <= options.memory_bytes);
}

size_t SweepRunner::Run::threads_for(const SweepCost& cost, size_t batches) const {
  return cost.one_thread ? 1 : std::max<size_t>(1, options.threads / std::max<size_t>(1, batches));
}

bool SweepRunner::Run::is_ready(const SweepBatch& batch) const {
  if (batch.trace >= 0 && recordings.state(static_cast<size_t>(batch.trace)) != TraceRecordings::State::there)
    return false;
  return batch.probe < 0 || board.is_done(static_cast<size_t>(batch.probe)) ||
         board.has_failed(static_cast<size_t>(batch.probe));  // then each makes its own, and tells why not
}

void SweepRunner::Run::start(std::vector<std::string> words, Work next) {
  words.insert(words.end(), {"--json", "--threads", std::to_string(next.threads)});
  work[pool.add(std::move(words))] = std::move(next);
}

bool SweepRunner::Run::start_trace(size_t trace) {
  Work next;
  next.trace = static_cast<int>(trace);
  next.cost = costs.traces[trace];
  next.threads = threads_for(next.cost, plan.traces.size());
  if (!fits(next.cost, next.threads) || !recordings.take(trace)) return false;
  start(plan.traces[trace].words, next);
  return true;
}

bool SweepRunner::Run::start_batch(size_t batch) {
  Work next;
  next.batch = static_cast<int>(batch);
  next.cells = board.pending_group(batch);
  if (next.cells.empty() || !is_ready(plan.batches[batch])) return false;
  next.cost = costs.batches[batch];
  next.threads = threads_for(next.cost, plan.processes());
  next.cost.seconds *=
      static_cast<double>(next.cells.size()) / static_cast<double>(plan.batches[batch].cells.size());
  if (!fits(next.cost, next.threads)) return false;
  std::vector<std::string> words = board.words(batch, next.cells);
  words.insert(words.end(), {"--db", std::filesystem::absolute(options.db).string()});
  std::vector<std::string> line = words;
  line.insert(line.begin(), options.program.string());
  line.insert(line.end(), {"--json", "--threads", std::to_string(next.threads)});
  const bool claimed = journal.claim(board.ids(next.cells), registration.id(), shell_line(line));
  if (claimed) start(std::move(words), next);
  look();
  return claimed;
}

void SweepRunner::Run::start_what_fits() {
  for (size_t trace = 0; trace < plan.traces.size(); ++trace) {
    const bool wanted = std::any_of(plan.batches.begin(), plan.batches.end(), [&](const SweepBatch& batch) {
      return batch.trace == static_cast<int>(trace) &&
             !board.pending_group(static_cast<size_t>(&batch - plan.batches.data())).empty();
    });
    if (wanted && recordings.state(trace) == TraceRecordings::State::missing) start_trace(trace);
  }
  for (size_t batch = 0; batch < plan.batches.size(); ++batch) {
    while (start_batch(batch)) {
    }
  }
}

void SweepRunner::Run::take(const ChildExit& exit) {
  const Work ended = std::move(work.at(exit.id));
  work.erase(exit.id);
  if (ended.trace >= 0) {
    take_trace(ended, exit);
  } else {
    take_cells(ended, exit);
  }
  look();
}

void SweepRunner::Run::take_trace(const Work& ended, const ChildExit& exit) {
  recordings.end(static_cast<size_t>(ended.trace), exit.exit_code == 0 ? "" : child_message(exit));
}

void SweepRunner::Run::take_cells(const Work& ended, const ChildExit& exit) {
  const std::vector<int64_t> ids = board.ids(ended.cells);
  const double seconds = seconds_since(ended.begin);
  if (exit.exit_code == 0) {
    measured_seconds += seconds;
    estimated_seconds += ended.cost.seconds;
    journal.finish(ids, seconds, reason_without_run(exit));
    return;
  }
  const bool was_killed = exit.exit_code > first_signal;
  const bool at_first = was_killed && ++kills[ended.cells.front()] == 1;
  if (!at_first && ended.cells.size() > 1 && (was_killed || exit.exit_code == bad_input)) {
    board.split(ended.cells);
    journal.put_back(ids);
  } else if (at_first) {
    journal.put_back(ids);
  } else {
    journal.fail(ids, seconds, exit.exit_code, child_message(exit));
  }
}

/// Cells whose trace cannot be had.
void SweepRunner::Run::fail_what_cannot_start() {
  bool any = false;
  for (size_t b = 0; b < plan.batches.size(); ++b) {
    const int trace = plan.batches[b].trace;
    if (trace < 0 || recordings.state(static_cast<size_t>(trace)) != TraceRecordings::State::failed) continue;
    const std::vector<int64_t> ids = board.ids(board.pending_cells(b));
    if (ids.empty() ||
        !journal.claim(ids, registration.id(), shell_line(plan.traces[static_cast<size_t>(trace)].words)))
      continue;
    journal.fail(ids, 0.0, 1, fmt::format("its trace: {}", recordings.message(static_cast<size_t>(trace))));
    any = true;
  }
  if (any) look();
}

bool SweepRunner::Run::is_over() const {
  return work.empty() && board.count(CellState::pending) == 0 && board.count(CellState::running) == 0;
}

SweepState SweepRunner::Run::state() const {
  SweepState now;
  now.cells = board.here().size();
  now.done = board.count(CellState::done);
  now.failed = board.count(CellState::failed);
  now.running = board.count(CellState::running);
  double left = 0.0;
  for (const size_t index : board.here()) {
    const CellRow& cell = board.cells()[index];
    if (cell.state == CellState::pending || cell.state == CellState::running) left += cell.estimated_seconds;
  }
  size_t here = 0;
  size_t busy = 0;
  for (const auto& [id, running] : work) {
    left -= std::min(running.cost.seconds, seconds_since(running.begin));
    here += running.cells.size();
    busy += running.threads;
    now.recording += running.trace >= 0 ? 1 : 0;
  }
  now.elsewhere = now.running - std::min(now.running, here);
  const double pace = estimated_seconds > 0.0 ? measured_seconds / estimated_seconds : 1.0;
  const double processes = std::max<double>(1.0, static_cast<double>(work.size()));
  now.left_seconds = std::max(0.0, left * pace / processes);
  return now;
}

SweepRunner::SweepRunner(const SweepFile& file, const SweepPlan& plan, SweepCosts costs,
                         SweepRunOptions options)
    : file_(file), plan_(plan), costs_(std::move(costs)), options_(std::move(options)) {}

SweepState SweepRunner::run(const std::function<void(const SweepState&)>& tell) {
  Run run(file_, plan_, costs_, options_);
  while (true) {
    run.start_what_fits();
    run.fail_what_cannot_start();
    tell(run.state());
    if (run.is_over()) return run.state();
    if (run.work.empty()) std::this_thread::sleep_for(a_moment);  // another runner is at it
    if (const std::optional<ChildExit> exit = run.pool.wait(a_moment)) run.take(*exit);
    run.keep_the_journal();
  }
}

}  // namespace razorscope
