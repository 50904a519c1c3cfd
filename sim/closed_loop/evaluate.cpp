#include "sim/closed_loop/evaluate.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <memory>

#include "models/base/error.hpp"
#include "policies/cache/policy_memory.hpp"

namespace razorscope {
namespace {

constexpr int chunk_steps = 32;  // rows of reference logits that are kept at a time; also a bootstrap block

using Clock = std::chrono::steady_clock;

/// Log-softmax's constant of a row of logits: ln Σ exp.
double log_sum_exp(const float* row, int count) {
  const float largest = *std::max_element(row, row + count);
  double sum = 0.0;
  for (int i = 0; i < count; ++i) sum += static_cast<double>(std::exp(row[i] - largest));
  return static_cast<double>(largest) + std::log(sum);
}

int32_t best_token(const float* row, int count) {
  return static_cast<int32_t>(std::max_element(row, row + count) - row);
}

/// full+f32's logits of the steps at hand.
class ReferenceRows final : public ForwardObserver {
 public:
  explicit ReferenceRows(int vocabulary) : vocabulary_(vocabulary) {}
  void begin(int first_position, int rows) {
    first_position_ = first_position;
    rows_ = Matrix(static_cast<size_t>(rows), static_cast<size_t>(vocabulary_));
    log_sums_.assign(static_cast<size_t>(rows), 0.0);
  }
  void logits(int first_position, int rows, const float* logits) override {
    const auto first = static_cast<size_t>(first_position - first_position_);
    std::copy_n(logits, static_cast<size_t>(rows) * static_cast<size_t>(vocabulary_), rows_.row(first));
    for (int r = 0; r < rows; ++r) {
      log_sums_[first + static_cast<size_t>(r)] =
          log_sum_exp(rows_.row(first + static_cast<size_t>(r)), vocabulary_);
    }
  }
  const float* row(int position) const { return rows_.row(static_cast<size_t>(position - first_position_)); }
  double log_sum(int position) const { return log_sums_[static_cast<size_t>(position - first_position_)]; }
  int vocabulary() const { return vocabulary_; }

 private:
  int vocabulary_;
  int first_position_ = 0;
  Matrix rows_;
  std::vector<double> log_sums_;
};

/// What one scored row says.
struct RowScore {
  double nll = 0.0;
  double full_nll = 0.0;
  double kl = 0.0;
  bool agrees = false;
};

/// Compares a sequence's logits with the reference's as they come.
class PolicyRows final : public ForwardObserver {
 public:
  PolicyRows(const ReferenceRows& reference, const std::vector<int32_t>& ids)
      : reference_(reference), ids_(ids) {}
  void logits(int first_position, int rows, const float* logits) override {
    const size_t before = scores_.size();
    scores_.resize(before + static_cast<size_t>(rows));
#pragma omp parallel for schedule(static)
    for (int r = 0; r < rows; ++r) {
      scores_[before + static_cast<size_t>(r)] =
          score(first_position + r, logits + static_cast<ptrdiff_t>(r) * reference_.vocabulary());
    }
  }
  const std::vector<RowScore>& scores() const { return scores_; }

 private:
  RowScore score(int position, const float* row) const {
    const int count = reference_.vocabulary();
    const float* full = reference_.row(position);
    const double full_log_sum = reference_.log_sum(position);
    const double log_sum = log_sum_exp(row, count);
    const auto target = static_cast<size_t>(ids_[static_cast<size_t>(position) + 1]);
    RowScore score;
    score.nll = log_sum - static_cast<double>(row[target]);
    score.full_nll = full_log_sum - static_cast<double>(full[target]);
    for (int i = 0; i < count; ++i) {
      const auto log_full = static_cast<float>(full[i] - full_log_sum);
      score.kl += static_cast<double>(std::exp(log_full)) * (log_full - (row[i] - log_sum));
    }
    score.kl = std::max(score.kl, 0.0);  // below zero only by rounding
    score.agrees = best_token(full, count) == best_token(row, count);
    return score;
  }
  const ReferenceRows& reference_;
  const std::vector<int32_t>& ids_;
  std::vector<RowScore> scores_;
};

class QueryKeeper final : public ForwardObserver {
 public:
  explicit QueryKeeper(PrefixQueries& queries) : queries_(queries) {}
  void attention(int layer, const QueriesKeysValues& block) override { queries_.add(layer, block); }

 private:
  PrefixQueries& queries_;
};

/// One policy on one text.
struct Sequence {
  std::unique_ptr<PolicyRun> run;
  std::unique_ptr<PolicyMemory> memory;
  std::unique_ptr<PolicyRows> rows;
  double bytes_read = 0.0;  // summed over steps
  double seconds = 0.0;
};

bool needs_queries(const std::vector<Sequence>& sequences) {
  return std::any_of(sequences.begin(), sequences.end(), [](const Sequence& sequence) {
    const Needs needs = sequence.run->selection().needs();
    return needs.column_queries > 0 || needs.rows;
  });
}

void compress_all(const Shape& shape, const ExactMemory& exact, const PrefixQueries* queries, int prefix,
                  std::vector<Sequence>& sequences) {
  const auto d = static_cast<size_t>(shape.head_size);
  for (int layer = 0; layer < shape.layers; ++layer) {
    const ExactLayer rows = exact.layer(layer);
    PrefixObservations observations(shape, queries != nullptr ? queries->rows(layer) : HeadRows(),
                                    {rows.keys, d, rows.head_stride}, {rows.values, d, rows.head_stride},
                                    prefix, prefix);
    for (Sequence& sequence : sequences) {
      const Needs needs = sequence.run->selection().needs();
      observations.prepare(needs);
      sequence.memory->compress_layer(observations.view(needs), prefix);
    }
  }
}

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
    input.memory = sequence->memory.get();
    input.observer = sequence->rows.get();
    input.logits = LogitsWanted::all;
  }
  transformer.forward(batch);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  for (Sequence* sequence : sequences) {
    sequence->seconds += seconds / static_cast<double>(sequences.size());
    sequence->bytes_read += static_cast<double>(sequence->memory->bytes_read()) * (end - begin);
  }
}

/// InputError where a policy works in replay only.
void check_closed_loop(const Policy& policy, const Selection& selection) {
  const Needs needs = selection.needs();
  if (needs.replay_only()) {
    throw InputError(policy.name(),
                     fmt::format("an oracle needs {}, which only a replay of a trace has",
                                 needs.future ? "the queries to come" : "every query's exact attention"));
  }
  if (selection.when() == When::every_chunk) {
    throw InputError(policy.name(),
                     "every-chunk works in replay: here policies are forked from an exact prefill, which "
                     "evicts nothing on its way");
  }
}

void check(const Transformer& transformer, const EvaluationRequest& request) {
  if (request.policies.empty()) throw InputError("--policies", "at least one policy is needed");
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

/// Sums of one figure over units: texts, or blocks of chunk_steps where there is one text.
struct UnitSums {
  std::vector<double> sums;
  std::vector<int> counts;
  void add(size_t unit, double value) {
    if (unit >= sums.size()) {
      sums.resize(unit + 1, 0.0);
      counts.resize(unit + 1, 0);
    }
    sums[unit] += value;
    ++counts[unit];
  }
  Estimate estimate(const Resampling& resampling) const {
    double sum = 0.0;
    double count = 0.0;
    for (size_t i = 0; i < sums.size(); ++i) {
      sum += sums[i];
      count += counts[i];
    }
    return {sum / count, resampling.mean_interval(sums, counts)};
  }
};

struct PolicySums {
  UnitSums nll;
  UnitSums full_nll;
  UnitSums difference;
  UnitSums kl;
  UnitSums agreement;

  /// Rows of one text; its unit is the text, or without one each chunk of steps.
  void add(const std::vector<RowScore>& rows, std::optional<size_t> text) {
    for (size_t r = 0; r < rows.size(); ++r) {
      const size_t unit = text.value_or(r / chunk_steps);
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
  TextEvaluation(const Transformer& transformer, const EvaluationRequest& request,
                 const std::vector<int32_t>& ids)
      : transformer_(transformer),
        request_(request),
        ids_(ids),
        exact_(transformer.shape(), request.prefix + request.steps),
        reference_(transformer.shape().vocabulary) {
    for (const Policy& policy : request.policies) {
      const SelectionContext context{.shape = transformer.shape(),
                                     .prefix = request.prefix,
                                     .probe = request.probe,
                                     .bounds = request.bounds};
      Sequence& sequence = sequences_.emplace_back();
      sequence.run = std::make_unique<PolicyRun>(policy, context);
      check_closed_loop(policy, sequence.run->selection());
      sequence.memory = std::make_unique<PolicyMemory>(*sequence.run);
      sequence.rows = std::make_unique<PolicyRows>(reference_, ids);
    }
  }

  /// The exact prefill, and every policy's caches forked from it.
  void run_prefix(Progress& progress, const std::string& phase) {
    std::unique_ptr<PrefixQueries> queries;
    std::unique_ptr<QueryKeeper> keeper;
    if (needs_queries(sequences_)) {
      queries = std::make_unique<PrefixQueries>(transformer_.shape(), request_.prefix);
      keeper = std::make_unique<QueryKeeper>(*queries);
    }
    SequenceInput prefix;
    prefix.tokens = std::span(ids_).subspan(0, static_cast<size_t>(request_.prefix));
    prefix.memory = &exact_;
    prefix.observer = keeper.get();
    prefill(transformer_, prefix, progress, phase);
    compress_all(transformer_.shape(), exact_, queries.get(), request_.prefix, sequences_);
    for (Sequence& sequence : sequences_)
      (sequence.memory->decides_later() ? steppers_ : blocks_).push_back(&sequence);
  }

  /// All steps, chunk by chunk: the reference first, since the others are compared with its logits.
  void run_steps(Progress& progress, const std::string& phase) {
    progress.begin(phase, request_.steps, "steps");
    for (int done = 0; done < request_.steps; done += chunk_steps) {
      const int begin = request_.prefix + done;
      const int end = request_.prefix + std::min(done + chunk_steps, request_.steps);
      run_reference(begin, end);
      forward_batch(transformer_, ids_, begin, end, blocks_);
      for (int step = begin; step < end && !steppers_.empty(); ++step) {
        forward_batch(transformer_, ids_, step, step + 1, steppers_);
        progress.advance(step + 1 - request_.prefix);
      }
      progress.advance(end - request_.prefix);
    }
  }

  std::vector<Sequence>& sequences() { return sequences_; }

 private:
  void run_reference(int begin, int end) {
    reference_.begin(begin, end - begin);
    SequenceInput full;
    full.tokens = std::span(ids_).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    full.first_position = begin;
    full.memory = &exact_;
    full.observer = &reference_;
    full.logits = LogitsWanted::all;
    transformer_.forward({&full, 1});
  }

  const Transformer& transformer_;
  const EvaluationRequest& request_;
  const std::vector<int32_t>& ids_;
  ExactMemory exact_;
  ReferenceRows reference_;
  std::vector<Sequence> sequences_;
  std::vector<Sequence*> blocks_;    // decided at the end of the prefix
  std::vector<Sequence*> steppers_;  // decide during decoding
};

}  // namespace

Evaluation evaluate(const Transformer& transformer, const EvaluationRequest& request, Progress& progress) {
  check(transformer, request);
  const size_t texts = request.texts.size();
  Evaluation evaluation;
  evaluation.policies.resize(request.policies.size());
  std::vector<PolicySums> sums(request.policies.size());
  for (size_t text = 0; text < texts; ++text) {
    TextEvaluation run(transformer, request, request.texts[text]);
    run.run_prefix(progress, fmt::format("prefill of text {} of {}", text + 1, texts));
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
    result.top1_agreement = sums[i].agreement.estimate(resampling).mean;
  }
  return evaluation;
}

}  // namespace razorscope
