#include "sim/serving/plan.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

constexpr int longest = 1 << 28;  // tokens of a sequence

void check(const PlanRequest& request) {
  const auto from_one = [](const char* option, int value) {
    if (value < 1 || value > longest)
      throw InputError(option, fmt::format("{} is not allowed: from 1 to {}", value, longest));
  };
  from_one("--context", request.context);
  from_one("--output", request.output);
  from_one("--batch", request.batch);
  from_one("--token-budget", request.token_budget);
}

bool fits(PolicyFootprint& footprint, int context, const PlanRequest& request, double pool) {
  const auto sequence = footprint.of_prompt(context);
  const auto held = static_cast<double>(sequence->held_bytes(context + request.output));
  return held * request.batch <= pool;
}

/// The longest prompt that fits. Bytes never fall as prompts grow.
int64_t max_context(PolicyFootprint& footprint, const PlanRequest& request, double pool) {
  int enough = 0;
  int too_many = longest;
  while (too_many - enough > 1) {
    const int middle = enough + (too_many - enough) / 2;
    bool middle_fits = false;
    try {
      middle_fits = fits(footprint, middle, request, pool);
    } catch (const InputError&) {
      middle_fits = true;  // a budget too small for a short prompt (occam): longer ones may do
    }
    (middle_fits ? enough : too_many) = middle;
  }
  return enough;
}

}  // namespace

double causal_pairs(int done, int chunk) {
  return static_cast<double>(chunk) * done + 0.5 * chunk * (chunk + 1.0);
}

StepWork decode_work(const SequenceFootprint& footprint, int tokens, int sequences) {
  const CacheRead read = footprint.read(tokens);
  StepWork work;
  work.decode_sequences = work.logits_rows = sequences;
  work.kv_bytes = read.bytes * sequences;
  work.coded_kv_bytes = read.coded_bytes * sequences;
  work.other_bytes = read.score_bytes * sequences;
  return work;
}

PlanRow plan(const Deployment& deployment, PolicyFootprint& footprint, const PlanRequest& request) {
  check(request);
  const StepTimeModel model(deployment.device, deployment.shape, deployment.weights, deployment.tp);
  PlanRow row;
  row.device = deployment.device.name;
  row.policy = footprint.policy().name();
  row.tp = deployment.tp;
  row.memory_bytes = static_cast<double>(deployment.device.memory_bytes);
  row.weights_bytes =
      weight_memory_bytes(deployment.shape, deployment.weights, deployment.tp) * deployment.tp;
  row.non_kv_bytes = deployment.non_kv_bytes;
  row.pool_bytes = kv_pool_bytes(deployment);
  row.kv_blocks = static_cast<int64_t>(row.pool_bytes / static_cast<double>(footprint.block_bytes()));

  const auto sequence = footprint.of_prompt(request.context);
  const int end = request.context + request.output;
  row.kv_bytes_per_sequence = static_cast<double>(sequence->held_bytes_of_all(end));
  row.kv_bytes_per_sequence_rank = static_cast<double>(sequence->held_bytes(end));
  row.kept_tokens_mean = sequence->kept_tokens_mean(end);
  row.max_batch = static_cast<int64_t>(row.pool_bytes / row.kv_bytes_per_sequence_rank);
  const double beside_prompt = row.pool_bytes - static_cast<double>(sequence->prefill_bytes(request.context));
  row.max_batch_admitting =
      beside_prompt < 0.0
          ? 0
          : std::min(row.max_batch, 1 + static_cast<int64_t>(beside_prompt / row.kv_bytes_per_sequence_rank));
  row.max_context = max_context(footprint, request, row.pool_bytes);
  row.fits = row.max_batch >= request.batch;

  const int halfway = request.context + request.output / 2;
  row.decode = model.step(decode_work(*sequence, halfway, request.batch));
  if (row.max_batch > 0) {
    const int64_t most = std::min<int64_t>(row.max_batch, longest);
    row.decode_full = model.step(decode_work(*sequence, halfway, static_cast<int>(most)));
  }
  for (int done = 0; done < request.context; done += request.token_budget) {
    StepWork chunk;
    chunk.prefill_tokens = std::min(request.token_budget, request.context - done);
    chunk.prefill_pairs = causal_pairs(done, chunk.prefill_tokens);
    chunk.logits_rows = done + chunk.prefill_tokens == request.context ? 1 : 0;
    row.prefill_seconds += model.step(chunk).total();
  }
  StepWork pass;
  pass.other_bytes = sequence->compression().bytes;
  pass.other_operations = sequence->compression().operations;
  row.compression_seconds = model.step(pass).total();
  row.prefill_seconds += row.compression_seconds;
  if (row.max_batch > 0) {
    const auto together = static_cast<int>(std::min<int64_t>(row.max_batch, request.batch));
    row.tpot_seconds = model.step(decode_work(*sequence, halfway, together)).total() +
                       (together - 1) * row.prefill_seconds / request.output;
  }
  row.calibration = model.calibration(footprint.coded());
  row.assumes_heads = footprint.assumes_heads();
  row.beyond_model = end > deployment.shape.context;
  return row;
}

}  // namespace razorscope
