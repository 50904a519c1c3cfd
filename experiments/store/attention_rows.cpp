#include "experiments/store/attention_rows.hpp"

#include <cstring>

#include "experiments/store/head_numbers.hpp"
#include "experiments/store/row_reader.hpp"
#include "experiments/store/run_writer.hpp"
#include "experiments/store/token_ends.hpp"
#include "models/base/half.hpp"

namespace razorscope {
namespace {

std::vector<std::byte> half_bytes(const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(uint16_t));
  store_half(values.data(), values.size(), bytes.data());
  return bytes;
}

/// A blob for a statement, which must not outlive it: `bind` would copy tens of megabytes. SQLite takes a
/// null pointer for NULL.
void bind_blob(SQLite::Statement& statement, int index, const void* bytes, size_t size) {
  statement.bindNoCopy(index, size == 0 ? "" : bytes, static_cast<int>(size));
}

std::string question_of(const AttentionRecord& attention) {
  std::string question;
  for (const std::string& piece : attention.question) question += piece;
  return question;
}

}  // namespace

std::optional<int64_t> attention_id(SQLite::Database& database, const ExplainRecord& record) {
  if (!record.attention) return std::nullopt;
  const AttentionRecord& attention = *record.attention;
  const std::string hash = attention_hash(record);
  const std::vector<std::byte> asked = half_bytes(attention.asked);
  const std::vector<float>& accumulated = attention.accumulated;
  // Each policy of a command brings the same record: it is written once.
  SQLite::Statement same(database,
                         "SELECT id FROM explanation_attention WHERE config_hash = ? AND accumulated_f32 = ? "
                         "AND asked_f16 = ?");
  same.bind(1, hash);
  bind_blob(same, 2, accumulated.data(), accumulated.size() * sizeof(float));
  bind_blob(same, 3, asked.data(), asked.size());
  if (same.executeStep()) return same.getColumn(0).getInt64();
  SQLite::Statement put(
      database,
      "INSERT INTO explanation_attention (config_hash, model_id, question, question_end_bytes_json, layers, "
      "kv_heads, text_tokens, recorded_tokens, accumulated_f32, asked_f16) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (config_hash) DO UPDATE SET "
      "question_end_bytes_json = excluded.question_end_bytes_json, text_tokens = excluded.text_tokens, "
      "recorded_tokens = excluded.recorded_tokens, accumulated_f32 = excluded.accumulated_f32, "
      "asked_f16 = excluded.asked_f16 RETURNING id");
  bind_all(put, hash, model_id(database, record.model), question_of(attention),
           token_ends(attention.question), attention.layers, attention.kv_heads, attention.tokens,
           attention.steps());
  bind_blob(put, 9, accumulated.data(), accumulated.size() * sizeof(float));
  bind_blob(put, 10, asked.data(), asked.size());
  put.executeStep();
  return put.getColumn(0).getInt64();
}

std::shared_ptr<const AttentionRecord> read_attention(SQLite::Database& database, int64_t id) {
  SQLite::Statement query(
      database,
      "SELECT question, question_end_bytes_json, layers, kv_heads, text_tokens, "
      "recorded_tokens, accumulated_f32, asked_f16 FROM explanation_attention WHERE id = ?");
  bind_all(query, id);
  if (!query.executeStep()) throw_damaged("an explanation's attention is missing");
  auto attention = std::make_shared<AttentionRecord>();
  std::string question;
  std::string ends;
  int steps = 0;
  RowReader(query) >> question >> ends >> attention->layers >> attention->kv_heads >> attention->tokens >>
      steps;
  attention->question = pieces_of(question, ends);
  check_head_count(attention->layers);
  check_head_count(attention->kv_heads);
  const size_t step = static_cast<size_t>(attention->layers) * static_cast<size_t>(attention->kv_heads) *
                      static_cast<size_t>(attention->tokens);
  const SQLite::Column accumulated = query.getColumn(6);
  const SQLite::Column asked = query.getColumn(7);
  if (attention->tokens < 0 || steps < 0 || attention->question.size() < static_cast<size_t>(steps) ||
      static_cast<size_t>(accumulated.getBytes()) != step * sizeof(float) ||
      static_cast<size_t>(asked.getBytes()) != step * static_cast<size_t>(steps) * sizeof(uint16_t))
    throw_damaged("an explanation's attention has another size than its row says");
  attention->accumulated.resize(step);
  attention->asked.resize(step * static_cast<size_t>(steps));
  if (step == 0) return attention;
  std::memcpy(attention->accumulated.data(), accumulated.getBlob(), step * sizeof(float));
  if (steps > 0) {
    load_half(static_cast<const std::byte*>(asked.getBlob()), attention->asked.size(),
              attention->asked.data());
  }
  return attention;
}

}  // namespace razorscope
