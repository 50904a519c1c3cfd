#include "experiments/store/schema_version_2.hpp"

namespace razorscope {

// SQLite cannot drop NOT NULL from a column, so `runs` is made anew. Dropping a table deletes its rows, which
// with foreign keys on would cascade into its children: they move first, to tables that refer to the new one.
// Renaming a table renames it in what refers to it; views that do not parse at that moment would be an error.
const char* const schema_version_2 = R"sql(
DROP VIEW tradeoff;
DROP VIEW provenance_of_runs;

CREATE TABLE runs_2 (
  id INTEGER PRIMARY KEY,
  config_hash TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('replay', 'eval', 'task', 'explain')),
  trace_id INTEGER REFERENCES traces,  -- of a replay, and only there
  model_id INTEGER NOT NULL REFERENCES models,
  policy_id INTEGER NOT NULL REFERENCES policies,  -- as it ran; of a task: as it was asked for
  requested_policy TEXT NOT NULL,  -- canonical name, before its size was solved for equal bytes
  prefix_tokens INTEGER NOT NULL,  -- of a task: tokens of its longest context
  steps INTEGER NOT NULL,          -- queries; of an evaluation: steps of each text; of a task: questions
  seed INTEGER NOT NULL,
  settings_json TEXT NOT NULL DEFAULT '{}',  -- of a task: all its settings
  provenance_id INTEGER NOT NULL REFERENCES provenance,
  comparison TEXT NOT NULL,    -- 'fixed parameters' or 'equal bytes'
  equal_bytes_target INTEGER,  -- bytes that sizes were solved for
  equal_bytes_share REAL,      -- the same as a share of full+f16's bytes; NULL: sizes were not solved
  full_f16_bytes INTEGER,      -- physical bytes of full+f16 after the prefix; NULL: unknown
  command_line TEXT NOT NULL,
  started_utc TEXT NOT NULL,
  wall_seconds REAL NOT NULL,
  CHECK ((kind = 'replay') = (trace_id IS NOT NULL))
) STRICT;

CREATE TABLE replay_results_2 (
  run_id INTEGER PRIMARY KEY REFERENCES runs_2 ON DELETE CASCADE,
  relative_error_mean REAL NOT NULL,
  relative_error_p99 REAL NOT NULL,
  relative_error_max REAL NOT NULL,
  lost_mass_mean REAL NOT NULL,
  lost_mass_max REAL NOT NULL,
  largest_dropped_weight REAL NOT NULL,
  kl_mean_nats REAL NOT NULL,
  output_error_mean REAL,  -- NULL: the trace has no W_O
  regret_mean REAL,        -- NULL: by a program that did not measure it
  read_tokens_mean REAL,   -- per query and KV head; NULL as above
  -- right after the prefix was compressed:
  nominal_bytes REAL NOT NULL,
  logical_bytes INTEGER NOT NULL,
  physical_bytes INTEGER NOT NULL,
  keys_bytes INTEGER NOT NULL,
  values_bytes INTEGER NOT NULL,
  compensation_bytes INTEGER NOT NULL,
  positions_bytes INTEGER NOT NULL,
  padding_bytes INTEGER NOT NULL,
  -- after the last step:
  end_physical_bytes INTEGER NOT NULL,
  end_logical_bytes INTEGER NOT NULL,
  peak_bytes INTEGER NOT NULL,
  kept_tokens_mean REAL NOT NULL,  -- per KV head
  protected_heads INTEGER NOT NULL,
  dropped_nothing INTEGER NOT NULL CHECK (dropped_nothing IN (0, 1)),
  compute_seconds REAL NOT NULL
) STRICT;

CREATE TABLE head_errors_2 (
  run_id INTEGER NOT NULL REFERENCES runs_2 ON DELETE CASCADE,
  layer INTEGER NOT NULL,
  kv_head INTEGER NOT NULL,
  query_head INTEGER NOT NULL,
  relative_error REAL NOT NULL,
  relative_error_max REAL NOT NULL,
  lost_mass REAL NOT NULL,
  lost_mass_max REAL NOT NULL,
  largest_dropped_weight REAL NOT NULL,
  kl_nats REAL NOT NULL,
  PRIMARY KEY (run_id, layer, query_head)
) STRICT, WITHOUT ROWID;

-- The share of an old run follows where full+f16 was replayed beside it.
INSERT INTO runs_2 (id, config_hash, kind, trace_id, model_id, policy_id, requested_policy, prefix_tokens, steps, seed,
  provenance_id, comparison, equal_bytes_target, equal_bytes_share, full_f16_bytes, command_line, started_utc, wall_seconds)
WITH full_f16 AS (
  SELECT runs.trace_id, runs.prefix_tokens, max(replay_results.physical_bytes) AS bytes
  FROM policies
  JOIN runs ON runs.policy_id = policies.id
  JOIN replay_results ON replay_results.run_id = runs.id
  WHERE policies.canonical_name = 'full+f16'
  GROUP BY runs.trace_id, runs.prefix_tokens
)
SELECT runs.id, config_hash, kind, runs.trace_id, model_id, policy_id, policies.canonical_name, runs.prefix_tokens, steps, seed,
  provenance_id, comparison, equal_bytes_target, round(CAST(equal_bytes_target AS REAL) / nullif(full_f16.bytes, 0), 4),
  full_f16.bytes, command_line, started_utc, wall_seconds
FROM runs
JOIN policies ON policies.id = runs.policy_id
LEFT JOIN full_f16 ON full_f16.trace_id = runs.trace_id AND full_f16.prefix_tokens = runs.prefix_tokens;

INSERT INTO replay_results_2
SELECT run_id, relative_error_mean, relative_error_p99, relative_error_max, lost_mass_mean, lost_mass_max,
  largest_dropped_weight, kl_mean_nats, output_error_mean, NULL, NULL, nominal_bytes, logical_bytes, physical_bytes, keys_bytes,
  values_bytes, compensation_bytes, positions_bytes, padding_bytes, end_physical_bytes, end_logical_bytes, peak_bytes,
  kept_tokens_mean, protected_heads, dropped_nothing, compute_seconds
FROM replay_results;

INSERT INTO head_errors_2
SELECT run_id, layer, kv_head, query_head, relative_error, relative_error_max, lost_mass, lost_mass_max,
  largest_dropped_weight, kl_nats
FROM head_errors;

DROP TABLE head_errors;
DROP TABLE replay_results;
DROP TABLE runs;
ALTER TABLE runs_2 RENAME TO runs;
ALTER TABLE replay_results_2 RENAME TO replay_results;
ALTER TABLE head_errors_2 RENAME TO head_errors;

CREATE INDEX runs_of_trace ON runs (trace_id, prefix_tokens);
CREATE INDEX runs_of_model ON runs (model_id);
CREATE INDEX runs_of_policy ON runs (policy_id);
CREATE INDEX runs_of_provenance ON runs (provenance_id);

-- The texts of an evaluation, a task's haystack; a replay's text is its trace's.
CREATE TABLE run_texts (
  run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,  -- from 0
  text_id INTEGER NOT NULL REFERENCES texts,
  PRIMARY KEY (run_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_texts_of_text ON run_texts (text_id);

-- What a policy kept of a text, and the odds of two answers to a question asked after that.
CREATE TABLE explanations (
  run_id INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
  text TEXT NOT NULL,
  token_end_bytes_json TEXT NOT NULL,  -- where each token ends in the text; a BOS at 0
  question TEXT NOT NULL,
  positive_answer TEXT NOT NULL,
  negative_answer TEXT NOT NULL,
  verdict_begin_token INTEGER NOT NULL,  -- of the paragraph that the answer hangs on
  verdict_end_token INTEGER NOT NULL,    -- equal to begin: none was named
  log_odds_nats REAL NOT NULL,           -- ln P(positive) - ln P(negative)
  log_odds_without_verdict_nats REAL,    -- on the text without that paragraph
  full_log_odds_nats REAL NOT NULL,      -- of full+f32
  full_log_odds_without_verdict_nats REAL,
  layers INTEGER NOT NULL,
  kv_heads INTEGER NOT NULL,  -- caches per layer
  fates TEXT NOT NULL,        -- a letter per layer, head and token: sink, window, heavy, kept, folded, dropped
  later_losses_json TEXT NOT NULL,  -- [[layer, head, position, tokens of the question read], ...]
  nominal_bytes REAL NOT NULL,
  logical_bytes INTEGER NOT NULL,
  physical_bytes INTEGER NOT NULL
) STRICT;

-- Means over scored rows, with 95 % bootstrap intervals: both ends NULL where there was too little to resample.
CREATE TABLE eval_results (
  run_id INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
  scored_rows INTEGER NOT NULL,
  units INTEGER NOT NULL,  -- that were resampled
  unit TEXT NOT NULL CHECK (unit IN ('text', 'block of 32 steps')),
  nll_nats REAL NOT NULL,
  nll_low_nats REAL,
  nll_high_nats REAL,
  full_nll_nats REAL NOT NULL,  -- of full+f32
  full_nll_low_nats REAL,
  full_nll_high_nats REAL,
  nll_difference_nats REAL NOT NULL,  -- to full+f32, paired
  nll_difference_low_nats REAL,
  nll_difference_high_nats REAL,
  kl_to_full_nats REAL NOT NULL,
  kl_to_full_low_nats REAL,
  kl_to_full_high_nats REAL,
  top1_agreement REAL NOT NULL,
  -- of the first text, right after the prefix was compressed:
  nominal_bytes REAL NOT NULL,
  logical_bytes INTEGER NOT NULL,
  physical_bytes INTEGER NOT NULL,
  -- after the last step:
  end_physical_bytes INTEGER NOT NULL,
  bytes_read_per_step REAL NOT NULL,
  token_by_token INTEGER NOT NULL CHECK (token_by_token IN (0, 1)),
  compute_seconds REAL NOT NULL,
  CHECK ((nll_low_nats IS NULL) = (nll_high_nats IS NULL)),
  CHECK ((full_nll_low_nats IS NULL) = (full_nll_high_nats IS NULL)),
  CHECK ((nll_difference_low_nats IS NULL) = (nll_difference_high_nats IS NULL)),
  CHECK ((kl_to_full_low_nats IS NULL) = (kl_to_full_high_nats IS NULL))
) STRICT;

CREATE TABLE task_results (
  run_id INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
  task TEXT NOT NULL,
  query_aware INTEGER NOT NULL CHECK (query_aware IN (0, 1)),
  n INTEGER NOT NULL CHECK (n > 0),  -- questions
  correct INTEGER NOT NULL CHECK (correct BETWEEN 0 AND n),
  accuracy REAL NOT NULL,
  low REAL NOT NULL,  -- 95 % Wilson interval
  high REAL NOT NULL,
  full_accuracy REAL NOT NULL,  -- of full+f32 on the same questions
  model_can INTEGER NOT NULL CHECK (model_can IN (0, 1)),  -- whether full+f32 answers at least half of them
  -- means over contexts, right after compression:
  nominal_bytes REAL NOT NULL,
  logical_bytes REAL NOT NULL,
  physical_bytes REAL NOT NULL
) STRICT;

CREATE TABLE task_answers (
  run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,  -- from 0
  length_tokens INTEGER NOT NULL,
  depth REAL NOT NULL,  -- of the fact: 0 at the front, 1 at the end
  correct INTEGER NOT NULL CHECK (correct IN (0, 1)),
  nll_nats REAL NOT NULL,
  PRIMARY KEY (run_id, ordinal)
) STRICT, WITHOUT ROWID;

-- One row per replay: bytes and tokens right after the prefix was compressed.
CREATE VIEW tradeoff AS
WITH full_f16 AS (
  SELECT runs.trace_id, runs.prefix_tokens, max(replay_results.physical_bytes) AS bytes
  FROM policies
  JOIN runs ON runs.policy_id = policies.id
  JOIN replay_results ON replay_results.run_id = runs.id
  WHERE policies.canonical_name = 'full+f16'
  GROUP BY runs.trace_id, runs.prefix_tokens
)
SELECT
  runs.id AS run_id,
  models.name AS model, models.sha256 AS model_sha256, models.position_scheme,
  models.layers, models.query_heads, models.kv_heads, models.head_size,
  texts.name AS text, traces.path AS trace_path, traces.content_hash AS trace_hash,
  runs.prefix_tokens, runs.steps, runs.comparison, runs.equal_bytes_target, runs.equal_bytes_share,
  runs.requested_policy, policies.canonical_name AS policy, policies.selection, policies.variant, policies.codec,
  results.physical_bytes, coalesce(runs.full_f16_bytes, full_f16.bytes) AS full_f16_bytes,
  CAST(results.physical_bytes AS REAL) / coalesce(runs.full_f16_bytes, full_f16.bytes) AS relative_bytes,
  results.logical_bytes, results.nominal_bytes, results.peak_bytes,
  results.kept_tokens_mean, results.protected_heads, results.dropped_nothing,
  results.relative_error_mean, results.relative_error_p99, results.relative_error_max, results.output_error_mean,
  results.lost_mass_mean, results.lost_mass_max, results.largest_dropped_weight, results.kl_mean_nats, results.regret_mean,
  results.read_tokens_mean
FROM runs
JOIN replay_results AS results ON results.run_id = runs.id
JOIN models ON models.id = runs.model_id
JOIN traces ON traces.id = runs.trace_id
LEFT JOIN texts ON texts.id = traces.text_id
JOIN policies ON policies.id = runs.policy_id
LEFT JOIN full_f16 ON full_f16.trace_id = runs.trace_id AND full_f16.prefix_tokens = runs.prefix_tokens;

-- The names of a run's texts, in order, and a key that tells texts of one name apart.
CREATE VIEW texts_of_runs AS
SELECT run_id, count(DISTINCT text_id) AS texts, group_concat(name, ', ') AS names, group_concat(text_id, ',') AS text_ids
FROM (
  SELECT run_texts.run_id, run_texts.text_id, texts.name
  FROM run_texts JOIN texts ON texts.id = run_texts.text_id
  ORDER BY run_texts.run_id, run_texts.ordinal
)
GROUP BY run_id;

-- One row per evaluation.
CREATE VIEW closed_loop AS
SELECT
  runs.id AS run_id, models.name AS model, models.sha256 AS model_sha256,
  texts_of_runs.names AS text, texts_of_runs.text_ids, texts_of_runs.texts,
  runs.prefix_tokens, runs.steps, runs.comparison, runs.equal_bytes_target, runs.equal_bytes_share,
  runs.requested_policy, policies.canonical_name AS policy, policies.selection, policies.variant, policies.codec,
  results.scored_rows, results.units, results.unit,
  results.nll_nats, results.nll_low_nats, results.nll_high_nats,
  results.full_nll_nats, results.full_nll_low_nats, results.full_nll_high_nats,
  results.nll_difference_nats, results.nll_difference_low_nats, results.nll_difference_high_nats,
  results.kl_to_full_nats, results.kl_to_full_low_nats, results.kl_to_full_high_nats, results.top1_agreement,
  results.nominal_bytes, results.logical_bytes, results.physical_bytes, results.end_physical_bytes,
  results.bytes_read_per_step, results.token_by_token, results.compute_seconds, runs.full_f16_bytes,
  CAST(results.physical_bytes AS REAL) / runs.full_f16_bytes AS relative_bytes
FROM runs
JOIN eval_results AS results ON results.run_id = runs.id
JOIN models ON models.id = runs.model_id
JOIN policies ON policies.id = runs.policy_id
LEFT JOIN texts_of_runs ON texts_of_runs.run_id = runs.id;

-- One row per policy on a task.
CREATE VIEW tasks AS
SELECT
  runs.id AS run_id, models.name AS model, models.sha256 AS model_sha256,
  texts_of_runs.names AS text, texts_of_runs.text_ids,
  runs.prefix_tokens, runs.steps, runs.comparison, runs.equal_bytes_target, runs.equal_bytes_share,
  runs.requested_policy, policies.canonical_name AS policy, policies.selection, policies.variant, policies.codec,
  runs.settings_json, results.task, results.query_aware,
  results.n, results.correct, results.accuracy, results.low, results.high, results.full_accuracy, results.model_can,
  results.nominal_bytes, results.logical_bytes, results.physical_bytes, runs.full_f16_bytes,
  results.physical_bytes / runs.full_f16_bytes AS relative_bytes
FROM runs
JOIN task_results AS results ON results.run_id = runs.id
JOIN models ON models.id = runs.model_id
JOIN policies ON policies.id = runs.policy_id
LEFT JOIN texts_of_runs ON texts_of_runs.run_id = runs.id;

-- What is cheap to measure beside what is dear: one row per evaluation and replays of the same model, texts, prefix,
-- policy asked for and share, with the accuracy of the same policy on tasks. An evaluation of several texts is paired
-- with the mean of their replays, and only where each of its texts was replayed.
CREATE VIEW ladder AS
WITH pairs AS (
  SELECT
    evals.id AS eval_run_id, min(replays.id) AS replay_run_id, count(*) AS replays, replays.steps AS replay_steps,
    count(DISTINCT traces.text_id) AS texts,
    avg(results.lost_mass_mean) AS lost_mass_mean, avg(results.kl_mean_nats) AS kl_mean_nats,
    avg(results.relative_error_mean) AS relative_error_mean, avg(results.output_error_mean) AS output_error_mean,
    avg(results.regret_mean) AS regret_mean
  FROM runs AS evals
  JOIN run_texts ON run_texts.run_id = evals.id
  JOIN traces ON traces.text_id = run_texts.text_id
  JOIN runs AS replays ON replays.trace_id = traces.id AND replays.prefix_tokens = evals.prefix_tokens
    AND replays.model_id = evals.model_id AND replays.requested_policy = evals.requested_policy
    AND replays.equal_bytes_share IS evals.equal_bytes_share
  JOIN replay_results AS results ON results.run_id = replays.id
  WHERE evals.kind = 'eval'
  GROUP BY evals.id, replays.steps
), accuracies AS (
  SELECT runs.model_id, runs.requested_policy, runs.equal_bytes_share, results.task,
    CAST(sum(results.correct) AS REAL) / sum(results.n) AS accuracy, sum(results.n) AS n
  FROM runs JOIN task_results AS results ON results.run_id = runs.id
  -- What a deployed cache sees, and what the model can do at all.
  WHERE results.query_aware = 0 AND results.model_can = 1
  GROUP BY runs.model_id, runs.requested_policy, runs.equal_bytes_share, results.task
)
SELECT
  pairs.eval_run_id, pairs.replay_run_id, pairs.replays,
  models.name AS model, models.sha256 AS model_sha256, texts_of_runs.names AS text, texts_of_runs.text_ids,
  runs.prefix_tokens, pairs.replay_steps, runs.steps AS eval_steps, eval.scored_rows,
  runs.requested_policy, runs.equal_bytes_share, policies.canonical_name AS policy,
  pairs.lost_mass_mean, pairs.kl_mean_nats, pairs.relative_error_mean, pairs.output_error_mean, pairs.regret_mean,
  eval.kl_to_full_nats, eval.nll_difference_nats,
  needle.accuracy AS needle_accuracy, needle.n AS needle_n,
  multi_query.accuracy AS multi_query_accuracy, multi_query.n AS multi_query_n
FROM pairs
JOIN runs ON runs.id = pairs.eval_run_id
JOIN eval_results AS eval ON eval.run_id = runs.id
JOIN models ON models.id = runs.model_id
JOIN policies ON policies.id = runs.policy_id
JOIN texts_of_runs ON texts_of_runs.run_id = runs.id AND texts_of_runs.texts = pairs.texts
LEFT JOIN accuracies AS needle ON needle.task = 'needle' AND needle.model_id = runs.model_id
  AND needle.requested_policy = runs.requested_policy AND needle.equal_bytes_share IS runs.equal_bytes_share
LEFT JOIN accuracies AS multi_query ON multi_query.task = 'multi-query' AND multi_query.model_id = runs.model_id
  AND multi_query.requested_policy = runs.requested_policy AND multi_query.equal_bytes_share IS runs.equal_bytes_share;

CREATE VIEW provenance_of_runs AS
SELECT
  runs.id AS run_id, runs.kind, policies.canonical_name AS policy, runs.command_line, runs.started_utc, runs.wall_seconds,
  provenance.program_version, provenance.git_commit, provenance.cpu, provenance.kernel_target, provenance.compute_type,
  provenance.threads, provenance.os
FROM runs
JOIN policies ON policies.id = runs.policy_id
JOIN provenance ON provenance.id = runs.provenance_id;
)sql";

}  // namespace razorscope
