#include "experiments/store/store.hpp"

#include <stdexcept>
#include <utility>

#include "experiments/store/connection.hpp"
#include "experiments/store/run_writer.hpp"

namespace razorscope {
namespace {

int64_t trace_id(SQLite::Database& database, const TraceDescription& trace, int64_t model,
                 std::optional<int64_t> text) {
  return insert_returning_id(
      database,
      "INSERT INTO traces (content_hash, model_id, text_id, tokens, path) VALUES (?, ?, ?, ?, ?) "
      "ON CONFLICT DO UPDATE SET path = excluded.path RETURNING id",
      trace.content_hash, model, text, trace.tokens, trace.path);
}

int64_t insert_replay(SQLite::Database& database, const ReplayRecord& record) {
  RunColumns columns;
  columns.kind = "replay";
  columns.config_hash = config_hash(record);
  columns.model = model_id(database, record.model);
  columns.trace = trace_id(database, record.trace, columns.model, text_id(database, record.text));
  columns.prefix = record.prefix;
  columns.steps = record.steps;
  columns.seed = record.seed;
  return insert_run(database, record, columns);
}

void insert_result(SQLite::Database& database, int64_t run, const ReplayResult& result) {
  SQLite::Statement statement(
      database,
      "INSERT OR REPLACE INTO replay_results (run_id, relative_error_mean, relative_error_p99, "
      "relative_error_max, "
      "lost_mass_mean, lost_mass_max, largest_dropped_weight, kl_mean_nats, output_error_mean, "
      "regret_mean, read_tokens_mean, nominal_bytes, "
      "logical_bytes, physical_bytes, keys_bytes, values_bytes, compensation_bytes, positions_bytes, "
      "padding_bytes, "
      "end_physical_bytes, end_logical_bytes, peak_bytes, kept_tokens_mean, protected_heads, "
      "dropped_nothing, "
      "compute_seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?)");
  const ByteLedger& bytes = result.compressed;
  bind_all(statement, run, result.relative_error_mean, result.relative_error_p99, result.relative_error_max,
           result.lost_mass_mean, result.lost_mass_max, result.largest_dropped_weight, result.kl_mean,
           result.output_error_mean, result.regret_mean, result.read_tokens_mean, bytes.nominal,
           bytes.logical(), bytes.physical(), bytes.keys, bytes.values, bytes.compensation, bytes.positions,
           bytes.padding, result.at_end.physical(), result.at_end.logical(), result.peak_bytes,
           result.kept_tokens_mean, result.protected_heads, result.dropped_nothing, result.seconds);
  statement.exec();
}

void insert_heads(SQLite::Database& database, int64_t run, const std::vector<HeadErrors>& heads) {
  delete_rows_of_run(database, "replay_heads", run);
  SQLite::Statement statement(
      database,
      "INSERT INTO replay_heads (run_id, layer, kv_head, query_head, relative_error, relative_error_max, "
      "lost_mass, lost_mass_max, largest_dropped_weight, kl_nats) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (const HeadErrors& head : heads) {
    bind_all(statement, run, head.layer, head.kv_head, head.query_head, head.relative_error,
             head.relative_error_max, head.lost_mass, head.lost_mass_max, head.largest_dropped_weight,
             head.kl);
    statement.exec();
    statement.reset();
  }
}

int64_t insert_probe(SQLite::Database& database, const ProbeRecord& record) {
  const HeadScores& scores = record.scores;
  return insert_returning_id(
      database,
      "INSERT INTO probes (model_id, block_tokens, repeats, seed, variant, token_source, config_hash, "
      "provenance_id, created_utc, command_line, wall_seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (config_hash) DO UPDATE SET provenance_id = excluded.provenance_id, "
      "created_utc = excluded.created_utc, command_line = excluded.command_line, "
      "wall_seconds = excluded.wall_seconds RETURNING id",
      model_id(database, record.model), scores.block, scores.repeats, scores.seed, scores.variant,
      scores.token_source, config_hash(record), provenance_id(database, record.provenance), utc_now(),
      record.command_line, record.wall_seconds);
}

void insert_probe_heads(SQLite::Database& database, int64_t probe, const HeadScores& scores) {
  SQLite::Statement old(database, "DELETE FROM probe_heads WHERE probe_id = ?");
  bind_all(old, probe);
  old.exec();
  SQLite::Statement statement(
      database,
      "INSERT INTO probe_heads (probe_id, layer, query_head, kv_head, echo, induction) "
      "VALUES (?, ?, ?, ?, ?, ?)");
  const int group = scores.query_heads / scores.kv_heads;
  size_t index = 0;  // layer by layer
  for (int layer = 0; layer < scores.layers; ++layer) {
    for (int head = 0; head < scores.query_heads; ++head, ++index) {
      bind_all(statement, probe, layer, head, head / group, scores.echo.at(index),
               scores.induction.at(index));
      statement.exec();
      statement.reset();
    }
  }
}

}  // namespace

Store::Store(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Store Store::open_for_writing(const std::filesystem::path& path, std::chrono::milliseconds patience) {
  return Store(std::make_unique<Connection>(path, Connection::Access::read_write, patience));
}

Store Store::open_read_only(const std::filesystem::path& path, std::chrono::milliseconds patience) {
  return Store(std::make_unique<Connection>(path, Connection::Access::read_only, patience));
}

const std::filesystem::path& Store::path() const { return connection_->path(); }

Connection& Store::writable() {
  if (connection_->access() != Connection::Access::read_write)
    throw std::logic_error("a store that was opened read-only is written to");
  return *connection_;
}

void Store::together(const std::function<void()>& task) {
  writable();
  connection_->transact(task);
}

void Store::at_one_moment(const std::function<void()>& task) {
  connection_->guarded([&] {
    SQLite::Transaction transaction(connection_->database(), SQLite::TransactionBehavior::DEFERRED);
    task();
    transaction.commit();
  });
}

int64_t Store::add_replay(const ReplayRecord& record) {
  SQLite::Database& database = writable().database();
  return connection_->transact([&] {
    const int64_t run = insert_replay(database, record);
    insert_result(database, run, record.result);
    insert_heads(database, run, record.result.heads);
    return run;
  });
}

int64_t Store::add_probe(const ProbeRecord& record) {
  SQLite::Database& database = writable().database();
  return connection_->transact([&] {
    const int64_t probe = insert_probe(database, record);
    insert_probe_heads(database, probe, record.scores);
    return probe;
  });
}

}  // namespace razorscope
