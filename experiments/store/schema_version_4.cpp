#include "experiments/store/schema_version_4.hpp"

namespace razorscope {

// Tables give the plain names to views, which need no join and no id to be understood. Joins that are CROSS
// JOINs run in the order in which they stand: names are looked up once a run and not once a head.
const char* const schema_version_4 = R"sql(
DROP VIEW provenance_of_runs;
DROP VIEW provenance_of_deployment_runs;
DROP VIEW head_ranking;
DROP VIEW ladder;
ALTER TABLE provenance RENAME TO programs;
ALTER TABLE head_errors RENAME TO replay_heads;

ALTER TABLE probes ADD COLUMN command_line TEXT;  -- NULL: by a program that did not store it
ALTER TABLE probes ADD COLUMN wall_seconds REAL;  -- likewise

-- What a replay's policy did to each query head.
CREATE VIEW head_errors AS
SELECT
  runs.id AS run_id, models.name AS model, texts.name AS text, runs.prefix_tokens, runs.steps,
  runs.requested_policy, policies.canonical_name AS policy, runs.equal_bytes_share,
  heads.layer, heads.kv_head, heads.query_head,
  heads.relative_error, heads.relative_error_max, heads.lost_mass, heads.lost_mass_max, heads.largest_dropped_weight,
  heads.kl_nats
FROM runs
CROSS JOIN models ON models.id = runs.model_id
CROSS JOIN policies ON policies.id = runs.policy_id
CROSS JOIN traces ON traces.id = runs.trace_id
LEFT JOIN texts ON texts.id = traces.text_id
CROSS JOIN replay_heads AS heads ON heads.run_id = runs.id;

-- Which replays and evaluations no other one beats. A run is on its group's front where no run of the group has at
-- most its bytes and at most its error, and less of one of the two: runs that are equal in both are on it together.
-- Bytes are physical ones right after the prefix was compressed; the error is relative_error_mean of a replay,
-- kl_to_full_nats of an evaluation. A group is what may be compared: the same kind, model, trace or texts, prefix
-- and steps.
CREATE VIEW pareto AS
WITH measured AS (
  SELECT runs.id AS run_id, runs.kind, runs.model_id, runs.trace_id AS subject, texts.name AS text, runs.prefix_tokens,
    runs.steps, results.physical_bytes, results.relative_error_mean AS error
  FROM replay_results AS results
  JOIN runs ON runs.id = results.run_id
  JOIN traces ON traces.id = runs.trace_id
  LEFT JOIN texts ON texts.id = traces.text_id
  UNION ALL
  SELECT runs.id, runs.kind, runs.model_id, texts_of_runs.text_ids, texts_of_runs.names, runs.prefix_tokens,
    runs.steps, results.physical_bytes, results.kl_to_full_nats
  FROM eval_results AS results
  JOIN runs ON runs.id = results.run_id
  LEFT JOIN texts_of_runs ON texts_of_runs.run_id = runs.id
), judged AS (
  SELECT *,
    min(error) OVER (PARTITION BY kind, model_id, subject, prefix_tokens, steps ORDER BY physical_bytes) AS least_error,
    min(physical_bytes) OVER (PARTITION BY kind, model_id, subject, prefix_tokens, steps, error) AS least_bytes
  FROM measured
)
SELECT
  judged.kind, models.name AS model, judged.text, judged.prefix_tokens, judged.steps,
  policies.canonical_name AS policy, runs.requested_policy, runs.comparison, runs.equal_bytes_share,
  judged.physical_bytes, runs.full_f16_bytes,
  CAST(judged.physical_bytes AS REAL) / runs.full_f16_bytes AS relative_bytes,
  CASE judged.kind WHEN 'replay' THEN judged.error END AS relative_error_mean,
  CASE judged.kind WHEN 'eval' THEN judged.error END AS kl_to_full_nats,
  judged.run_id
FROM judged
JOIN runs ON runs.id = judged.run_id
JOIN models ON models.id = runs.model_id
JOIN policies ON policies.id = runs.policy_id
-- least_error: of all runs with at most as many bytes; least_bytes: of all with the same error.
WHERE judged.error = judged.least_error AND judged.physical_bytes = judged.least_bytes;

-- One row per probe and KV head, whose score is the largest of its query heads'. Equal scores rank by layer, then head.
-- A retrieval head is one of the 14 % of all KV heads with the highest induction or of the 1 % with the highest echo;
-- both numbers are rounded half up and at least 1, as choose_retrieval_heads does (where 1e-9 is explained).
CREATE VIEW retrieval_heads AS
WITH scores AS (
  SELECT probe_id, layer, kv_head, max(induction) AS induction, max(echo) AS echo
  FROM probe_heads
  GROUP BY probe_id, layer, kv_head
), ranked AS (
  SELECT *,
    row_number() OVER (PARTITION BY probe_id ORDER BY induction DESC, layer, kv_head) AS induction_rank,
    row_number() OVER (PARTITION BY probe_id ORDER BY echo DESC, layer, kv_head) AS echo_rank,
    count(*) OVER (PARTITION BY probe_id) AS heads
  FROM scores
)
SELECT
  models.name AS model, probes.variant, probes.token_source, probes.block_tokens, probes.repeats, probes.seed,
  ranked.layer, ranked.kv_head, ranked.induction, ranked.echo, ranked.induction_rank, ranked.echo_rank,
  induction_rank <= max(1, CAST(0.14 * heads + 0.5 + 1e-9 AS INTEGER))
    OR echo_rank <= max(1, CAST(0.01 * heads + 0.5 + 1e-9 AS INTEGER)) AS is_retrieval_head,
  ranked.probe_id
FROM ranked
JOIN probes ON probes.id = ranked.probe_id
JOIN models ON models.id = probes.model_id;

CREATE VIEW head_ranking AS
SELECT probe_id, model, variant, seed, layer, kv_head, induction, echo, induction_rank, echo_rank
FROM retrieval_heads;

-- As in version 2, but replays are found by all that they have to share with an evaluation, in an index that SQLite
-- makes of them for one question: by model and trace alone it visited each replay of a text for each evaluation.
CREATE VIEW ladder AS
WITH replays AS MATERIALIZED (
  SELECT runs.id, runs.model_id, traces.text_id, runs.prefix_tokens, runs.requested_policy, runs.equal_bytes_share,
    runs.steps, results.lost_mass_mean, results.kl_mean_nats, results.relative_error_mean, results.output_error_mean,
    results.regret_mean
  FROM replay_results AS results
  JOIN runs ON runs.id = results.run_id
  JOIN traces ON traces.id = runs.trace_id
), pairs AS (
  SELECT
    evals.id AS eval_run_id, min(replays.id) AS replay_run_id, count(*) AS replays, replays.steps AS replay_steps,
    count(DISTINCT replays.text_id) AS texts,
    avg(lost_mass_mean) AS lost_mass_mean, avg(kl_mean_nats) AS kl_mean_nats,
    avg(relative_error_mean) AS relative_error_mean, avg(output_error_mean) AS output_error_mean,
    avg(regret_mean) AS regret_mean
  FROM eval_results
  CROSS JOIN runs AS evals ON evals.id = eval_results.run_id
  CROSS JOIN run_texts ON run_texts.run_id = evals.id
  CROSS JOIN replays ON replays.text_id = run_texts.text_id AND replays.prefix_tokens = evals.prefix_tokens
    AND replays.model_id = evals.model_id AND replays.requested_policy = evals.requested_policy
    AND replays.equal_bytes_share IS evals.equal_bytes_share
  GROUP BY evals.id, replays.steps
), accuracies AS (
  SELECT runs.model_id, runs.requested_policy, runs.equal_bytes_share, results.task,
    CAST(sum(results.correct) AS REAL) / sum(results.n) AS accuracy, sum(results.n) AS n
  FROM task_results AS results
  JOIN runs ON runs.id = results.run_id
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

-- What the caches of a replay did on a simulated device.
CREATE VIEW replays_on_devices AS
SELECT
  runs.id AS run_id, models.name AS model, texts.name AS text, runs.prefix_tokens, runs.steps,
  runs.requested_policy, policies.canonical_name AS policy, runs.equal_bytes_share,
  devices.name AS device, devices.status AS device_status, replays.shape, replays.weights, replays.sequences,
  replays.prompt_tokens, replays.capacity_bytes, replays.weights_bytes, replays.non_kv_bytes, replays.peak_kv_bytes,
  replays.end_kv_bytes, replays.overflow_tokens, replays.prefill_ms, replays.compression_ms, replays.decode_mean_ms,
  replays.total_ms, replays.calibration
FROM device_replays AS replays
JOIN devices ON devices.id = replays.device_id
JOIN runs ON runs.id = replays.run_id
JOIN models ON models.id = runs.model_id
JOIN policies ON policies.id = runs.policy_id
JOIN traces ON traces.id = runs.trace_id
LEFT JOIN texts ON texts.id = traces.text_id;

CREATE VIEW provenance_of_runs AS
SELECT
  runs.id AS run_id, runs.kind, policies.canonical_name AS policy, runs.command_line, runs.started_utc, runs.wall_seconds,
  programs.program_version, programs.git_commit, programs.cpu, programs.kernel_target, programs.compute_type,
  programs.threads, programs.os
FROM runs
JOIN policies ON policies.id = runs.policy_id
JOIN programs ON programs.id = runs.provenance_id;

CREATE VIEW provenance_of_deployment_runs AS
SELECT
  runs.id AS run_id, runs.kind, policies.canonical_name AS policy, devices.name AS device, runs.command_line, runs.started_utc,
  runs.wall_seconds, programs.program_version, programs.git_commit, programs.cpu, programs.kernel_target,
  programs.compute_type, programs.threads, programs.os
FROM deployment_runs AS runs
JOIN policies ON policies.id = runs.policy_id
JOIN devices ON devices.id = runs.device_id
JOIN programs ON programs.id = runs.provenance_id;

-- One row per run of any kind: how to repeat it, and what it was made by. Ids are of the kind's own series.
CREATE VIEW provenance AS
WITH started AS (
  SELECT kind, id AS run_id, model_id, policy_id, NULL AS device_id, provenance_id, command_line, started_utc, wall_seconds
  FROM runs
  UNION ALL
  SELECT kind, id, model_id, policy_id, device_id, provenance_id, command_line, started_utc, wall_seconds
  FROM deployment_runs
  UNION ALL
  SELECT 'probe', id, model_id, NULL, NULL, provenance_id, command_line, created_utc, wall_seconds
  FROM probes
  UNION ALL
  SELECT 'rate search', searches.id, runs.model_id, runs.policy_id, runs.device_id, runs.provenance_id,
    searches.command_line, searches.started_utc, searches.wall_seconds
  FROM rate_searches AS searches
  JOIN deployment_runs AS runs ON runs.id = searches.run_id
)
SELECT
  started.kind, started.run_id, models.name AS model, policies.canonical_name AS policy, devices.name AS device,
  started.command_line, started.started_utc, started.wall_seconds,
  programs.program_version, programs.git_commit, programs.cpu, programs.kernel_target, programs.compute_type,
  programs.threads, programs.os
FROM started
JOIN programs ON programs.id = started.provenance_id
JOIN models ON models.id = started.model_id
LEFT JOIN policies ON policies.id = started.policy_id
LEFT JOIN devices ON devices.id = started.device_id;
)sql";

}  // namespace razorscope
