#include "experiments/store/connection.hpp"
#include "experiments/store/head_numbers.hpp"
#include "experiments/store/row_reader.hpp"
#include "experiments/store/store.hpp"

namespace razorscope {
namespace {

constexpr const char* provenance_columns =
    "run_id, policy, command_line, started_utc, wall_seconds, program_version, git_commit, cpu, "
    "kernel_target, compute_type, threads, os";

RunProvenance read_provenance(SQLite::Statement& statement) {
  RunProvenance run;
  Provenance& by = run.provenance;
  RowReader(statement) >> run.run_id >> run.policy >> run.command_line >> run.started_utc >>
      run.wall_seconds >> by.program_version >> by.commit >> by.cpu >> by.target >> by.compute >>
      by.threads >> by.os;
  return run;
}

/// Reads the next columns as numbers of layers and heads.
template <typename... Numbers>
void read_head(RowReader& reader, Numbers&... numbers) {
  int64_t stored = 0;
  ((reader >> stored, numbers = head_number(stored)), ...);
}

}  // namespace

std::optional<int64_t> Store::find_run(const std::string& config_hash) {
  return connection_->guarded([&]() -> std::optional<int64_t> {
    SQLite::Statement statement(connection_->database(), "SELECT id FROM runs WHERE config_hash = ?");
    bind_all(statement, config_hash);
    if (!statement.executeStep()) return std::nullopt;
    return statement.getColumn(0).getInt64();
  });
}

std::vector<TradeoffRow> Store::tradeoff() {
  return connection_->guarded([&] {
    SQLite::Statement statement(
        connection_->database(),
        "SELECT run_id, model, model_sha256, text, prefix_tokens, steps, comparison, equal_bytes_target, "
        "equal_bytes_share, requested_policy, policy, full_f16_bytes, trace_path, trace_hash, layers, "
        "query_heads, kv_heads, relative_error_mean, relative_error_p99, relative_error_max, "
        "lost_mass_mean, lost_mass_max, largest_dropped_weight, kl_mean_nats, output_error_mean, "
        "regret_mean, read_tokens_mean, "
        "nominal_bytes, logical_bytes, physical_bytes, peak_bytes, kept_tokens_mean, protected_heads, "
        "dropped_nothing FROM tradeoff "
        "ORDER BY model, model_sha256, text, trace_hash, prefix_tokens, steps, comparison DESC, "
        "equal_bytes_target, run_id");
    std::vector<TradeoffRow> rows;
    while (statement.executeStep()) {
      TradeoffRow row;
      RowReader reader(statement);
      read_run(reader, row);
      reader >> row.trace_path >> row.trace_hash >> row.layers >> row.query_heads >> row.kv_heads >>
          row.relative_error_mean >> row.relative_error_p99 >> row.relative_error_max >> row.lost_mass_mean >>
          row.lost_mass_max >> row.largest_dropped_weight >> row.kl_mean >> row.output_error_mean >>
          row.regret_mean >> row.read_tokens_mean >> row.nominal_bytes >> row.logical_bytes >>
          row.physical_bytes >> row.peak_bytes >> row.kept_tokens_mean >> row.protected_heads >>
          row.dropped_nothing;
      rows.push_back(std::move(row));
    }
    return rows;
  });
}

std::vector<HeadErrors> Store::head_errors(int64_t run_id) {
  return connection_->guarded([&] {
    SQLite::Statement statement(
        connection_->database(),
        "SELECT layer, kv_head, query_head, relative_error, relative_error_max, lost_mass, lost_mass_max, "
        "largest_dropped_weight, kl_nats FROM replay_heads WHERE run_id = ? ORDER BY layer, query_head");
    bind_all(statement, run_id);
    std::vector<HeadErrors> heads;
    while (statement.executeStep()) {
      HeadErrors head;
      RowReader reader(statement);
      read_head(reader, head.layer, head.kv_head, head.query_head);
      reader >> head.relative_error >> head.relative_error_max >> head.lost_mass >> head.lost_mass_max >>
          head.largest_dropped_weight >> head.kl;
      heads.push_back(head);
    }
    return heads;
  });
}

std::vector<RunProvenance> Store::provenance_of_runs() {
  return connection_->guarded([&] {
    const std::string columns = provenance_columns;
    SQLite::Statement statement(connection_->database(),
                                "SELECT " + columns + " FROM provenance_of_runs ORDER BY run_id");
    std::vector<RunProvenance> runs;
    while (statement.executeStep()) runs.push_back(read_provenance(statement));
    return runs;
  });
}

std::optional<RunProvenance> Store::provenance_of_run(bool on_device, int64_t run_id) {
  return connection_->guarded([&]() -> std::optional<RunProvenance> {
    const std::string columns = provenance_columns;
    const char* view = on_device ? "provenance_of_deployment_runs" : "provenance_of_runs";
    SQLite::Statement statement(connection_->database(),
                                "SELECT " + columns + " FROM " + view + " WHERE run_id = ?");
    bind_all(statement, run_id);
    if (!statement.executeStep()) return std::nullopt;
    return read_provenance(statement);
  });
}

std::vector<RankedHead> Store::head_ranking() {
  return connection_->guarded([&] {
    SQLite::Statement statement(
        connection_->database(),
        "SELECT probe_id, model, layer, kv_head, echo, induction, echo_rank, induction_rank, variant, seed "
        "FROM head_ranking ORDER BY probe_id, induction_rank");
    std::vector<RankedHead> heads;
    while (statement.executeStep()) {
      RankedHead head;
      int64_t seed = 0;
      RowReader reader(statement);
      reader >> head.probe_id >> head.model;
      read_head(reader, head.layer, head.kv_head);
      reader >> head.echo >> head.induction >> head.echo_rank >> head.induction_rank >> head.variant >> seed;
      head.seed = static_cast<uint64_t>(seed);
      heads.push_back(std::move(head));
    }
    return heads;
  });
}

}  // namespace razorscope
