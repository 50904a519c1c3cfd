#include <nlohmann/json.hpp>

#include "experiments/store/content_hash.hpp"
#include "experiments/store/deployment_columns.hpp"
#include "experiments/store/device_constants.hpp"
#include "experiments/store/device_id.hpp"
#include "experiments/store/row_writer.hpp"
#include "experiments/store/run_writer.hpp"
#include "experiments/store/store.hpp"

// Writes what runs on devices that need not be there: workloads served, plans, searches for the highest rate.

namespace razorscope {
namespace {

/// The less trustworthy of the constants that 16-bit weights and caches need.
Calibration calibration(const Device& device) {
  return std::max(device.attention.at("bf16").calibration, device.gemm.at("bf16").calibration);
}

int64_t insert_deployment_run(SQLite::Database& database, const DeploymentRecord& record,
                              const std::string& kind, const std::string& hash) {
  const Deployment& deployment = record.deployment;
  return insert_returning_id(
      database,
      "INSERT INTO deployment_runs (config_hash, kind, device_id, model_id, policy_id, tp, weights, engine, "
      "utilisation, non_kv_bytes, token_budget, seed, provenance_id, command_line, started_utc, "
      "wall_seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (config_hash) DO UPDATE SET engine = excluded.engine, seed = excluded.seed, "
      "provenance_id = excluded.provenance_id, command_line = excluded.command_line, "
      "started_utc = excluded.started_utc, wall_seconds = excluded.wall_seconds RETURNING id",
      hash, kind, device_id(database, deployment.device), model_id(database, record.model),
      policy_id(database, record.policy), deployment.tp, weight_type_name(deployment.weights), record.engine,
      deployment.utilisation, deployment.non_kv_bytes, record.token_budget, record.seed,
      provenance_id(database, record.provenance), record.command_line, record.started_utc,
      record.wall_seconds);
}

std::optional<double> milliseconds(const std::optional<double>& seconds) {
  return seconds ? std::optional(*seconds * 1e3) : std::nullopt;
}

void insert_result(SQLite::Database& database, int64_t run, const ServingRecord& record) {
  const ServingSetup& setup = record.setup;
  const ServingResult& result = record.result;
  const WorkloadDescription& workload = record.workload;
  RowWriter row(database, "serving_runs", "run_id, " + serving_columns());
  row << run << setup.all_engines() << setup.prefill_engines << setup.decode_engines
      << router_name(setup.router) << setup.limits.max_sequences << setup.limits.max_tokens
      << setup.limits.prefix_cache << workload.name << workload.pattern << workload.hash << workload.rate
      << milliseconds(setup.level.ttft) << milliseconds(setup.level.tpot) << milliseconds(setup.level.e2e)
      << result.requests << result.completed << nlohmann::json(result.refused).dump() << result.seconds
      << result.ttft << result.tpot << result.itl << result.e2e << result.request_rate << result.token_rate
      << result.prompt_token_rate << result.goodput << result.goodput_share << result.preemptions
      << result.cached_tokens << result.kv_blocks << result.peak_kv_use << result.mean_kv_use
      << result.mean_running << result.mean_waiting << result.memory_utilisation << result.compute_utilisation
      << result.steps << std::string(to_string(result.calibration)) << result.assumes_heads;
  row.write();
}

void insert_timeline(SQLite::Database& database, int64_t run, const std::vector<TimelinePoint>& timeline) {
  delete_rows_of_run(database, "serving_timeline", run);
  RowWriter row(database, "serving_timeline",
                "run_id, ordinal, seconds, running, waiting, kv_use, preemptions, output_tokens, "
                "prompt_tokens");
  int ordinal = 0;
  for (const TimelinePoint& point : timeline) {
    row << run << ordinal++ << point.time << point.running << point.waiting << point.kv_use
        << point.preemptions << point.output_tokens << point.prompt_tokens;
    row.write();
  }
}

void insert_result(SQLite::Database& database, int64_t run, const PlanRecord& record) {
  const PlanRequest& request = record.request;
  const PlanRow& plan = record.row;
  const StepTime& decode = plan.decode;
  RowWriter row(database, "plans", "run_id, " + plan_columns());
  row << run << request.context << request.output << request.batch << plan.fits << plan.memory_bytes
      << plan.weights_bytes << plan.pool_bytes << plan.kv_blocks << plan.kv_bytes_per_sequence
      << plan.kv_bytes_per_sequence_rank << plan.kept_tokens_mean << plan.max_batch
      << plan.max_batch_admitting << plan.max_context << decode.total() * 1e3 << decode.weights * 1e3
      << decode.decode_attention * 1e3 << decode.all_reduce * 1e3 << decode.between_products * 1e3
      << decode.policy * 1e3 << milliseconds(plan.tpot_seconds)
      << milliseconds(plan.decode_full ? std::optional(plan.decode_full->total()) : std::nullopt)
      << plan.prefill_seconds * 1e3 << plan.compression_seconds * 1e3
      << std::string(to_string(plan.calibration)) << plan.assumes_heads << plan.beyond_model;
  row.write();
}

int64_t insert_search(SQLite::Database& database, const RateSearchRecord& record) {
  // The lowest rate that was probed stands for all that a search depends on but the share.
  SQLite::Statement lowest(database,
                           "SELECT config_hash FROM deployment_runs JOIN serving_runs ON run_id = id "
                           "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY rate_per_second LIMIT 1");
  bind_all(lowest, nlohmann::json(record.probe_runs).dump());
  const std::string hash = lowest.executeStep() ? lowest.getColumn(0).getString() : "";
  return insert_returning_id(
      database,
      "INSERT INTO rate_searches (config_hash, run_id, wanted_share, tolerance, outcome, "
      "max_rate_per_second, command_line, started_utc, wall_seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (config_hash) DO UPDATE SET run_id = excluded.run_id, tolerance = excluded.tolerance, "
      "outcome = excluded.outcome, max_rate_per_second = excluded.max_rate_per_second, "
      "command_line = excluded.command_line, started_utc = excluded.started_utc, "
      "wall_seconds = excluded.wall_seconds RETURNING id",
      hash_of(hash + '\n' + fmt::to_string(record.wanted_share)), record.run_id, record.wanted_share,
      record.tolerance, record.outcome, record.rate, record.command_line, record.started_utc,
      record.wall_seconds);
}

void insert_probes(SQLite::Database& database, int64_t search, const std::vector<int64_t>& runs) {
  SQLite::Statement old(database, "DELETE FROM rate_search_probes WHERE search_id = ?");
  bind_all(old, search);
  old.exec();
  RowWriter row(database, "rate_search_probes", "search_id, run_id");
  for (const int64_t run : runs) {
    row << search << run;
    row.write();
  }
}

}  // namespace

int64_t device_id(SQLite::Database& database, const Device& device) {
  return insert_returning_id(
      database,
      "INSERT INTO devices (content_hash, name, vendor, memory_bytes, memory_is_nominal, memory_kind, "
      "bandwidth_bytes_per_second, bf16_operations_per_second, fp8_operations_per_second, "
      "int8_operations_per_second, link_bytes_per_second, status, source, calibration, constants_of, "
      "constants_json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT DO UPDATE SET status = excluded.status, source = excluded.source RETURNING id",
      content_hash(device), device.name, device.vendor, device.memory_bytes, device.memory_is_nominal,
      device.memory_kind, device.bandwidth, device.bf16_peak, device.fp8_peak, device.int8_peak,
      device.link_bandwidth, device.status, device.source, std::string(to_string(calibration(device))),
      device.constants_of, constants_json(device).dump());
}

int64_t Store::add_serving(const ServingRecord& record) {
  SQLite::Database& database = writable().database();
  return connection_->transact([&] {
    const int64_t run = insert_deployment_run(database, record, "serve", config_hash(record));
    insert_result(database, run, record);
    insert_timeline(database, run, record.result.timeline);
    return run;
  });
}

int64_t Store::add_plan(const PlanRecord& record) {
  SQLite::Database& database = writable().database();
  return connection_->transact([&] {
    const int64_t run = insert_deployment_run(database, record, "plan", config_hash(record));
    insert_result(database, run, record);
    return run;
  });
}

int64_t Store::add_rate_search(const RateSearchRecord& record) {
  SQLite::Database& database = writable().database();
  return connection_->transact([&] {
    const int64_t search = insert_search(database, record);
    insert_probes(database, search, record.probe_runs);
    return search;
  });
}

}  // namespace razorscope
