#include <nlohmann/json.hpp>

#include "experiments/store/connection.hpp"
#include "experiments/store/deployment_columns.hpp"
#include "experiments/store/row_reader.hpp"
#include "experiments/store/store.hpp"

namespace razorscope {
namespace {

constexpr const char* deployment_columns =
    "run_id, model, policy, device, device_status, device_hash, tp, weights, engine, utilisation, "
    "non_kv_bytes, token_budget, ";

/// Rows that a reader compares stand together, the rate of a load curve ascending.
constexpr const char* serving_order =
    " ORDER BY device, device_hash, model, tp, weights, engine, engines, prefill_engines, workload_pattern, "
    "workload_hash, slo_ttft_ms, slo_tpot_ms, slo_e2e_ms, policy, rate_per_second, run_id";

void read_deployment(RowReader& reader, DeploymentRow& row) {
  reader >> row.run_id >> row.model >> row.policy >> row.device >> row.device_status >> row.device_hash >>
      row.tp >> row.weights >> row.engine >> row.utilisation >> row.non_kv_bytes >> row.token_budget;
}

/// A column in milliseconds, as seconds.
std::optional<double> read_seconds(RowReader& reader) {
  std::optional<double> milliseconds;
  reader >> milliseconds;
  return milliseconds ? std::optional(*milliseconds / 1e3) : std::nullopt;
}

void read_percentiles(RowReader& reader, Percentiles& values) {
  for (double* value : {&values.mean, &values.p50, &values.p90, &values.p99, &values.max}) {
    reader >> *value;
    *value /= 1e3;
  }
}

Calibration calibration_named(const std::string& name) {
  for (const Calibration calibration : {Calibration::calibrated, Calibration::borrowed}) {
    if (to_string(calibration) == name) return calibration;
  }
  return Calibration::uncalibrated;
}

std::map<std::string, size_t> refusals(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  return json.is_object() ? json.get<std::map<std::string, size_t>>() : std::map<std::string, size_t>();
}

size_t read_count(RowReader& reader) {
  int64_t count = 0;
  reader >> count;
  return static_cast<size_t>(count);
}

void read_serving(RowReader& reader, ServingRow& row) {
  read_deployment(reader, row);
  reader >> row.engines >> row.prefill_engines >> row.decode_engines >> row.router >> row.max_sequences >>
      row.max_tokens >> row.prefix_cache >> row.workload >> row.workload_pattern >> row.workload_hash >>
      row.rate;
  row.level.ttft = read_seconds(reader);
  row.level.tpot = read_seconds(reader);
  row.level.e2e = read_seconds(reader);
  ServingResult& result = row.result;
  result.requests = read_count(reader);
  result.completed = read_count(reader);
  std::string refused;
  std::string calibration;
  reader >> refused >> result.seconds;
  for (Percentiles* values : {&result.ttft, &result.tpot, &result.itl, &result.e2e})
    read_percentiles(reader, *values);
  reader >> result.request_rate >> result.token_rate >> result.prompt_token_rate >> result.goodput >>
      result.goodput_share >> result.preemptions >> result.cached_tokens >> result.kv_blocks >>
      result.peak_kv_use >> result.mean_kv_use >> result.mean_running >> result.mean_waiting >>
      result.memory_utilisation >> result.compute_utilisation >> result.steps >> calibration >>
      result.assumes_heads;
  result.refused = refusals(refused);
  result.calibration = calibration_named(calibration);
}

}  // namespace

std::vector<ServingRow> Store::serving_rows() {
  return connection_->guarded([&] {
    SQLite::Statement statement(
        connection_->database(),
        std::string("SELECT ") + deployment_columns + serving_columns() + " FROM goodput" + serving_order);
    std::vector<ServingRow> rows;
    while (statement.executeStep()) {
      RowReader reader(statement);
      read_serving(reader, rows.emplace_back());
    }
    return rows;
  });
}

std::vector<MaxRateRow> Store::max_rates() {
  return connection_->guarded([&] {
    SQLite::Statement statement(
        connection_->database(),
        std::string("SELECT search_id, outcome, max_rate_per_second, wanted_share, tolerance, probes, ") +
            deployment_columns + serving_columns() + " FROM max_rates" + serving_order);
    std::vector<MaxRateRow> rows;
    while (statement.executeStep()) {
      MaxRateRow& row = rows.emplace_back();
      RowReader reader(statement);
      reader >> row.search_id >> row.outcome >> row.max_rate >> row.wanted_share >> row.tolerance >>
          row.probes;
      read_serving(reader, row.run);
    }
    return rows;
  });
}

std::vector<TimelinePoint> Store::timeline(int64_t run_id) {
  return connection_->guarded([&] {
    SQLite::Statement statement(
        connection_->database(),
        "SELECT seconds, running, waiting, kv_use, preemptions, output_tokens, prompt_tokens "
        "FROM serving_timeline WHERE run_id = ? ORDER BY ordinal");
    bind_all(statement, run_id);
    std::vector<TimelinePoint> points;
    while (statement.executeStep()) {
      TimelinePoint& point = points.emplace_back();
      RowReader(statement) >> point.time >> point.running >> point.waiting >> point.kv_use >>
          point.preemptions >> point.output_tokens >> point.prompt_tokens;
    }
    return points;
  });
}

std::vector<CapacityRow> Store::capacity() {
  return connection_->guarded([&] {
    SQLite::Statement statement(
        connection_->database(),
        std::string("SELECT ") + deployment_columns + plan_columns() +
            " FROM capacity ORDER BY model, weights, tp, context_tokens, output_tokens, batch, engine, "
            "device, device_hash, run_id");
    std::vector<CapacityRow> rows;
    while (statement.executeStep()) {
      CapacityRow& row = rows.emplace_back();
      RowReader reader(statement);
      read_deployment(reader, row);
      reader >> row.context >> row.output >> row.batch >> row.fits >> row.memory_bytes >> row.weights_bytes >>
          row.pool_bytes >> row.kv_blocks >> row.kv_bytes_per_sequence >> row.kv_bytes_per_sequence_rank >>
          row.kept_tokens_mean >> row.max_batch >> row.max_batch_admitting >> row.max_context >>
          row.decode_ms >> row.decode_weights_ms >> row.decode_attention_ms >> row.decode_all_reduce_ms >>
          row.decode_between_products_ms >> row.decode_policy_ms >> row.tpot_ms >> row.max_batch_decode_ms >>
          row.prefill_ms >> row.compression_ms >> row.calibration >> row.assumes_heads >> row.beyond_model;
    }
    return rows;
  });
}

}  // namespace razorscope
