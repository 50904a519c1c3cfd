#include "experiments/store/schema.hpp"

#include "experiments/store/schema_version_2.hpp"
#include "experiments/store/schema_version_3.hpp"
#include "experiments/store/schema_version_4.hpp"
#include "experiments/store/schema_version_5.hpp"
#include "experiments/store/schema_version_6.hpp"

namespace razorscope {
namespace {

// Floating-point figures are shares or relative errors where the name gives no unit. Seeds are the 64 bits as
// signed.
const char* const version_1_tables = R"sql(
CREATE TABLE provenance (
  id INTEGER PRIMARY KEY,
  program_version TEXT NOT NULL,
  git_commit TEXT NOT NULL,
  cpu TEXT NOT NULL,
  kernel_target TEXT NOT NULL,
  compute_type TEXT NOT NULL,
  threads INTEGER NOT NULL,
  os TEXT NOT NULL,
  created_utc TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
  UNIQUE (program_version, git_commit, cpu, kernel_target, compute_type, threads, os)
) STRICT;

CREATE TABLE models (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  sha256 TEXT UNIQUE,  -- NULL: unknown, as in traces that other programs wrote
  architecture TEXT NOT NULL,
  layers INTEGER NOT NULL,
  query_heads INTEGER NOT NULL,  -- per layer
  kv_heads INTEGER NOT NULL,     -- per layer
  head_size INTEGER NOT NULL,
  context_tokens INTEGER NOT NULL,  -- 0: unknown
  position_scheme TEXT NOT NULL CHECK (position_scheme IN ('rope', 'alibi'))
) STRICT;
CREATE UNIQUE INDEX models_without_hash
  ON models (name, architecture, layers, query_heads, kv_heads, head_size, position_scheme) WHERE sha256 IS NULL;

CREATE TABLE texts (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  sha256 TEXT UNIQUE
) STRICT;
CREATE UNIQUE INDEX texts_without_hash ON texts (name) WHERE sha256 IS NULL;

CREATE TABLE traces (
  id INTEGER PRIMARY KEY,
  content_hash TEXT NOT NULL UNIQUE,
  model_id INTEGER NOT NULL REFERENCES models,
  text_id INTEGER REFERENCES texts,
  tokens INTEGER NOT NULL,
  path TEXT NOT NULL  -- where it was last read from
) STRICT;
CREATE INDEX traces_of_model ON traces (model_id);
CREATE INDEX traces_of_text ON traces (text_id);

CREATE TABLE policies (
  id INTEGER PRIMARY KEY,
  canonical_name TEXT NOT NULL UNIQUE,
  selection TEXT NOT NULL,
  variant TEXT NOT NULL,  -- '': the selection has none
  codec TEXT NOT NULL,
  parameters_json TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  config_hash TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,  -- 'replay'
  trace_id INTEGER NOT NULL REFERENCES traces,
  model_id INTEGER NOT NULL REFERENCES models,
  policy_id INTEGER NOT NULL REFERENCES policies,
  prefix_tokens INTEGER NOT NULL,
  steps INTEGER NOT NULL,  -- queries
  seed INTEGER NOT NULL,
  provenance_id INTEGER NOT NULL REFERENCES provenance,
  equal_bytes_target INTEGER,  -- bytes that sizes were solved for
  comparison TEXT NOT NULL,    -- 'fixed parameters' or 'equal bytes'
  command_line TEXT NOT NULL,
  started_utc TEXT NOT NULL,
  wall_seconds REAL NOT NULL
) STRICT;
CREATE INDEX runs_of_trace ON runs (trace_id, prefix_tokens);
CREATE INDEX runs_of_model ON runs (model_id);
CREATE INDEX runs_of_policy ON runs (policy_id);
CREATE INDEX runs_of_provenance ON runs (provenance_id);

CREATE TABLE replay_results (
  run_id INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
  relative_error_mean REAL NOT NULL,
  relative_error_p99 REAL NOT NULL,
  relative_error_max REAL NOT NULL,
  lost_mass_mean REAL NOT NULL,
  lost_mass_max REAL NOT NULL,
  largest_dropped_weight REAL NOT NULL,
  kl_mean_nats REAL NOT NULL,
  output_error_mean REAL,  -- NULL: the trace has no W_O
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

CREATE TABLE head_errors (
  run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
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

CREATE TABLE probes (
  id INTEGER PRIMARY KEY,
  model_id INTEGER NOT NULL REFERENCES models,
  block_tokens INTEGER NOT NULL,
  repeats INTEGER NOT NULL,
  seed INTEGER NOT NULL,
  variant TEXT NOT NULL,
  token_source TEXT NOT NULL,
  config_hash TEXT NOT NULL UNIQUE,
  provenance_id INTEGER NOT NULL REFERENCES provenance,
  created_utc TEXT NOT NULL
) STRICT;
CREATE INDEX probes_of_model ON probes (model_id);
CREATE INDEX probes_of_provenance ON probes (provenance_id);

CREATE TABLE probe_heads (
  probe_id INTEGER NOT NULL REFERENCES probes ON DELETE CASCADE,
  layer INTEGER NOT NULL,
  query_head INTEGER NOT NULL,
  kv_head INTEGER NOT NULL,
  echo REAL NOT NULL,
  induction REAL NOT NULL,
  PRIMARY KEY (probe_id, layer, query_head)
) STRICT, WITHOUT ROWID;
)sql";

const char* const version_1_views = R"sql(
-- One row per run: bytes and tokens right after the prefix was compressed.
CREATE VIEW tradeoff AS
WITH full_f16 AS (
  SELECT runs.trace_id, runs.prefix_tokens, max(replay_results.physical_bytes) AS full_f16_bytes
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
  runs.prefix_tokens, runs.steps, runs.comparison, runs.equal_bytes_target,
  policies.canonical_name AS policy, policies.selection, policies.variant, policies.codec,
  results.physical_bytes, full_f16.full_f16_bytes,
  CAST(results.physical_bytes AS REAL) / full_f16.full_f16_bytes AS relative_bytes,
  results.logical_bytes, results.nominal_bytes, results.peak_bytes,
  results.kept_tokens_mean, results.protected_heads, results.dropped_nothing,
  results.relative_error_mean, results.relative_error_p99, results.relative_error_max, results.output_error_mean,
  results.lost_mass_mean, results.lost_mass_max, results.largest_dropped_weight, results.kl_mean_nats
FROM runs
JOIN replay_results AS results ON results.run_id = runs.id
JOIN models ON models.id = runs.model_id
JOIN traces ON traces.id = runs.trace_id
LEFT JOIN texts ON texts.id = traces.text_id
JOIN policies ON policies.id = runs.policy_id
LEFT JOIN full_f16 ON full_f16.trace_id = runs.trace_id AND full_f16.prefix_tokens = runs.prefix_tokens;

CREATE VIEW provenance_of_runs AS
SELECT
  runs.id AS run_id, runs.kind, policies.canonical_name AS policy, runs.command_line, runs.started_utc, runs.wall_seconds,
  provenance.program_version, provenance.git_commit, provenance.cpu, provenance.kernel_target, provenance.compute_type,
  provenance.threads, provenance.os
FROM runs
JOIN policies ON policies.id = runs.policy_id
JOIN provenance ON provenance.id = runs.provenance_id;

-- One row per probe and KV head, whose score is the largest of its query heads'. Equal scores rank by layer, then head.
CREATE VIEW head_ranking AS
WITH scores AS (
  SELECT probe_id, layer, kv_head, max(echo) AS echo, max(induction) AS induction
  FROM probe_heads
  GROUP BY probe_id, layer, kv_head
)
SELECT
  scores.probe_id, models.name AS model, probes.variant, probes.seed, scores.layer, scores.kv_head, scores.induction, scores.echo,
  row_number() OVER (PARTITION BY probe_id ORDER BY induction DESC, layer, kv_head) AS induction_rank,
  row_number() OVER (PARTITION BY probe_id ORDER BY echo DESC, layer, kv_head) AS echo_rank
FROM scores
JOIN probes ON probes.id = scores.probe_id
JOIN models ON models.id = probes.model_id;
)sql";

}  // namespace

const std::vector<std::string>& schema_migrations() {
  static const std::vector<std::string> migrations = {std::string(version_1_tables) + version_1_views,
                                                      schema_version_2,
                                                      schema_version_3,
                                                      schema_version_4,
                                                      schema_version_5,
                                                      schema_version_6};
  return migrations;
}

int schema_version() { return static_cast<int>(schema_migrations().size()); }

}  // namespace razorscope
