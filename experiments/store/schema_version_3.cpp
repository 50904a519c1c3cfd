#include "experiments/store/schema_version_3.hpp"

namespace razorscope {

// What models do on devices that need not be there has a table of its own beside `runs`, which are measured
// on a real model: they share models, policies and provenance. Shares lie between 0 and 1.
const char* const schema_version_3 = R"sql(
CREATE TABLE devices (
  id INTEGER PRIMARY KEY,
  content_hash TEXT NOT NULL UNIQUE,  -- of name, figures and constants: what results depend on
  name TEXT NOT NULL,
  vendor TEXT NOT NULL,
  memory_bytes INTEGER NOT NULL,
  memory_is_nominal INTEGER NOT NULL CHECK (memory_is_nominal IN (0, 1)),  -- the data sheet's figure
  memory_kind TEXT NOT NULL,
  bandwidth_bytes_per_second REAL NOT NULL,
  bf16_operations_per_second REAL NOT NULL,
  fp8_operations_per_second REAL,   -- NULL: has none
  int8_operations_per_second REAL,  -- likewise
  link_bytes_per_second REAL NOT NULL,  -- one direction; 0: stands alone
  status TEXT NOT NULL,  -- of the figures: vendor, third-party, disputed, ...
  source TEXT NOT NULL,
  calibration TEXT NOT NULL,   -- of the constants in 16 bits: calibrated, borrowed, uncalibrated
  constants_of TEXT NOT NULL,  -- the device that they are borrowed from, or ''
  constants_json TEXT NOT NULL -- of the step-time model, by element type
) STRICT;

CREATE TABLE deployment_runs (
  id INTEGER PRIMARY KEY,
  config_hash TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('serve', 'plan')),
  device_id INTEGER NOT NULL REFERENCES devices,
  model_id INTEGER NOT NULL REFERENCES models,
  policy_id INTEGER NOT NULL REFERENCES policies,
  tp INTEGER NOT NULL,  -- devices that share each layer
  weights TEXT NOT NULL CHECK (weights IN ('bf16', 'fp8', 'int8', 'int4')),
  engine TEXT NOT NULL,       -- whose defaults were taken
  utilisation REAL NOT NULL,  -- share of device memory that the engine may take
  non_kv_bytes REAL NOT NULL, -- of a device
  token_budget INTEGER NOT NULL,  -- tokens of a step
  seed INTEGER NOT NULL,
  provenance_id INTEGER NOT NULL REFERENCES provenance,
  command_line TEXT NOT NULL,
  started_utc TEXT NOT NULL,
  wall_seconds REAL NOT NULL
) STRICT;
CREATE INDEX deployment_runs_of_device ON deployment_runs (device_id);
CREATE INDEX deployment_runs_of_model ON deployment_runs (model_id);
CREATE INDEX deployment_runs_of_policy ON deployment_runs (policy_id);
CREATE INDEX deployment_runs_of_provenance ON deployment_runs (provenance_id);

-- A workload served: what was asked, and what came of it.
CREATE TABLE serving_runs (
  run_id INTEGER PRIMARY KEY REFERENCES deployment_runs ON DELETE CASCADE,
  engines INTEGER NOT NULL,          -- replicas; of a disaggregated setup all engines
  prefill_engines INTEGER NOT NULL,  -- 0: not disaggregated
  decode_engines INTEGER NOT NULL,
  router TEXT NOT NULL,
  max_sequences INTEGER NOT NULL,  -- that an engine runs at once
  max_tokens INTEGER NOT NULL,     -- of a request
  prefix_cache INTEGER NOT NULL CHECK (prefix_cache IN (0, 1)),
  workload TEXT NOT NULL,          -- the file's name, or the generator's canonical text
  workload_pattern TEXT NOT NULL,  -- the same without its rate
  workload_hash TEXT NOT NULL,     -- of the requests' tokens and prefixes, whenever they arrive
  rate_per_second REAL,            -- requests that arrive; NULL: all at once
  slo_ttft_ms REAL,                -- NULL: no limit
  slo_tpot_ms REAL,
  slo_e2e_ms REAL,
  requests INTEGER NOT NULL,
  completed INTEGER NOT NULL,
  refused_json TEXT NOT NULL,      -- {reason: requests}
  seconds REAL NOT NULL,           -- until the last token
  ttft_mean_ms REAL NOT NULL, ttft_p50_ms REAL NOT NULL, ttft_p90_ms REAL NOT NULL, ttft_p99_ms REAL NOT NULL,
  ttft_max_ms REAL NOT NULL,
  tpot_mean_ms REAL NOT NULL, tpot_p50_ms REAL NOT NULL, tpot_p90_ms REAL NOT NULL, tpot_p99_ms REAL NOT NULL,
  tpot_max_ms REAL NOT NULL,
  itl_mean_ms REAL NOT NULL, itl_p50_ms REAL NOT NULL, itl_p90_ms REAL NOT NULL, itl_p99_ms REAL NOT NULL,
  itl_max_ms REAL NOT NULL,
  e2e_mean_ms REAL NOT NULL, e2e_p50_ms REAL NOT NULL, e2e_p90_ms REAL NOT NULL, e2e_p99_ms REAL NOT NULL,
  e2e_max_ms REAL NOT NULL,
  completed_per_second REAL NOT NULL,
  output_tokens_per_second REAL NOT NULL,
  prompt_tokens_per_second REAL NOT NULL,
  goodput_per_second REAL NOT NULL,  -- requests within the service level
  goodput_share REAL NOT NULL,       -- of all that arrived
  preemptions INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,    -- prompt tokens found in prefix caches
  kv_blocks INTEGER NOT NULL,        -- of all engines, of 16 tokens uncompressed
  peak_kv_use REAL NOT NULL,         -- share of the fullest engine's pool
  mean_kv_use REAL NOT NULL,
  mean_running REAL NOT NULL,        -- requests, over time
  mean_waiting REAL NOT NULL,
  memory_utilisation REAL NOT NULL,  -- share of the time
  compute_utilisation REAL NOT NULL,
  steps INTEGER NOT NULL,
  calibration TEXT NOT NULL,         -- of what the step times are made from
  assumes_heads INTEGER NOT NULL CHECK (assumes_heads IN (0, 1))
) STRICT;

CREATE TABLE serving_timeline (
  run_id INTEGER NOT NULL REFERENCES deployment_runs ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,  -- from 0
  seconds REAL NOT NULL,
  running INTEGER NOT NULL,
  waiting INTEGER NOT NULL,
  kv_use REAL NOT NULL,
  preemptions INTEGER NOT NULL,    -- so far, as are the tokens
  output_tokens INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  PRIMARY KEY (run_id, ordinal)
) STRICT, WITHOUT ROWID;

-- What fits on a device, and how long a step lasts.
CREATE TABLE plans (
  run_id INTEGER PRIMARY KEY REFERENCES deployment_runs ON DELETE CASCADE,
  context_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  batch INTEGER NOT NULL,
  fits INTEGER NOT NULL CHECK (fits IN (0, 1)),  -- whether the batch does
  memory_bytes REAL NOT NULL,                    -- of a device
  weights_bytes REAL NOT NULL,                   -- of all devices
  pool_bytes REAL NOT NULL,                      -- of a device, for KV
  kv_blocks INTEGER NOT NULL,
  kv_bytes_per_sequence REAL NOT NULL,           -- at the end of the output, all devices
  kv_bytes_per_sequence_rank REAL NOT NULL,      -- of the device that holds most
  kept_tokens_mean REAL NOT NULL,                -- per KV head
  max_batch INTEGER NOT NULL,
  max_batch_admitting INTEGER NOT NULL,          -- while the last one's prompt is not compressed yet
  max_context_tokens INTEGER NOT NULL,           -- of the batch, by memory alone
  decode_ms REAL NOT NULL,                       -- a step of the batch, halfway through the output; its parts:
  decode_weights_ms REAL NOT NULL,
  decode_attention_ms REAL NOT NULL,
  decode_all_reduce_ms REAL NOT NULL,
  decode_between_products_ms REAL NOT NULL,
  decode_policy_ms REAL NOT NULL,
  tpot_ms REAL,                                  -- while requests follow one another
  max_batch_decode_ms REAL,                      -- NULL: not one sequence fits
  prefill_ms REAL NOT NULL,                      -- of one prompt, its compression included
  compression_ms REAL NOT NULL,
  calibration TEXT NOT NULL,
  assumes_heads INTEGER NOT NULL CHECK (assumes_heads IN (0, 1)),
  beyond_model INTEGER NOT NULL CHECK (beyond_model IN (0, 1))  -- longer than the model's own context
) STRICT;

-- A search for the highest rate within a service level. Everything else about it stands in the run at that rate.
CREATE TABLE rate_searches (
  id INTEGER PRIMARY KEY,
  config_hash TEXT NOT NULL UNIQUE,
  run_id INTEGER NOT NULL REFERENCES deployment_runs ON DELETE CASCADE,  -- at the rate; of 'never' at the lowest tried
  wanted_share REAL NOT NULL,  -- of requests that have to meet the service level
  tolerance REAL NOT NULL,     -- of the rate
  outcome TEXT NOT NULL CHECK (outcome IN ('found', 'never', 'always')),
  max_rate_per_second REAL NOT NULL,  -- 'never': 0; 'always': the highest tried
  command_line TEXT NOT NULL,
  started_utc TEXT NOT NULL,
  wall_seconds REAL NOT NULL
) STRICT;
CREATE INDEX rate_searches_of_run ON rate_searches (run_id);

CREATE TABLE rate_search_probes (
  search_id INTEGER NOT NULL REFERENCES rate_searches ON DELETE CASCADE,
  run_id INTEGER NOT NULL REFERENCES deployment_runs ON DELETE CASCADE,
  PRIMARY KEY (search_id, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX rate_search_probes_of_run ON rate_search_probes (run_id);

-- One row per workload served.
CREATE VIEW goodput AS
SELECT
  models.name AS model, policies.canonical_name AS policy, policies.selection, policies.variant,
  policies.codec, devices.name AS device, devices.status AS device_status, devices.content_hash AS device_hash,
  runs.tp, runs.weights, runs.engine, runs.utilisation, runs.non_kv_bytes, runs.token_budget, serving_runs.*
FROM deployment_runs AS runs
JOIN serving_runs ON serving_runs.run_id = runs.id
JOIN devices ON devices.id = runs.device_id
JOIN models ON models.id = runs.model_id
JOIN policies ON policies.id = runs.policy_id;

-- One row per policy planned on a device.
CREATE VIEW capacity AS
SELECT
  models.name AS model, policies.canonical_name AS policy, policies.selection, policies.variant,
  policies.codec, devices.name AS device, devices.status AS device_status, devices.content_hash AS device_hash,
  runs.tp, runs.weights, runs.engine, runs.utilisation, runs.non_kv_bytes, runs.token_budget, plans.*,
  plans.max_batch * 1e3 / plans.max_batch_decode_ms AS max_batch_tokens_per_second
FROM deployment_runs AS runs
JOIN plans ON plans.run_id = runs.id
JOIN devices ON devices.id = runs.device_id
JOIN models ON models.id = runs.model_id
JOIN policies ON policies.id = runs.policy_id;

-- One row per search: the rate, and what was measured there.
CREATE VIEW max_rates AS
SELECT
  searches.id AS search_id, searches.outcome, searches.max_rate_per_second, searches.wanted_share, searches.tolerance,
  (SELECT count(*) FROM rate_search_probes WHERE search_id = searches.id) AS probes,
  goodput.*
FROM rate_searches AS searches
JOIN goodput ON goodput.run_id = searches.run_id;

-- What the caches of a replay did on a simulated device.
CREATE TABLE device_replays (
  id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  device_id INTEGER NOT NULL REFERENCES devices,
  shape TEXT NOT NULL,  -- another than the run's model: bytes were scaled to it
  weights TEXT NOT NULL CHECK (weights IN ('bf16', 'fp8', 'int8', 'int4')),
  sequences INTEGER NOT NULL,      -- identical ones at once
  prompt_tokens INTEGER NOT NULL,  -- of a sequence
  capacity_bytes REAL NOT NULL,    -- that the engine may take
  weights_bytes REAL NOT NULL,
  non_kv_bytes REAL NOT NULL,
  peak_kv_bytes REAL NOT NULL,  -- of all sequences
  end_kv_bytes REAL NOT NULL,
  overflow_tokens INTEGER,      -- of a sequence that were in when there was no room; NULL: there always was
  prefill_ms REAL NOT NULL,
  compression_ms REAL NOT NULL,
  decode_mean_ms REAL NOT NULL,
  total_ms REAL NOT NULL,
  calibration TEXT NOT NULL,
  UNIQUE (run_id, device_id, shape, weights, sequences, prompt_tokens, capacity_bytes, non_kv_bytes)
) STRICT;
CREATE INDEX device_replays_of_device ON device_replays (device_id);

CREATE TABLE device_replay_occupancy (
  device_replay_id INTEGER NOT NULL REFERENCES device_replays ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,
  ms REAL NOT NULL,
  kv_bytes REAL NOT NULL,  -- from then on
  PRIMARY KEY (device_replay_id, ordinal)
) STRICT, WITHOUT ROWID;

CREATE VIEW provenance_of_deployment_runs AS
SELECT
  runs.id AS run_id, runs.kind, policies.canonical_name AS policy, devices.name AS device, runs.command_line, runs.started_utc,
  runs.wall_seconds, provenance.program_version, provenance.git_commit, provenance.cpu, provenance.kernel_target,
  provenance.compute_type, provenance.threads, provenance.os
FROM deployment_runs AS runs
JOIN policies ON policies.id = runs.policy_id
JOIN devices ON devices.id = runs.device_id
JOIN provenance ON provenance.id = runs.provenance_id;
)sql";

}  // namespace razorscope
