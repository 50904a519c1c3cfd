#include "experiments/store/run_writer.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace razorscope {
namespace {

/// NULL for "".
std::optional<std::string> known(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

}  // namespace

// An upsert that changes nothing of importance is used since only then RETURNING tells the id of a row that
// was there.

int64_t provenance_id(SQLite::Database& database, const Provenance& provenance) {
  return insert_returning_id(
      database,
      "INSERT INTO programs (program_version, git_commit, cpu, kernel_target, compute_type, threads, os) "
      "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET os = excluded.os RETURNING id",
      provenance.program_version, provenance.commit, provenance.cpu, provenance.target, provenance.compute,
      provenance.threads, provenance.os);
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

int64_t insert_run(SQLite::Database& database, const RunRecord& record, const RunColumns& columns) {
  return insert_returning_id(
      database,
      "INSERT INTO runs (config_hash, kind, trace_id, model_id, policy_id, requested_policy, prefix_tokens, "
      "steps, seed, settings_json, provenance_id, comparison, equal_bytes_target, equal_bytes_share, "
      "full_f16_bytes, command_line, started_utc, wall_seconds) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (config_hash) DO UPDATE SET requested_policy = excluded.requested_policy, "
      "seed = excluded.seed, provenance_id = excluded.provenance_id, comparison = excluded.comparison, "
      "equal_bytes_target = excluded.equal_bytes_target, equal_bytes_share = excluded.equal_bytes_share, "
      "full_f16_bytes = coalesce(excluded.full_f16_bytes, full_f16_bytes), "
      "command_line = excluded.command_line, started_utc = excluded.started_utc, "
      "wall_seconds = excluded.wall_seconds RETURNING id",
      columns.config_hash, columns.kind, columns.trace, columns.model, policy_id(database, record.policy),
      record.asked_for().name(), columns.prefix, columns.steps, columns.seed, columns.settings_json,
      provenance_id(database, record.provenance), record.comparison, record.equal_bytes_target,
      stored_share(record), record.full_f16_bytes, record.command_line, record.started_utc,
      record.wall_seconds);
}

void delete_rows_of_run(SQLite::Database& database, const char* table, int64_t run) {
  SQLite::Statement old(database, fmt::format("DELETE FROM {} WHERE run_id = ?", table));
  bind_all(old, run);
  old.exec();
}

void insert_run_texts(SQLite::Database& database, int64_t run, const std::vector<TextDescription>& texts) {
  delete_rows_of_run(database, "run_texts", run);
  SQLite::Statement statement(database, "INSERT INTO run_texts (run_id, ordinal, text_id) VALUES (?, ?, ?)");
  int ordinal = 0;
  for (const TextDescription& text : texts) {
    bind_all(statement, run, ordinal++, text_id(database, text));
    statement.exec();
    statement.reset();
  }
}

}  // namespace razorscope
