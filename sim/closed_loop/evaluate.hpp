#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/base/progress.hpp"
#include "models/language/transformer.hpp"
#include "policies/cache/byte_ledger.hpp"
#include "policies/policy.hpp"
#include "sim/closed_loop/bootstrap.hpp"
#include "sim/closed_loop/compressed_context.hpp"

namespace razorscope {

/// What the closed loop compares: texts under policies. After a prefix of P tokens, inputs P .. P+S-1 are fed
/// as they are (teacher-forced), targets are P+1 .. P+S; every scored row uses the compressed cache.
struct EvaluationRequest {
  std::vector<std::vector<int32_t>>
      texts;  // each at least prefix + steps + 1 ids, BOS first where there is one
  int prefix = 0;
  int steps = 0;
  std::vector<Policy> policies;
  ModelKnowledge knowledge;
  uint64_t seed = 1;  // of the bootstrap
};

struct EvaluationResult {
  std::string policy;       // canonical name
  Estimate nll;             // nats a token
  Estimate nll_difference;  // to full+f32, paired
  Estimate kl_to_full;      // KL(full || policy) of the next token's distribution, nats
  UnitSums kl_units;        // what kl_to_full was resampled from, to be paired with another policy's
  double top1_agreement = 0.0;
  ByteLedger compressed;  // right after the prefix, of the first text
  ByteLedger at_end;
  double bytes_read_per_step = 0.0;  // mean over steps and texts
  bool token_by_token = false;       // it decides during decoding, so its attention could not run in blocks
  double seconds = 0.0;  // of its forward passes; a batch's time is shared evenly by its sequences
};

struct Evaluation {
  Estimate full_nll;  // of full+f32, which all are compared with
  int rows = 0;       // scored rows in all texts
  int units = 0;      // what was resampled: texts, or blocks of 32 steps where there is one text
  std::vector<EvaluationResult> policies;
};

/// Bytes that evaluate() takes beside the weights, of one text at a time: the exact cache, the prefix's
/// queries, every policy's caches at their largest, the batch of a forward pass.
double evaluation_memory(const Shape& shape, const EvaluationRequest& request);

/// Runs the model closed-loop under every policy: one exact prefill a text, forked; all policies that decide
/// at the end of the prefix in one batch of blocks, the others in a batch whose attention goes token by
/// token. InputError where texts are too short or a policy makes no sense here (oracles know the future only
/// in replay).
Evaluation evaluate(const Transformer& transformer, const EvaluationRequest& request, Progress& progress);

}  // namespace razorscope
