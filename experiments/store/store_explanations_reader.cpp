#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/store/attention_rows.hpp"
#include "experiments/store/connection.hpp"
#include "experiments/store/head_numbers.hpp"
#include "experiments/store/row_reader.hpp"
#include "experiments/store/store.hpp"
#include "experiments/store/token_ends.hpp"

namespace razorscope {
namespace {

constexpr const char* columns =
    "run_id, model, model_sha256, text, prefix_tokens, steps, comparison, equal_bytes_target, "
    "equal_bytes_share, requested_policy, policy, full_f16_bytes, text_ids, question, positive_answer, "
    "negative_answer, verdict_begin_token, verdict_end_token, log_odds_nats, log_odds_without_verdict_nats, "
    "full_log_odds_nats, full_log_odds_without_verdict_nats, layers, kv_heads, nominal_bytes, "
    "logical_bytes, physical_bytes, attention_id";

ExplanationRow read_row(const SQLite::Statement& statement) {
  ExplanationRow row;
  RowReader reader(statement);
  read_run(reader, row);
  reader >> row.text_ids >> row.question >> row.positive >> row.negative >> row.verdict_begin >>
      row.verdict_end >> row.log_odds >> row.log_odds_without_verdict >> row.full_log_odds >>
      row.full_log_odds_without_verdict >> row.layers >> row.kv_heads >> row.nominal_bytes >>
      row.logical_bytes >> row.physical_bytes >> row.attention_id;
  return row;
}

std::vector<LaterLoss> parse_losses(const std::string& json) {
  std::vector<LaterLoss> losses;
  try {
    for (const nlohmann::json& loss : nlohmann::json::parse(json)) {
      losses.push_back(
          {loss.at(0).get<int>(), loss.at(1).get<int>(), loss.at(2).get<int>(), loss.at(3).get<int>()});
    }
  } catch (const nlohmann::json::exception&) {
    throw_damaged("an explanation's later losses are no list of four numbers each");
  }
  return losses;
}

/// Losses and the verdict are places to whoever reads them.
void check_places(const Explanation& explanation) {
  const PolicyExplanation& policy = explanation.policies.front();
  const auto tokens = static_cast<int>(explanation.pieces.size());
  for (const LaterLoss& loss : policy.later) {
    if (loss.layer < 0 || loss.layer >= policy.layers || loss.kv_head < 0 ||
        loss.kv_head >= policy.kv_heads || loss.position < 0 || loss.position >= tokens || loss.step < 1)
      throw_damaged("an explanation's later losses lie outside of its text or heads");
  }
  if (explanation.verdict_begin < 0 || explanation.verdict_end < explanation.verdict_begin ||
      explanation.verdict_end > tokens)
    throw_damaged("an explanation's verdict lies outside of its text");
}

/// Caches are those of the record's heads, one or several each.
void check_attention(const Explanation& explanation) {
  const AttentionRecord& attention = *explanation.attention;
  const PolicyExplanation& policy = explanation.policies.front();
  if (static_cast<size_t>(attention.tokens) != explanation.pieces.size())
    throw_damaged("an explanation's attention is of another text");
  if (attention.layers != policy.layers || policy.kv_heads % attention.kv_heads != 0)
    throw_damaged("an explanation's attention is of another model");
}

/// What the row alone tells.
Explanation explanation_of(const ExplanationRow& row) {
  Explanation out;
  out.verdict_begin = row.verdict_begin;
  out.verdict_end = row.verdict_end;
  out.full.policy = "full+f32";
  out.full.log_odds = row.full_log_odds;
  out.full.log_odds_without_verdict = row.full_log_odds_without_verdict;
  PolicyExplanation& policy = out.policies.emplace_back();
  policy.policy = row.policy;
  policy.layers = row.layers;
  policy.kv_heads = row.kv_heads;
  policy.log_odds = row.log_odds;
  policy.log_odds_without_verdict = row.log_odds_without_verdict;
  policy.compressed.keys = static_cast<size_t>(row.logical_bytes);
  policy.compressed.padding = static_cast<size_t>(row.physical_bytes - row.logical_bytes);
  policy.compressed.nominal = row.nominal_bytes;
  return out;
}

void read_fates(SQLite::Database& database, StoredExplanation& stored) {
  SQLite::Statement query(
      database,
      "SELECT text, token_end_bytes_json, fates, later_losses_json FROM explanations WHERE run_id = ?");
  bind_all(query, stored.row.run_id);
  query.executeStep();
  std::string ends;
  std::string losses;
  PolicyExplanation& policy = stored.explanation.policies.front();
  RowReader(query) >> stored.text >> ends >> policy.fates >> losses;
  stored.explanation.pieces = pieces_of(stored.text, ends);
  policy.later = parse_losses(losses);
  check_head_count(policy.layers);
  check_head_count(policy.kv_heads);
  const size_t letters = static_cast<size_t>(policy.layers) * static_cast<size_t>(policy.kv_heads) *
                         stored.explanation.pieces.size();
  if (policy.fates.size() != letters)
    throw_damaged("an explanation has not one fate for each token and head");
  check_places(stored.explanation);
}

}  // namespace

std::vector<ExplanationRow> Store::explanations() {
  return connection_->guarded([&] {
    SQLite::Statement statement(connection_->database(),
                                fmt::format("SELECT {} FROM explained_answers ORDER BY model, model_sha256, "
                                            "text, text_ids, prefix_tokens, question, positive_answer, "
                                            "negative_answer, comparison DESC, equal_bytes_share, "
                                            "equal_bytes_target, run_id",
                                            columns));
    std::vector<ExplanationRow> rows;
    while (statement.executeStep()) rows.push_back(read_row(statement));
    return rows;
  });
}

std::optional<StoredExplanation> Store::explanation(int64_t run_id) {
  return connection_->guarded([&]() -> std::optional<StoredExplanation> {
    SQLite::Database& database = connection_->database();
    SQLite::Statement statement(database,
                                fmt::format("SELECT {} FROM explained_answers WHERE run_id = ?", columns));
    bind_all(statement, run_id);
    if (!statement.executeStep()) return std::nullopt;
    StoredExplanation stored;
    stored.row = read_row(statement);
    stored.explanation = explanation_of(stored.row);
    read_fates(database, stored);
    if (!stored.row.attention_id) return stored;
    stored.explanation.attention = read_attention(database, *stored.row.attention_id);
    check_attention(stored.explanation);
    return stored;
  });
}

}  // namespace razorscope
