#include "experiments/store/store.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "experiments/store/connection.hpp"

namespace razorscope {
namespace {

/// NULL for "".
std::optional<std::string> known(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

// Rows that several runs share are found by whatever makes them unique, else made. An upsert that changes
// nothing of importance is used since only then RETURNING tells the id of a row that was there.

int64_t provenance_id(SQLite::Database& database, const Provenance& provenance) {
  return insert_returning_id(
      database,
      "INSERT INTO provenance (program_version, git_commit, cpu, kernel_target, compute_type, threads, os) "
      "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET os = excluded.os RETURNING id",
      provenance.program_version, provenance.commit, provenance.cpu, provenance.target, provenance.compute,
      provenance.threads, provenance.os);
}

int64_t model_id(SQLite::Database& database, const ModelDescription& model) {
  const Shape& shape = model.shape;
  const std::string scheme = shape.position == PositionScheme::alibi ? "alibi" : "rope";
  // A trace may not tell the context that the model file does.
  return insert_returning_id(
      database,
      "INSERT INTO models (name, sha256, architecture, layers, query_heads, kv_heads, head_size, "
      "context_tokens, position_scheme) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT DO UPDATE SET context_tokens = max(context_tokens, excluded.context_tokens) RETURNING id",
      shape.name, known(model.sha256), shape.architecture, shape.layers, shape.query_heads, shape.kv_heads,
      shape.head_size, shape.context, scheme);
}

std::optional<int64_t> text_id(SQLite::Database& database, const TextDescription& text) {
  if (text.name.empty() && text.sha256.empty()) return std::nullopt;
  return insert_returning_id(database,
                             "INSERT INTO texts (name, sha256) VALUES (?, ?) "
                             "ON CONFLICT DO UPDATE SET name = excluded.name RETURNING id",
                             text.name, known(text.sha256));
}

int64_t trace_id(SQLite::Database& database, const TraceDescription& trace, int64_t model,
                 std::optional<int64_t> text) {
  return insert_returning_id(
      database,
      "INSERT INTO traces (content_hash, model_id, text_id, tokens, path) VALUES (?, ?, ?, ?, ?) "
      "ON CONFLICT DO UPDATE SET path = excluded.path RETURNING id",
      trace.content_hash, model, text, trace.tokens, trace.path);
}

int64_t policy_id(SQLite::Database& database, const Policy& policy) {
  // A file name among the parameters need not be UTF-8, which JSON asks for.
  const std::string parameters =
      policy.to_json().dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return insert_returning_id(
      database,
      "INSERT INTO policies (canonical_name, selection, variant, codec, parameters_json) "
      "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET parameters_json = excluded.parameters_json RETURNING "
      "id",
      policy.name(), policy.selection(), policy.variant(), policy.codec_name(), parameters);
}

int64_t insert_run(SQLite::Database& database, const ReplayRecord& record) {
  const int64_t model = model_id(database, record.model);
  const int64_t trace = trace_id(database, record.trace, model, text_id(database, record.text));
  return insert_returning_id(
      database,
      "INSERT INTO runs (config_hash, kind, trace_id, model_id, policy_id, prefix_tokens, steps, seed, "
      "provenance_id, "
      "equal_bytes_target, comparison, command_line, started_utc, wall_seconds) VALUES (?, 'replay', ?, ?, "
      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (config_hash) DO UPDATE SET seed = excluded.seed, provenance_id = excluded.provenance_id, "
      "equal_bytes_target = excluded.equal_bytes_target, comparison = excluded.comparison, "
      "command_line = excluded.command_line, started_utc = excluded.started_utc, wall_seconds = "
      "excluded.wall_seconds RETURNING id",
      config_hash(record), trace, model, policy_id(database, record.policy), record.prefix, record.steps,
      record.seed, provenance_id(database, record.provenance), record.equal_bytes_target, record.comparison,
      record.command_line, record.started_utc, record.wall_seconds);
}

void insert_result(SQLite::Database& database, int64_t run, const ReplayResult& result) {
  SQLite::Statement statement(
      database,
      "INSERT OR REPLACE INTO replay_results (run_id, relative_error_mean, relative_error_p99, "
      "relative_error_max, "
      "lost_mass_mean, lost_mass_max, largest_dropped_weight, kl_mean_nats, output_error_mean, "
      "nominal_bytes, "
      "logical_bytes, physical_bytes, keys_bytes, values_bytes, compensation_bytes, positions_bytes, "
      "padding_bytes, "
      "end_physical_bytes, end_logical_bytes, peak_bytes, kept_tokens_mean, protected_heads, "
      "dropped_nothing, "
      "compute_seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const ByteLedger& bytes = result.compressed;
  bind_all(statement, run, result.relative_error_mean, result.relative_error_p99, result.relative_error_max,
           result.lost_mass_mean, result.lost_mass_max, result.largest_dropped_weight, result.kl_mean,
           result.output_error_mean, bytes.nominal, bytes.logical(), bytes.physical(), bytes.keys,
           bytes.values, bytes.compensation, bytes.positions, bytes.padding, result.at_end.physical(),
           result.at_end.logical(), result.peak_bytes, result.kept_tokens_mean, result.protected_heads,
           result.dropped_nothing, result.seconds);
  statement.exec();
}

void insert_head_errors(SQLite::Database& database, int64_t run, const std::vector<HeadErrors>& heads) {
  SQLite::Statement old(database, "DELETE FROM head_errors WHERE run_id = ?");
  bind_all(old, run);
  old.exec();
  SQLite::Statement statement(
      database,
      "INSERT INTO head_errors (run_id, layer, kv_head, query_head, relative_error, relative_error_max, "
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
      "provenance_id, created_utc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (config_hash) DO UPDATE SET provenance_id = excluded.provenance_id, "
      "created_utc = excluded.created_utc RETURNING id",
      model_id(database, record.model), scores.block, scores.repeats, scores.seed, scores.variant,
      scores.token_source, config_hash(record), provenance_id(database, record.provenance), utc_now());
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

// Both begin immediately: a transaction that reads first and writes later cannot wait for another writer.

int64_t Store::add_replay(const ReplayRecord& record) {
  SQLite::Database& database = writable().database();
  return connection_->guarded([&] {
    SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
    const int64_t run = insert_run(database, record);
    insert_result(database, run, record.result);
    insert_head_errors(database, run, record.result.heads);
    transaction.commit();
    return run;
  });
}

int64_t Store::add_probe(const ProbeRecord& record) {
  SQLite::Database& database = writable().database();
  return connection_->guarded([&] {
    SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
    const int64_t probe = insert_probe(database, record);
    insert_probe_heads(database, probe, record.scores);
    transaction.commit();
    return probe;
  });
}

}  // namespace razorscope
