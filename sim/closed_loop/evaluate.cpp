#include "sim/closed_loop/evaluate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
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

int32_t best_token(const float* row, int count) { return static_cast<int32_t>(std::max_element(row, row + count) - row); }

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
      log_sums_[first + static_cast<size_t>(r)] = log_sum_exp(rows_.row(first + static_cast<size_t>(r)), vocabulary_);
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
  PolicyRows(const ReferenceRows& reference, const std::vector<int32_t>& ids) : reference_(reference), ids_(ids) {}
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

void compress_all(const Shape& shape, const ExactMemory& exact, const PrefixQueries* queries, int prefix, std::vector<Sequence>& sequences) {
  const auto d = static_cast<size_t>(shape.head_size);
  for (int layer = 0; layer < shape.layers; ++layer) {
    const ExactLayer rows = exact.layer(layer);
    PrefixObservations observations(shape, queries != nullptr ? queries->rows(layer) : HeadRows(), {rows.keys, d, rows.head_stride},
                                    {rows.values, d, rows.head_stride}, prefix, prefix);
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

void check(const Transformer& transformer, const EvaluationRequest& request) {
  if (request.policies.empty()) throw InputError("--policies", "at least one policy is needed");
  if (request.prefix < 1 || request.steps < 1) throw InputError("--prefix and --steps", "both must be at least 1");
  const int64_t needed = static_cast<int64_t>(request.prefix) + request.steps + 1;
  if (needed - 1 > transformer.shape().context) {
    throw InputError("--steps", fmt::format("prefix and steps make {} tokens, but the context is {}", needed - 1, transformer.shape().context));
  }
  for (size_t i = 0; i < request.texts.size(); ++i) {
    if (static_cast<int64_t>(request.texts[i].size()) < needed) {
      throw InputError("--text", fmt::format("text {} has {} tokens (BOS included), but a prefix of {} and {} steps with their targets need {}",
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
};

}  // namespace

Evaluation evaluate(const Transformer& transformer, const EvaluationRequest& request, Progress& progress) {
  check(transformer, request);
  const Shape& shape = transformer.shape();
  const bool one_text = request.texts.size() == 1;
  Evaluation evaluation;
  evaluation.policies.resize(request.policies.size());
  std::vector<PolicySums> sums(request.policies.size());
  for (size_t text = 0; text < request.texts.size(); ++text) {
    const std::vector<int32_t>& ids = request.texts[text];
    std::vector<Sequence> sequences;
    for (const Policy& policy : request.policies) {
      SelectionContext context{.shape = shape, .prefix = request.prefix, .probe = request.probe, .bounds = request.bounds};
      Sequence& sequence = sequences.emplace_back();
      sequence.run = std::make_unique<PolicyRun>(policy, context);
      if (sequence.run->selection().needs().future) {
        throw InputError(policy.name(), "an oracle needs the queries to come, which only a replay of a trace has");
      }
      sequence.memory = std::make_unique<PolicyMemory>(*sequence.run);
    }
    ExactMemory exact(shape, request.prefix + request.steps);
    std::unique_ptr<PrefixQueries> queries;
    if (needs_queries(sequences)) queries = std::make_unique<PrefixQueries>(shape, request.prefix);
    std::unique_ptr<QueryKeeper> keeper;
    if (queries) keeper = std::make_unique<QueryKeeper>(*queries);
    SequenceInput prefix;
    prefix.tokens = std::span(ids).subspan(0, static_cast<size_t>(request.prefix));
    prefix.memory = &exact;
    prefix.observer = keeper.get();
    prefill(transformer, prefix, progress, fmt::format("prefill of text {} of {}", text + 1, request.texts.size()));
    compress_all(shape, exact, queries.get(), request.prefix, sequences);

    ReferenceRows reference(shape.vocabulary);
    std::vector<Sequence*> blocks;
    std::vector<Sequence*> steppers;
    for (size_t i = 0; i < sequences.size(); ++i) {
      sequences[i].rows = std::make_unique<PolicyRows>(reference, ids);
      const bool later = sequences[i].memory->decides_later();
      (later ? steppers : blocks).push_back(&sequences[i]);
      evaluation.policies[i].token_by_token = later;
      if (text == 0) evaluation.policies[i].compressed = sequences[i].memory->ledger();
    }
    progress.begin(fmt::format("text {} of {} under {} policies", text + 1, request.texts.size(), sequences.size()), request.steps, "steps");
    for (int done = 0; done < request.steps; done += chunk_steps) {
      const int begin = request.prefix + done;
      const int end = request.prefix + std::min(done + chunk_steps, request.steps);
      reference.begin(begin, end - begin);
      SequenceInput full;
      full.tokens = std::span(ids).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
      full.first_position = begin;
      full.memory = &exact;
      full.observer = &reference;
      full.logits = LogitsWanted::all;
      transformer.forward({&full, 1});
      forward_batch(transformer, ids, begin, end, blocks);
      for (int step = begin; step < end && !steppers.empty(); ++step) {
        forward_batch(transformer, ids, step, step + 1, steppers);
        progress.advance(step - request.prefix);
      }
      progress.advance(end - request.prefix);
    }
    for (size_t i = 0; i < sequences.size(); ++i) {
      const std::vector<RowScore>& rows = sequences[i].rows->scores();
      for (size_t r = 0; r < rows.size(); ++r) {
        const size_t unit = one_text ? r / chunk_steps : text;
        sums[i].nll.add(unit, rows[r].nll);
        sums[i].full_nll.add(unit, rows[r].full_nll);
        sums[i].difference.add(unit, rows[r].nll - rows[r].full_nll);
        sums[i].kl.add(unit, rows[r].kl);
        sums[i].agreement.add(unit, rows[r].agrees ? 1.0 : 0.0);
      }
      EvaluationResult& result = evaluation.policies[i];
      result.at_end = sequences[i].memory->ledger();
      result.bytes_read_per_step += sequences[i].bytes_read / (static_cast<double>(request.steps) * static_cast<double>(request.texts.size()));
      result.seconds += sequences[i].seconds;
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
