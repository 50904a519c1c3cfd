#include "sim/closed_loop/evaluate.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <memory>

#include "models/base/error.hpp"
#include "sim/closed_loop/compressed_context.hpp"
#include "sim/closed_loop/logit_scores.hpp"

namespace razorscope {
namespace {

constexpr int bootstrap_steps = 32;  // steps that are resampled together, where there is one text
constexpr int chunk_steps = 128;     // steps of a forward pass: rows of reference logits kept at a time

using Clock = std::chrono::steady_clock;

/// One policy on one text.
struct Sequence {
  PolicyMemory* memory = nullptr;
  std::unique_ptr<PolicyRows> rows;
  double read_now = 0.0;    // bytes that the next step's attention reads
  double bytes_read = 0.0;  // summed over steps
  double seconds = 0.0;
};

/// Feeds inputs [begin, end) to a batch of sequences and shares the time evenly.
void forward_batch(const Transformer& transformer, const std::vector<int32_t>& ids, int begin, int end,
                   const std::vector<Sequence*>& sequences) {
  if (sequences.empty()) return;
  const Clock::time_point start = Clock::now();
  std::vector<SequenceInput> batch;
  for (Sequence* sequence : sequences) {
    SequenceInput& input = batch.emplace_back();
    input.tokens = std::span(ids).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    input.first_position = begin;
    input.memory = sequence->memory;
    input.observer = sequence->rows.get();
    input.logits = LogitsWanted::all;
  }
  transformer.forward(batch);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  for (Sequence* sequence : sequences) {
    sequence->seconds += seconds / static_cast<double>(sequences.size());
    // What a step reads grows evenly, or stays, from the first step to the last.
    const auto read_later = static_cast<double>(sequence->memory->bytes_read());
    sequence->bytes_read += (end - begin) * (sequence->read_now + read_later) / 2.0;
    sequence->read_now = read_later;
  }
}

void check(const Transformer& transformer, const EvaluationRequest& request) {
  if (request.policies.empty()) throw InputError("--policies", "at least one policy is needed");
  if (request.texts.empty()) throw InputError("--text", "at least one text is needed");
  if (request.prefix < 1 || request.steps < 1)
    throw InputError("--prefix and --steps", "both must be at least 1");
  const int64_t needed = static_cast<int64_t>(request.prefix) + request.steps + 1;
  if (needed - 1 > transformer.shape().context) {
    throw InputError("--steps", fmt::format("prefix and steps make {} tokens, but the context is {}",
                                            needed - 1, transformer.shape().context));
  }
  for (size_t i = 0; i < request.texts.size(); ++i) {
    if (static_cast<int64_t>(request.texts[i].size()) < needed) {
      throw InputError("--text",
                       fmt::format("text {} has {} tokens (BOS included), but a prefix of {} and {} steps "
                                   "with their targets need {}",
                                   i + 1, request.texts[i].size(), request.prefix, request.steps, needed));
    }
  }
}

struct PolicySums {
  UnitSums nll;
  UnitSums full_nll;
  UnitSums difference;
  UnitSums kl;
  UnitSums agreement;

  /// Rows of one text; its unit is the text, or without one each block of bootstrap_steps.
  void add(const std::vector<RowScore>& rows, std::optional<size_t> text) {
    for (size_t r = 0; r < rows.size(); ++r) {
      const size_t unit = text.value_or(r / bootstrap_steps);
      nll.add(unit, rows[r].nll);
      full_nll.add(unit, rows[r].full_nll);
      difference.add(unit, rows[r].nll - rows[r].full_nll);
      kl.add(unit, rows[r].kl);
      agreement.add(unit, rows[r].agrees ? 1.0 : 0.0);
    }
  }
};

/// One text under all policies.
class TextEvaluation {
 public:
  /// The exact prefill, and every policy's caches forked from it.
  TextEvaluation(const Transformer& transformer, const EvaluationRequest& request,
                 const std::vector<int32_t>& ids, Progress& progress, const std::string& phase)
      : transformer_(transformer),
        request_(request),
        ids_(ids),
        context_(transformer, std::span(ids).first(static_cast<size_t>(request.prefix)), request.policies,
                 request.knowledge, request.steps, progress, phase),
        reference_(transformer.shape().vocabulary) {
    sequences_.resize(context_.policies());
    for (size_t i = 0; i < sequences_.size(); ++i) {
      sequences_[i].memory = &context_.memory(i);
      sequences_[i].read_now = static_cast<double>(sequences_[i].memory->bytes_read());
      sequences_[i].rows = std::make_unique<PolicyRows>(reference_, ids);
      (sequences_[i].memory->decides_later() ? steppers_ : blocks_).push_back(&sequences_[i]);
    }
  }

  /// All steps, chunk by chunk: the reference first, since the others are compared with its logits. A layer's
  /// cache depends on its own inputs alone, so that policies which decide at every step can read a chunk too:
  /// their memories attend token by token.
  void run_steps(Progress& progress, const std::string& phase) {
    progress.begin(phase, request_.steps, "steps");
    for (int done = 0; done < request_.steps; done += chunk_steps) {
      const int begin = request_.prefix + done;
      const int end = request_.prefix + std::min(done + chunk_steps, request_.steps);
      run_reference(begin, end);
      forward_batch(transformer_, ids_, begin, end, blocks_);
      forward_batch(transformer_, ids_, begin, end, steppers_);
      progress.advance(end - request_.prefix);
    }
  }

  const std::vector<Sequence>& sequences() const { return sequences_; }

 private:
  void run_reference(int begin, int end) {
    reference_.begin(begin, end - begin);
    SequenceInput full;
    full.tokens = std::span(ids_).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    full.first_position = begin;
    full.memory = &context_.exact();
    full.observer = &reference_;
    full.logits = LogitsWanted::all;
    transformer_.forward({&full, 1});
  }

  const Transformer& transformer_;
  const EvaluationRequest& request_;
  const std::vector<int32_t>& ids_;
  CompressedContext context_;
  ReferenceRows reference_;
  std::vector<Sequence> sequences_;
  std::vector<Sequence*> blocks_;    // decided at the end of the prefix
  std::vector<Sequence*> steppers_;  // decide during decoding
};

}  // namespace

double evaluation_memory(const Shape& shape, const EvaluationRequest& request) {
  const double tokens = static_cast<double>(request.prefix) + request.steps;
  const SelectionContext context{.shape = shape,
                                 .prefix = request.prefix,
                                 .probe = request.knowledge.probe,
                                 .bounds = request.knowledge.bounds};
  const double exact = shape.kv_bytes_per_token(32.0) * tokens;
  const double queries =
      sizeof(float) * static_cast<double>(shape.layers) * shape.query_width() * request.prefix;
  double caches = 0.0;
  for (const Policy& policy : request.policies) {
    caches += static_cast<double>(PolicyRun(policy, context).predicted_bytes(request.prefix)) +
              shape.kv_bytes_per_token(32.0) * request.steps;
  }
  const double rows = static_cast<double>(std::min(chunk_steps, request.steps)) *
                      (1.0 + static_cast<double>(request.policies.size()));
  const double row = sizeof(float) * (4.0 * shape.hidden + shape.query_width() + 3.0 * shape.kv_width() +
                                      3.0 * shape.feed_forward);
  const double logits = 2.0 * sizeof(float) * std::min(chunk_steps, request.steps) * shape.vocabulary;
  return exact + queries + caches + rows * row + logits;
}

Evaluation evaluate(const Transformer& transformer, const EvaluationRequest& request, Progress& progress) {
  check(transformer, request);
  const size_t texts = request.texts.size();
  Evaluation evaluation;
  evaluation.policies.resize(request.policies.size());
  std::vector<PolicySums> sums(request.policies.size());
  for (size_t text = 0; text < texts; ++text) {
    TextEvaluation run(transformer, request, request.texts[text], progress,
                       fmt::format("prefill of text {} of {}", text + 1, texts));
    if (text == 0) {
      for (size_t i = 0; i < sums.size(); ++i) {
        evaluation.policies[i].compressed = run.sequences()[i].memory->ledger();
        evaluation.policies[i].token_by_token = run.sequences()[i].memory->decides_later();
      }
    }
    run.run_steps(progress, fmt::format("text {} of {} under {} policies", text + 1, texts, sums.size()));
    for (size_t i = 0; i < sums.size(); ++i) {
      const Sequence& sequence = run.sequences()[i];
      sums[i].add(sequence.rows->scores(), texts == 1 ? std::nullopt : std::optional(text));
      EvaluationResult& result = evaluation.policies[i];
      result.at_end = sequence.memory->ledger();
      result.bytes_read_per_step +=
          sequence.bytes_read / (static_cast<double>(request.steps) * static_cast<double>(texts));
      result.seconds += sequence.seconds;
    }
    evaluation.rows += request.steps;
  }
  evaluation.units = static_cast<int>(sums.front().nll.sums.size());
  const Resampling resampling(evaluation.units, request.seed);
  evaluation.full_nll = sums.front().full_nll.estimate(resampling);
  for (size_t i = 0; i < sums.size(); ++i) {
    EvaluationResult& result = evaluation.policies[i];
    result.policy = request.policies[i].name();
    result.nll = sums[i].nll.estimate(resampling);
    result.nll_difference = sums[i].difference.estimate(resampling);
    result.kl_to_full = sums[i].kl.estimate(resampling);
    result.kl_units = sums[i].kl;
    result.top1_agreement = sums[i].agreement.estimate(resampling).mean;
  }
  return evaluation;
}

}  // namespace razorscope
