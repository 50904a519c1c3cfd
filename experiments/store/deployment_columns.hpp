#pragma once

#include <string>

namespace razorscope {

// Columns of serving_runs and plans, which writer and reader take in the same order. Internal to this folder.

/// "ttft_mean_ms, ttft_p50_ms, ..."
inline std::string percentile_columns(const std::string& name) {
  std::string columns;
  for (const char* statistic : {"mean", "p50", "p90", "p99", "max"})
    columns += (columns.empty() ? "" : ", ") + name + '_' + statistic + "_ms";
  return columns;
}

inline std::string serving_columns() {
  return "engines, prefill_engines, decode_engines, router, max_sequences, max_tokens, prefix_cache, "
         "workload, "
         "workload_pattern, workload_hash, rate_per_second, slo_ttft_ms, slo_tpot_ms, slo_e2e_ms, requests, "
         "completed, refused_json, seconds, " +
         percentile_columns("ttft") + ", " + percentile_columns("tpot") + ", " + percentile_columns("itl") +
         ", " + percentile_columns("e2e") +
         ", completed_per_second, output_tokens_per_second, prompt_tokens_per_second, goodput_per_second, "
         "goodput_share, preemptions, cached_tokens, kv_blocks, peak_kv_use, mean_kv_use, mean_running, "
         "mean_waiting, memory_utilisation, compute_utilisation, steps, calibration, assumes_heads";
}

inline std::string plan_columns() {
  return "context_tokens, output_tokens, batch, fits, memory_bytes, weights_bytes, pool_bytes, kv_blocks, "
         "kv_bytes_per_sequence, kv_bytes_per_sequence_rank, kept_tokens_mean, max_batch, "
         "max_batch_admitting, max_context_tokens, decode_ms, decode_weights_ms, decode_attention_ms, "
         "decode_all_reduce_ms, decode_between_products_ms, decode_policy_ms, tpot_ms, max_batch_decode_ms, "
         "prefill_ms, compression_ms, calibration, assumes_heads, beyond_model";
}

}  // namespace razorscope
