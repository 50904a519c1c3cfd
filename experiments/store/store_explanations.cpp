#include <nlohmann/json.hpp>

#include "experiments/store/attention_rows.hpp"
#include "experiments/store/connection.hpp"
#include "experiments/store/run_writer.hpp"
#include "experiments/store/store.hpp"
#include "experiments/store/token_ends.hpp"

namespace razorscope {
namespace {

int64_t insert_explain_run(SQLite::Database& database, const ExplainRecord& record) {
  RunColumns columns;
  columns.kind = "explain";
  columns.config_hash = config_hash(record);
  columns.model = model_id(database, record.model);
  columns.prefix = static_cast<int>(record.pieces.size());
  columns.steps = 0;
  columns.seed = record.seed;
  const int64_t run = insert_run(database, record, columns);
  insert_run_texts(database, run, {record.text});
  return run;
}

std::string later_losses(const std::vector<LaterLoss>& losses) {
  nlohmann::json out = nlohmann::json::array();
  for (const LaterLoss& loss : losses) out.push_back({loss.layer, loss.kv_head, loss.position, loss.step});
  return out.dump();
}

void insert_explanation(SQLite::Database& database, int64_t run, const ExplainRecord& record) {
  SQLite::Statement statement(
      database,
      "INSERT OR REPLACE INTO explanations (run_id, text, token_end_bytes_json, question, positive_answer, "
      "negative_answer, verdict_begin_token, verdict_end_token, log_odds_nats, "
      "log_odds_without_verdict_nats, "
      "full_log_odds_nats, full_log_odds_without_verdict_nats, layers, kv_heads, fates, later_losses_json, "
      "nominal_bytes, logical_bytes, physical_bytes, attention_id) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const PolicyExplanation& result = record.result;
  bind_all(statement, run, record.request.text, token_ends(record.pieces), record.request.question,
           record.request.positive, record.request.negative, record.verdict_begin, record.verdict_end,
           result.log_odds, result.log_odds_without_verdict, record.full.log_odds,
           record.full.log_odds_without_verdict, result.layers, result.kv_heads, result.fates,
           later_losses(result.later), result.compressed.nominal, result.compressed.logical(),
           result.compressed.physical(), attention_id(database, record));
  statement.exec();
}

}  // namespace

int64_t Store::add_explanation(const ExplainRecord& record) {
  SQLite::Database& database = writable().database();
  return connection_->transact([&] {
    const int64_t run = insert_explain_run(database, record);
    insert_explanation(database, run, record);
    return run;
  });
}

}  // namespace razorscope
