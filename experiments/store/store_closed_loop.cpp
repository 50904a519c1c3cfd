#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "experiments/store/connection.hpp"
#include "experiments/store/run_writer.hpp"
#include "experiments/store/store.hpp"

// Writes what the model did under a policy: closed-loop evaluations and retrieval tasks.

namespace razorscope {
namespace {

std::optional<double> low(const Estimate& estimate) {
  return estimate.interval ? std::optional(estimate.interval->low) : std::nullopt;
}
std::optional<double> high(const Estimate& estimate) {
  return estimate.interval ? std::optional(estimate.interval->high) : std::nullopt;
}

int64_t insert_eval(SQLite::Database& database, const EvalRecord& record) {
  RunColumns columns;
  columns.kind = "eval";
  columns.config_hash = config_hash(record);
  columns.model = model_id(database, record.model);
  columns.prefix = record.prefix;
  columns.steps = record.steps;
  columns.seed = record.seed;
  const int64_t run = insert_run(database, record, columns);
  insert_run_texts(database, run, record.texts);
  return run;
}

void insert_result(SQLite::Database& database, int64_t run, const EvalRecord& record) {
  SQLite::Statement statement(
      database,
      "INSERT OR REPLACE INTO eval_results (run_id, scored_rows, units, unit, nll_nats, nll_low_nats, "
      "nll_high_nats, full_nll_nats, full_nll_low_nats, full_nll_high_nats, nll_difference_nats, "
      "nll_difference_low_nats, nll_difference_high_nats, kl_to_full_nats, kl_to_full_low_nats, "
      "kl_to_full_high_nats, top1_agreement, nominal_bytes, logical_bytes, physical_bytes, "
      "end_physical_bytes, bytes_read_per_step, token_by_token, compute_seconds) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const EvaluationResult& result = record.result;
  const ByteLedger& bytes = result.compressed;
  bind_all(statement, run, record.rows, record.units,
           std::string(record.texts.size() == 1 ? "block of 32 steps" : "text"), result.nll.mean,
           low(result.nll), high(result.nll), record.full_nll.mean, low(record.full_nll),
           high(record.full_nll), result.nll_difference.mean, low(result.nll_difference),
           high(result.nll_difference), result.kl_to_full.mean, low(result.kl_to_full),
           high(result.kl_to_full), result.top1_agreement, bytes.nominal, bytes.logical(), bytes.physical(),
           result.at_end.physical(), result.bytes_read_per_step, result.token_by_token, result.seconds);
  statement.exec();
}

int64_t insert_task(SQLite::Database& database, const TaskRecord& record) {
  const std::vector<int>& lengths = record.settings.lengths;
  RunColumns columns;
  columns.kind = "task";
  columns.config_hash = config_hash(record);
  columns.model = model_id(database, record.model);
  columns.prefix = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  columns.steps = record.result.n;
  columns.seed = record.settings.seed;
  columns.settings_json = to_json(record.settings).dump();
  const int64_t run = insert_run(database, record, columns);
  insert_run_texts(database, run, {record.haystack});
  return run;
}

void insert_result(SQLite::Database& database, int64_t run, const TaskRecord& record) {
  SQLite::Statement statement(
      database,
      "INSERT OR REPLACE INTO task_results (run_id, task, query_aware, n, correct, accuracy, low, high, "
      "full_accuracy, model_can, nominal_bytes, logical_bytes, physical_bytes) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const TaskResult& result = record.result;
  bind_all(statement, run, record.settings.task, record.settings.query_aware, result.n, result.correct,
           result.accuracy(), result.interval.low, result.interval.high, record.full_accuracy,
           record.model_can, result.nominal_bytes, result.logical_bytes, result.physical_bytes);
  statement.exec();
}

void insert_answers(SQLite::Database& database, int64_t run, const std::vector<TaskAnswer>& answers) {
  delete_rows_of_run(database, "task_answers", run);
  SQLite::Statement statement(
      database,
      "INSERT INTO task_answers (run_id, ordinal, length_tokens, depth, correct, nll_nats) "
      "VALUES (?, ?, ?, ?, ?, ?)");
  int ordinal = 0;
  for (const TaskAnswer& answer : answers) {
    bind_all(statement, run, ordinal++, answer.length, answer.depth, answer.correct, answer.nll);
    statement.exec();
    statement.reset();
  }
}

}  // namespace

int64_t Store::add_eval(const EvalRecord& record) {
  if (record.texts.empty()) throw std::logic_error("an evaluation without texts is stored");
  SQLite::Database& database = writable().database();
  return connection_->transact([&] {
    const int64_t run = insert_eval(database, record);
    insert_result(database, run, record);
    return run;
  });
}

int64_t Store::add_task(const TaskRecord& record) {
  SQLite::Database& database = writable().database();
  return connection_->transact([&] {
    const int64_t run = insert_task(database, record);
    insert_result(database, run, record);
    insert_answers(database, run, record.result.answers);
    return run;
  });
}

}  // namespace razorscope
