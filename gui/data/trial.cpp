#include "gui/data/trial.hpp"

#include <QElapsedTimer>
#include <algorithm>
#include <set>

#include "models/base/error.hpp"
#include "models/base/progress.hpp"
#include "models/base/user_directory.hpp"
#include "policies/policy.hpp"
#include "sim/equal_bytes.hpp"
#include "sim/replay/calibrated_bounds.hpp"
#include "sim/replay/context.hpp"
#include "sim/replay/replay.hpp"

namespace razorscope::gui {
namespace {

class StoppableProgress final : public Progress {
 public:
  explicit StoppableProgress(const std::atomic<bool>& stop) : stop_(stop) {}
  void begin(std::string_view, double, std::string_view) override { check(); }
  void advance(double) override { check(); }

 private:
  void check() const {
    if (stop_) throw Interrupted();
  }

  const std::atomic<bool>& stop_;
};

}  // namespace

void TrialBench::open(const std::filesystem::path& path) {
  std::error_code unknown;
  const auto written = std::filesystem::last_write_time(path, unknown);
  if (trace_ && path == path_ && written == written_) return;
  trace_.reset();
  auto trace = std::make_unique<Trace>(path);
  described_ = describe_trace(*trace);
  trace_ = std::move(trace);
  path_ = path;
  written_ = written;
}

Trial TrialBench::run(const TrialRequest& request, const std::atomic<bool>& stop) {
  open(request.trace);
  QElapsedTimer clock;
  clock.start();
  ReplayRequest replayed;
  replayed.policies = {Policy::parse(request.policy)};
  replayed.prefix = std::clamp(request.prefix, 1, std::max(1, trace_->tokens() - 1));
  replayed.steps = std::min(request.steps, trace_->tokens() - replayed.prefix);
  StoppableProgress progress(stop);
  ReplayRecord record = described_;
  record.policy = replayed.policies.front();
  record.prefix = replayed.prefix;
  record.steps = replayed.steps;
  const TraceBounds bounds(*trace_, replayed.prefix);
  record.full_f16_bytes = full_f16_bytes(selection_context(*trace_, replayed.prefix, bounds));
  record.result = replay(*trace_, replayed, progress).front();
  return {tradeoff_rows({record}).front(), static_cast<double>(clock.elapsed()) / 1e3};
}

std::vector<std::filesystem::path> known_traces(const Snapshot* snapshot) {
  std::vector<std::filesystem::path> traces;
  std::set<std::filesystem::path> seen;
  std::error_code unknown;
  const auto add = [&](const std::filesystem::path& path) {
    if (seen.insert(path).second && std::filesystem::is_regular_file(path, unknown)) traces.push_back(path);
  };
  if (snapshot != nullptr) {
    for (const TradeoffRow& row : snapshot->data.replay) {
      if (!row.trace_path.empty() && !seen.contains(row.trace_path)) add(row.trace_path);
    }
  }
  std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> recorded;
  const std::filesystem::path cache = user_directory("XDG_CACHE_HOME", ".cache") / "traces";
  std::filesystem::directory_iterator entry(cache, unknown);
  for (; !unknown && entry != std::filesystem::directory_iterator(); entry.increment(unknown)) {
    std::error_code gone;
    if (entry->path().extension() == ".trace")
      recorded.emplace_back(entry->last_write_time(gone), entry->path());
  }
  std::sort(recorded.rbegin(), recorded.rend());
  for (const auto& [written, path] : recorded) add(path);
  return traces;
}

}  // namespace razorscope::gui
