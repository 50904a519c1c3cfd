-- Questions that an engineer asks of a results database, and that the program brings along:
--   razorscope sql --query least-error --set share=0.15
-- Each has its name, the question in a line, and what its parameters are unless they are told. Units are in the names
-- of columns; errors and shares have none.

-- name: least-error
-- Which policies lose least at a share of the bytes of full+f16?
-- set: share=0.3
SELECT model, text, prefix_tokens, requested_policy, relative_bytes, relative_error_mean, relative_error_p99, lost_mass_mean
FROM tradeoff
WHERE abs(equal_bytes_share - :share) < 0.00005
ORDER BY model, text, prefix_tokens, relative_error_mean;

-- name: smallest-cache
-- What is the smallest cache whose mean relative error stays within a limit?
-- set: error=0.1
SELECT model, text, prefix_tokens, min(physical_bytes) AS physical_bytes, relative_bytes, policy, relative_error_mean
FROM tradeoff  -- columns beside min() are those of the row that has it
WHERE relative_error_mean <= :error
GROUP BY model, model_sha256, text, trace_hash, prefix_tokens, steps
ORDER BY model, text, prefix_tokens, steps;

-- name: front
-- Which replays and evaluations does no other one beat in bytes and error?
SELECT kind, model, text, prefix_tokens, steps, policy, physical_bytes, relative_bytes, relative_error_mean, kl_to_full_nats
FROM pareto
ORDER BY kind, model, text, prefix_tokens, steps, physical_bytes;

-- name: codec-cost
-- What does a codec save and cost where every token is kept?
SELECT model, text, prefix_tokens, codec, relative_bytes, relative_error_mean, relative_error_p99, kl_mean_nats
FROM tradeoff
WHERE selection = 'full'
ORDER BY model, text, prefix_tokens, relative_bytes;

-- name: tail-risk
-- Which policies are good on average and bad at their worst?
-- set: factor=5
SELECT model, text, prefix_tokens, policy, relative_error_mean, relative_error_p99, relative_error_max,
  relative_error_max / relative_error_mean AS max_over_mean
FROM tradeoff
WHERE relative_error_max > :factor * relative_error_mean
ORDER BY max_over_mean DESC;

-- name: worst-heads
-- Which heads does a policy hurt most?
-- set: policy=%
SELECT model, text, prefix_tokens, policy, layer, kv_head, query_head, relative_error, lost_mass, kl_nats
FROM head_errors
WHERE policy LIKE :policy
ORDER BY relative_error DESC
LIMIT 20;

-- name: error-by-layer
-- In which layers does the error arise?
-- set: policy=%
SELECT model, prefix_tokens, policy, layer, count(*) AS heads, avg(relative_error) AS relative_error_mean,
  max(relative_error) AS relative_error_of_worst_head, avg(lost_mass) AS lost_mass_mean
FROM head_errors
WHERE policy LIKE :policy
GROUP BY model, prefix_tokens, policy, layer
ORDER BY model, prefix_tokens, policy, layer;

-- name: retrieval-heads-suffer
-- Do policies hurt retrieval heads more than the others?
WITH found AS (
  SELECT model, layer, kv_head
  FROM retrieval_heads
  WHERE is_retrieval_head AND probe_id IN (SELECT max(id) FROM probes GROUP BY model_id)
)
SELECT model, policy, equal_bytes_share, CASE WHEN (model, layer, kv_head) IN found THEN 1 ELSE 0 END AS is_retrieval_head,
  count(*) AS heads, avg(relative_error) AS relative_error_mean, avg(lost_mass) AS lost_mass_mean
FROM head_errors
WHERE model IN (SELECT model FROM found)
GROUP BY model, policy, equal_bytes_share, is_retrieval_head
ORDER BY model, policy, equal_bytes_share, is_retrieval_head;

-- name: divergence
-- How far does each policy move the model's predictions?
SELECT model, text, prefix_tokens, steps, policy, relative_bytes, kl_to_full_nats, kl_to_full_low_nats, kl_to_full_high_nats,
  nll_difference_nats, top1_agreement
FROM closed_loop
ORDER BY model, text, prefix_tokens, steps, kl_to_full_nats;

-- name: worse-for-sure
-- Which policies predict worse than full+f32 beyond chance?
SELECT model, text, prefix_tokens, policy, relative_bytes, nll_difference_nats, nll_difference_low_nats,
  nll_difference_high_nats, scored_rows
FROM closed_loop
WHERE nll_difference_low_nats > 0
ORDER BY model, text, prefix_tokens, nll_difference_nats DESC;

-- name: cheap-and-dear
-- Do replays rank policies as evaluations do?
SELECT model, text, prefix_tokens, equal_bytes_share, requested_policy, relative_error_mean, kl_to_full_nats,
  rank() OVER (PARTITION BY model, text, prefix_tokens, equal_bytes_share ORDER BY relative_error_mean) AS replay_rank,
  rank() OVER (PARTITION BY model, text, prefix_tokens, equal_bytes_share ORDER BY kl_to_full_nats) AS eval_rank
FROM ladder
ORDER BY model, text, prefix_tokens, equal_bytes_share, eval_rank;

-- name: task-accuracy
-- How many questions does each policy still answer, of those that the model can?
SELECT model, task, query_aware, equal_bytes_share, requested_policy, relative_bytes, correct, n, accuracy, low, high, full_accuracy
FROM tasks
WHERE model_can
ORDER BY model, task, query_aware, equal_bytes_share DESC, accuracy DESC;

-- name: needle-by-depth
-- Where in the context do answers get lost?
SELECT tasks.model, tasks.task, tasks.requested_policy, tasks.equal_bytes_share, answers.length_tokens, answers.depth,
  sum(answers.correct) AS correct, count(*) AS n, avg(answers.correct) AS accuracy
FROM tasks JOIN task_answers AS answers ON answers.run_id = tasks.run_id
GROUP BY tasks.model, tasks.task, tasks.requested_policy, tasks.equal_bytes_share, answers.length_tokens, answers.depth
ORDER BY tasks.model, tasks.task, tasks.requested_policy, tasks.equal_bytes_share, answers.length_tokens, answers.depth;

-- name: retrieval-heads
-- Which are a model's retrieval heads, by its last probe?
SELECT model, layer, kv_head, induction, echo, induction_rank, echo_rank
FROM retrieval_heads
WHERE is_retrieval_head AND probe_id IN (SELECT max(id) FROM probes GROUP BY model_id)
ORDER BY model, min(induction_rank, echo_rank);

-- name: stable-heads
-- Which heads are retrieval heads in how many of a model's probes?
SELECT model, layer, kv_head, sum(is_retrieval_head) AS chosen, count(*) AS probes, avg(induction) AS induction_mean,
  avg(echo) AS echo_mean
FROM retrieval_heads
GROUP BY model, layer, kv_head
HAVING chosen > 0
ORDER BY model, chosen DESC, induction_mean DESC, layer, kv_head;

-- name: largest-batch
-- How many sequences fit on a device, and how many tokens do they make?
-- set: device=%
SELECT device, tp, model, weights, context_tokens, output_tokens, policy, max_batch, kv_bytes_per_sequence,
  max_batch_decode_ms, max_batch_tokens_per_second
FROM capacity
WHERE device LIKE :device
ORDER BY device, tp, model, weights, context_tokens, output_tokens, max_batch DESC, policy;

-- name: decode-split
-- What does a decode step of a batch spend its time on?
-- set: device=%
SELECT device, tp, model, context_tokens, batch, policy, decode_ms, decode_weights_ms, decode_attention_ms,
  decode_all_reduce_ms, decode_between_products_ms, decode_policy_ms, decode_attention_ms / decode_ms AS attention_share
FROM capacity
WHERE device LIKE :device AND fits
ORDER BY device, tp, model, context_tokens, batch, decode_ms;

-- name: goodput-at-rate
-- Which policies serve most requests within the service level, at each rate?
SELECT device, tp, model, workload_pattern, rate_per_second, policy, goodput_per_second, goodput_share, ttft_p99_ms, tpot_p99_ms,
  preemptions
FROM goodput
ORDER BY device, tp, model, workload_pattern, rate_per_second, goodput_per_second DESC, policy;

-- name: rate-within-ttft
-- Up to which rate do 99 % of requests get their first token within a limit?
-- set: limit_ms=2000
SELECT device, tp, model, workload_pattern, policy, max(rate_per_second) AS rate_per_second, ttft_p99_ms, peak_kv_use
FROM goodput  -- columns beside max() are those of the row that has it
WHERE ttft_p99_ms <= :limit_ms
GROUP BY device, device_hash, tp, model, weights, engine, engines, workload_pattern, workload_hash, policy
ORDER BY device, tp, model, workload_pattern, rate_per_second DESC;

-- name: rate-gain
-- How many times the rate of full+f16 does each policy sustain within the service level?
SELECT device, tp, model, workload_pattern, slo_ttft_ms, slo_tpot_ms, slo_e2e_ms, policy, outcome, max_rate_per_second,
  max_rate_per_second / nullif(max(max_rate_per_second) FILTER (WHERE policy = 'full+f16') OVER (
    PARTITION BY device_hash, tp, model, weights, engine, engines, prefill_engines, workload_pattern, workload_hash, slo_ttft_ms,
      slo_tpot_ms, slo_e2e_ms, wanted_share), 0) AS times_full_f16
FROM max_rates
ORDER BY device, tp, model, workload_pattern, slo_ttft_ms, slo_tpot_ms, slo_e2e_ms, max_rate_per_second DESC;

-- name: device-memory
-- How much of a device would the caches of a replay have taken, and when would it have been full?
SELECT device, shape, weights, sequences, prompt_tokens, policy, peak_kv_bytes,
  (peak_kv_bytes + weights_bytes + non_kv_bytes) / capacity_bytes AS use_of_capacity, overflow_tokens, decode_mean_ms
FROM replays_on_devices
ORDER BY device, shape, weights, sequences, prompt_tokens, peak_kv_bytes;

-- name: time-spent
-- What did the machine's time go into?
WITH commands AS (  -- one command stores a run for each policy, with the time of all
  SELECT kind, command_line, started_utc, count(*) AS runs, max(wall_seconds) AS wall_seconds
  FROM provenance
  GROUP BY kind, command_line, started_utc
)
SELECT kind, count(*) AS commands, sum(runs) AS runs, sum(wall_seconds) AS wall_seconds
FROM commands
GROUP BY kind
ORDER BY wall_seconds DESC;

-- name: mixed-commits
-- Which replays that are compared were made by different commits?
SELECT tradeoff.model, tradeoff.text, tradeoff.prefix_tokens, tradeoff.steps, count(*) AS runs,
  count(DISTINCT made.git_commit) AS commits, min(made.started_utc) AS first_utc, max(made.started_utc) AS last_utc
FROM tradeoff JOIN provenance_of_runs AS made ON made.run_id = tradeoff.run_id
GROUP BY tradeoff.model, tradeoff.model_sha256, tradeoff.trace_hash, tradeoff.prefix_tokens, tradeoff.steps
HAVING commits > 1
ORDER BY commits DESC, runs DESC;

-- name: how-to-repeat
-- Which command made the runs of a policy, on what machine?
-- set: policy=%
SELECT kind, run_id, policy, device, command_line, started_utc, git_commit, cpu, kernel_target, threads
FROM provenance
WHERE policy LIKE :policy
ORDER BY started_utc DESC, kind, run_id;

-- name: sweep-failures
-- Which runs of a sweep failed, and why?
-- set: sweep=%
SELECT sweep, command, policy, message, attempts, command_line
FROM sweep_runs
WHERE state = 'failed' AND sweep LIKE :sweep
ORDER BY sweep, ordinal;

-- name: sweep-progress
-- How far is each sweep?
SELECT sweep, cells, done, failed, running, pending, spent_seconds, left_seconds
FROM sweep_progress
ORDER BY sweep;
