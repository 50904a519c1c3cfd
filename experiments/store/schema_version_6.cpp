#include "experiments/store/schema_version_6.hpp"

namespace razorscope {

// The policies of one text and question share a record. What the text's own queries gave is summed, by which
// tokens are ranked: f32, since sums of long texts leave the range of f16, and rounded ones would tie.
const char* const schema_version_6 = R"sql(
-- What the exact model (full+f32) attended to in a text, and while it read a question about it.
CREATE TABLE explanation_attention (
  id INTEGER PRIMARY KEY,
  config_hash TEXT NOT NULL UNIQUE,  -- of model, text, question, compute type
  model_id INTEGER NOT NULL REFERENCES models,
  question TEXT NOT NULL,
  question_end_bytes_json TEXT NOT NULL,  -- where each of its tokens ends
  layers INTEGER NOT NULL,
  kv_heads INTEGER NOT NULL,         -- per layer
  text_tokens INTEGER NOT NULL,
  recorded_tokens INTEGER NOT NULL,  -- of the question: the first ones, as many as fit into 64 MiB
  -- Little-endian. [layers, kv_heads, text_tokens]: softmax weight by the text's queries and the group's query heads, summed.
  accumulated_f32 BLOB NOT NULL,
  -- [recorded_tokens, layers, kv_heads, text_tokens]: the share of its attention that a token of the question gives to
  -- each token of the text, the mean over the group's query heads.
  asked_f16 BLOB NOT NULL,
  CHECK (length(accumulated_f32) = 4 * layers * kv_heads * text_tokens),
  CHECK (length(asked_f16) = 2 * recorded_tokens * layers * kv_heads * text_tokens)
) STRICT;
CREATE INDEX explanation_attention_of_model ON explanation_attention (model_id);

-- NULL: by a program that did not record it.
ALTER TABLE explanations ADD COLUMN attention_id INTEGER REFERENCES explanation_attention ON DELETE SET NULL;
CREATE INDEX explanations_of_attention ON explanations (attention_id);

-- One row per explanation: the odds of two answers under a policy and under full+f32.
CREATE VIEW explained_answers AS
SELECT
  runs.id AS run_id, models.name AS model, models.sha256 AS model_sha256,
  texts_of_runs.names AS text, texts_of_runs.text_ids,
  runs.prefix_tokens, runs.steps, runs.comparison, runs.equal_bytes_target, runs.equal_bytes_share,
  runs.requested_policy, policies.canonical_name AS policy, policies.selection, policies.variant, policies.codec,
  results.question, results.positive_answer, results.negative_answer, results.verdict_begin_token, results.verdict_end_token,
  results.log_odds_nats, results.log_odds_without_verdict_nats,
  results.full_log_odds_nats, results.full_log_odds_without_verdict_nats,
  results.layers, results.kv_heads, results.nominal_bytes, results.logical_bytes, results.physical_bytes, runs.full_f16_bytes,
  CAST(results.physical_bytes AS REAL) / runs.full_f16_bytes AS relative_bytes,
  results.attention_id
FROM runs
JOIN explanations AS results ON results.run_id = runs.id
JOIN models ON models.id = runs.model_id
JOIN policies ON policies.id = runs.policy_id
LEFT JOIN texts_of_runs ON texts_of_runs.run_id = runs.id;
)sql";

}  // namespace razorscope
