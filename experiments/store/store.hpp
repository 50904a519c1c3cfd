#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "experiments/store/deployment_records.hpp"
#include "experiments/store/deployment_rows.hpp"
#include "experiments/store/explanation_rows.hpp"
#include "experiments/store/provenance.hpp"
#include "experiments/store/records.hpp"
#include "experiments/store/rows.hpp"
#include "experiments/store/run_origin.hpp"
#include "experiments/store/sweep_rows.hpp"
#include "sim/device_replay/device_replay.hpp"

namespace razorscope {

class Connection;

/// Which program and machine a run came from.
struct RunProvenance {
  int64_t run_id = 0;
  std::string policy;  // canonical name
  std::string command_line;
  std::string started_utc;
  double wall_seconds = 0.0;
  Provenance provenance;
};

/// One KV head in a probe; its scores are the largest of its query heads'. Ranks count from 1 within the
/// probe.
struct RankedHead {
  int64_t probe_id = 0;
  std::string model;
  int layer = 0;
  int kv_head = 0;
  double echo = 0.0;
  double induction = 0.0;
  int echo_rank = 0;
  int induction_rank = 0;
  std::string variant = {};  // of the probe
  uint64_t seed = 0;         // likewise
};

/// A results database: one SQLite file.
///
/// Contract. Any number of processes and threads may read and write the same file, each through its own
/// Store; one Store belongs to one thread at a time. Each add_… is one transaction: after an error, or a kill
/// at any moment, the file holds the run as a whole or not at all. Errors of the file are a
/// std::runtime_error with its name and a reason (disk full, read-only, locked for longer than `patience`).
///
///   Store store = Store::open_for_writing("results.db");
///   ReplayRecord record = describe_trace(trace);
///   ...
///   store.add_replay(record);
///   fmt::print("{}", format_report(store.tradeoff(), ReportFormat::table));
class Store {
 public:
  static constexpr std::chrono::milliseconds default_patience{10'000};

  /// Makes the file, and its folders, where they are missing. InputError where the file is something else
  /// than a results database, or of a newer schema.
  static Store open_for_writing(const std::filesystem::path& path,
                                std::chrono::milliseconds patience = default_patience);
  /// InputError as above, and where the file is missing or empty, OlderSchemaError (schema.hpp) where it is
  /// of an older schema; one without runs is fine.
  static Store open_read_only(const std::filesystem::path& path,
                              std::chrono::milliseconds patience = default_patience);
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  const std::filesystem::path& path() const;

  /// Makes all that the task adds to this store one transaction: after an error or a kill, none of it is
  /// there.
  void together(const std::function<void()>& task);
  /// Shows the task the database as it is at one moment, whatever others write meanwhile.
  void at_one_moment(const std::function<void()>& task);

  /// Stores a run and returns its id. A run with the same config_hash is replaced and keeps its id; it then
  /// bears the comparison, command line and provenance of the latest. Values that are not numbers (NaN) are
  /// refused.
  int64_t add_replay(const ReplayRecord& record);
  int64_t add_eval(const EvalRecord& record);
  int64_t add_task(const TaskRecord& record);
  int64_t add_explanation(const ExplainRecord& record);
  /// Stores a probe and returns its id; one with the same config_hash is replaced and keeps its id.
  int64_t add_probe(const ProbeRecord& record);
  /// The same for runs on devices, whose ids are of a series of their own.
  int64_t add_serving(const ServingRecord& record);
  int64_t add_plan(const PlanRecord& record);
  /// Stores what a search came to; its probes are stored already. The same search is replaced.
  int64_t add_rate_search(const RateSearchRecord& record);
  /// Stores what the caches of a stored replay did on a simulated device, and returns its id; the same run on
  /// the same deployment is replaced.
  int64_t add_device_replay(int64_t run_id, const Deployment& deployment, const DeviceReplayResult& result);
  /// KV bytes over time. Empty where there is no such device replay.
  std::vector<OccupancyPoint> device_replay_occupancy(int64_t device_replay_id);

  /// The id of the run with a config_hash, where it is stored.
  std::optional<int64_t> find_run(const std::string& config_hash);
  /// All replays, by model, text, trace, prefix, steps and comparison; then in the order in which they were
  /// first stored.
  std::vector<TradeoffRow> tradeoff();
  /// All evaluations, by model, texts, prefix, steps and comparison; then as above.
  std::vector<ClosedLoopRow> closed_loop();
  /// All runs of tasks, by model, task, haystack, settings and comparison; then as above.
  std::vector<TaskRow> tasks();
  /// In the order in which they were put. Empty where there is no such run.
  std::vector<TaskAnswer> task_answers(int64_t run_id);
  /// All explanations, by model, text, question, answers and comparison; then as above.
  std::vector<ExplanationRow> explanations();
  /// Nothing where there is no such run.
  std::optional<StoredExplanation> explanation(int64_t run_id);
  /// Evaluations beside replays of the same, by model, texts, prefix and steps.
  std::vector<LadderRow> ladder();
  /// By layer, then query head. Empty where there is no such run.
  std::vector<HeadErrors> head_errors(int64_t run_id);
  std::vector<RunProvenance> provenance_of_runs();
  /// Of one run; on_device: whether the id is of the series of runs on devices. Nothing where there is none.
  std::optional<RunProvenance> provenance_of_run(bool on_device, int64_t run_id);
  /// Of all runs, those on devices last; then by id.
  std::vector<RunOrigin> run_origins();
  /// All workloads served, by device, model, setup, workload, service level and policy; then by rate.
  std::vector<ServingRow> serving_rows();
  /// All searches for the highest rate, in the same order.
  std::vector<MaxRateRow> max_rates();
  /// The state of a serving run's engines over time. Empty where there is no such run.
  std::vector<TimelinePoint> timeline(int64_t run_id);
  /// All plans, by model, weights, tp, context, output, batch, engine and device; then in the order in which
  /// they were first stored.
  std::vector<CapacityRow> capacity();
  /// All KV heads of all probes, each probe by induction rank.
  std::vector<RankedHead> head_ranking();
  /// All sweeps, by name.
  std::vector<SweepRow> sweeps();
  /// The cells of a sweep, in the order of its file. Empty where there is no such sweep.
  std::vector<CellRow> sweep_cells(const std::string& sweep);
  /// InputError with the sweeps that there are where there is none of this name.
  SweepRuns sweep_runs(const std::string& sweep);
  /// Programs that work on sweeps, or died while they did.
  std::vector<RunnerRow> sweep_runners();

 private:
  explicit Store(std::unique_ptr<Connection> connection);
  Connection& writable();

  std::unique_ptr<Connection> connection_;
};

}  // namespace razorscope
