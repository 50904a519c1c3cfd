#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/serving/serving.hpp"

namespace razorscope {

/// What a run on a device tells beside its figures.
struct DeploymentRow {
  int64_t run_id = 0;
  std::string model;
  std::string policy;  // canonical name
  std::string device;
  std::string device_status;  // of its figures
  std::string device_hash;    // tells devices of one name apart
  int tp = 1;
  std::string weights;
  std::string engine;
  double utilisation = 0.0;
  double non_kv_bytes = 0.0;
  int token_budget = 0;
};

/// A workload served under a policy.
struct ServingRow : DeploymentRow {
  int engines = 1;
  int prefill_engines = 0;  // 0: not disaggregated
  int decode_engines = 0;
  std::string router;
  int max_sequences = 0;
  int max_tokens = 0;
  bool prefix_cache = false;
  std::string workload;
  std::string workload_pattern;  // the same without its rate
  std::string workload_hash;
  std::optional<double> rate;  // requests/s; nothing: all at once
  ServiceLevel level;
  ServingResult result;  // without records and timeline
};

/// A search for the highest rate within a service level, and the run at that rate.
struct MaxRateRow {
  int64_t search_id = 0;
  std::string outcome;    // found, never, always
  double max_rate = 0.0;  // requests/s
  double wanted_share = 0.0;
  double tolerance = 0.0;
  int probes = 0;
  ServingRow run;  // of `never` the one at the lowest rate
};

/// A policy planned on a device; figures as in PlanRow.
struct CapacityRow : DeploymentRow {
  int context = 0;  // tokens
  int output = 0;
  int batch = 1;
  bool fits = false;
  double memory_bytes = 0.0;
  double weights_bytes = 0.0;
  double pool_bytes = 0.0;
  int64_t kv_blocks = 0;
  double kv_bytes_per_sequence = 0.0;
  double kv_bytes_per_sequence_rank = 0.0;
  double kept_tokens_mean = 0.0;
  int64_t max_batch = 0;
  int64_t max_batch_admitting = 0;
  int64_t max_context = 0;
  double decode_ms = 0.0;
  double decode_weights_ms = 0.0;
  double decode_attention_ms = 0.0;
  double decode_all_reduce_ms = 0.0;
  double decode_between_products_ms = 0.0;
  double decode_policy_ms = 0.0;
  std::optional<double> tpot_ms;
  std::optional<double> max_batch_decode_ms;
  double prefill_ms = 0.0;
  double compression_ms = 0.0;
  std::string calibration;
  bool assumes_heads = false;
  bool beyond_model = false;
};

}  // namespace razorscope
