#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/serving/deployment.hpp"

namespace razorscope {

/// What is asked of each policy on a device.
struct PlanRequest {
  int context = 0;          // prompt tokens
  int output = 0;           // tokens generated after it
  int batch = 1;            // sequences that decode together
  int token_budget = 2048;  // of a prefill step
};

/// A policy on a device. Bytes of a rank are those of the one that holds most.
struct PlanRow {
  std::string device;
  std::string policy;  // canonical name
  int tp = 1;
  double memory_bytes = 0.0;                // of a device
  double weights_bytes = 0.0;               // of all devices
  double non_kv_bytes = 0.0;                // of a device
  double pool_bytes = 0.0;                  // of a device, for KV
  int64_t kv_blocks = 0;                    // of 16 tokens, uncompressed, in the pool
  double kv_bytes_per_sequence = 0.0;       // at the end of the output, all devices
  double kv_bytes_per_sequence_rank = 0.0;  // of the device that holds most
  double kept_tokens_mean = 0.0;            // of a KV head, at the end of the output
  int64_t max_batch = 0;                    // sequences whose caches fit at the end of their output
  int64_t max_batch_admitting = 0;  // the same, while the last one's uncompressed prompt is still there
  int64_t max_context = 0;          // prompt tokens of `batch` sequences with that output, by memory alone
  bool fits = false;                // whether `batch` sequences do
  StepTime decode;                  // one step of `batch` sequences, halfway through the output
  /// Seconds a token while `batch` requests follow one another without a pause: a decode step, and its share
  /// of the others' prompts, which are prefilled meanwhile. Of as many as fit, where `batch` does not.
  std::optional<double> tpot_seconds;
  std::optional<StepTime> decode_full;  // the same of max_batch sequences
  double prefill_seconds = 0.0;         // of one prompt, chunk by chunk, its compression included
  double compression_seconds = 0.0;
  Calibration calibration = Calibration::uncalibrated;
  bool assumes_heads = false;  // retrieval heads were assumed, not probed
  bool beyond_model = false;   // prompt and output exceed the model's own context
};

/// InputError where the request makes no sense, or the weights do not fit.
PlanRow plan(const Deployment& deployment, PolicyFootprint& footprint, const PlanRequest& request);

/// Work of one decode step of `sequences` that all saw so many tokens.
StepWork decode_work(const SequenceFootprint& footprint, int tokens, int sequences);

/// Causal query-key pairs of a chunk of a prompt, of which `done` tokens came before.
double causal_pairs(int done, int chunk);

}  // namespace razorscope
