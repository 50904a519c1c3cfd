#include "sim/replay/replay.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <memory>
#include <stdexcept>

#include "models/base/error.hpp"
#include "models/base/machine.hpp"
#include "models/base/parallel.hpp"
#include "models/language/linear.hpp"
#include "models/language/transformer.hpp"
#include "policies/cache/layer_cache.hpp"
#include "policies/cache/prefix_observations.hpp"
#include "sim/replay/attention_errors.hpp"
#include "sim/replay/calibrated_bounds.hpp"
#include "sim/replay/context.hpp"
#include "sim/replay/footprint_recorder.hpp"
#include "sim/replay/least_lost.hpp"

namespace razorscope {
namespace {

constexpr int steps_at_a_time =
    32;  // bounds the baseline's memory: steps x query heads x tokens floats, up to three times

using Clock = std::chrono::steady_clock;

/// full+f32 for a few consecutive queries of one layer: what every policy is compared with.
struct Baseline {
  int first_step = 0;
  int steps = 0;
  Matrix out;               // [steps, query_heads·head_size]
  Matrix weights;           // [steps·query_heads, tokens] rows of softmax weights
  Matrix log_weights;       // [steps·query_heads, tokens]
  Matrix least_lost;        // [steps·kv_heads, tokens + 1] see LeastLost
  Matrix least_lost_apart;  // [steps·query_heads, tokens + 1] of each query head alone, where asked for
  Matrix projected;         // [steps, hidden] out · W_Oᵀ; empty where W_O is unknown
};

GroupQuery group_query(const Shape& shape, const LayerTrace& inputs, int kv_head, int position) {
  const ptrdiff_t first = static_cast<ptrdiff_t>(kv_head) * shape.group_size();
  GroupQuery query;
  query.group = shape.group_size();
  query.q = inputs.q.row(static_cast<size_t>(position)) + first * shape.head_size;
  query.scale = shape.score_scale;
  query.slopes = shape.alibi_slopes.empty() ? nullptr : shape.alibi_slopes.data() + first;
  query.position = position;
  return query;
}

/// A trace's rows by head.
HeadRows head_rows(const Matrix& rows, const Shape& shape) {
  return {rows.data(), rows.columns, static_cast<size_t>(shape.head_size)};
}

Baseline compute_baseline(const Shape& shape, const LayerTrace& inputs, int prefix, int first_step, int steps,
                          bool heads_apart) {
  Baseline baseline;
  baseline.first_step = first_step;
  baseline.steps = steps;
  const auto tokens = static_cast<size_t>(prefix + first_step + steps);
  const auto rows = static_cast<size_t>(steps) * static_cast<size_t>(shape.query_heads);
  baseline.out = Matrix(static_cast<size_t>(steps), static_cast<size_t>(shape.query_width()));
  baseline.weights = Matrix(rows, tokens);
  baseline.log_weights = Matrix(rows, tokens);
  baseline.least_lost = Matrix(static_cast<size_t>(steps) * static_cast<size_t>(shape.kv_heads), tokens + 1);
  if (heads_apart) baseline.least_lost_apart = Matrix(rows, tokens + 1);
  const int group = shape.group_size();
  parallel_for(steps * shape.kv_heads, [&](int job) {
    const int step = job / shape.kv_heads;
    const int kv_head = job % shape.kv_heads;
    const int position = prefix + first_step + step;
    HeadView head;
    head.head_size = shape.head_size;
    head.slots = position + 1;
    const ptrdiff_t column = static_cast<ptrdiff_t>(kv_head) * shape.head_size;
    const auto segment = [&](const Matrix& of_all_heads) {
      return RowSegment{RowFormat::f32, reinterpret_cast<const std::byte*>(of_all_heads.data() + column),
                        of_all_heads.columns * sizeof(float), head.slots};
    };
    head.keys = segment(inputs.k);
    head.values = segment(inputs.v);
    std::vector<float> scores(static_cast<size_t>(group * head.slots));
    std::vector<float> log_sums(static_cast<size_t>(group));
    attend_group(
        head, group_query(shape, inputs, kv_head, position),
        {baseline.out.row(static_cast<size_t>(step)) + column * group, scores.data(), log_sums.data()});
    for (int g = 0; g < group; ++g) {
      const auto row = static_cast<size_t>(step * shape.query_heads + kv_head * group + g);
      float* log_weights = baseline.log_weights.row(row);
      float* weights = baseline.weights.row(row);
      for (int n = 0; n < head.slots; ++n) {
        log_weights[n] = scores[static_cast<size_t>(g * head.slots + n)] - log_sums[static_cast<size_t>(g)];
        weights[n] = std::exp(log_weights[n]);
      }
    }
    const auto first_row = static_cast<size_t>(step * shape.query_heads + kv_head * group);
    LeastLost least_lost;
    least_lost.compute(baseline.weights.row(first_row), baseline.weights.columns, group, head.slots,
                       baseline.least_lost.row(static_cast<size_t>(job)));
    for (size_t row = first_row; heads_apart && row < first_row + static_cast<size_t>(group); ++row)
      least_lost.compute(baseline.weights.row(row), 0, 1, head.slots, baseline.least_lost_apart.row(row));
  });
  if (!inputs.output_weight.empty()) {
    baseline.projected = Matrix(static_cast<size_t>(steps), inputs.output_weight.rows);
    multiply(baseline.out.data(), baseline.out.rows, inputs.output_weight, baseline.projected.data());
  }
  return baseline;
}

/// One policy on the trace: the result so far, and the state of the layer at hand.
class PolicyReplay {
 public:
  PolicyReplay(const Policy& policy, const SelectionContext& context, const ReplayRequest& request)
      : model_(context.shape), run_(policy, context) {
    if (request.want_footprints) footprints_.emplace(run_, request.prefix, request.steps);
    result_.policy = policy.name();
    result_.dropped_nothing = true;
    const Shape& shape = run_.shape();
    for (int layer = 0; layer < shape.layers; ++layer) {
      for (int h = 0; h < shape.kv_heads; ++h)
        result_.protected_heads += run_.selection().is_protected(layer, h) ? 1 : 0;
    }
  }

  const Selection& selection() const { return run_.selection(); }
  /// Whether query heads have caches, and so a least loss, of their own.
  bool heads_apart() const { return run_.sharing() > 1; }

  void begin_layer(int layer, const PrefixObservations& observations, int prefix, bool want_kept) {
    const Clock::time_point begin = Clock::now();
    const Shape& shape = run_.shape();
    layer_ = layer;
    cache_ = std::make_unique<LayerCache>(run_, layer, counter_);
    for (int h = 0; h < shape.kv_heads; ++h) {
      CompensationSlots* slots = cache_->head(h).compensation();
      if (slots != nullptr) slots->track_membership(true);
    }
    fates_.assign(static_cast<size_t>(shape.kv_heads), {});
    errors_.assign(static_cast<size_t>(shape.query_heads), {});
    apply(cache_->compress(observations.view(run_.selection().needs()), prefix), prefix);
    const bool in_chunks = run_.selection().when() == When::every_chunk;
    const int exact_tokens = in_chunks ? std::min(prefix, prefill_chunk) : prefix;
    const size_t exact_layers = in_chunks ? 1 : static_cast<size_t>(shape.layers - layer);
    const size_t exact = exact_layers * 2 * static_cast<size_t>(exact_tokens) *
                         static_cast<size_t>(model_.kv_width()) * sizeof(float);
    result_.compressed += cache_->ledger();
    result_.peak_bytes = std::max(result_.peak_bytes, exact + result_.compressed.physical());
    if (want_kept) result_.kept.emplace_back();
    for (int h = 0; h < shape.kv_heads; ++h) {
      kept_tokens_ += cache_->head(h).tokens();
      if (want_kept) result_.kept.back().push_back(cache_->head(h).sorted_positions());
    }
    if (footprints_) footprints_->compressed(layer, *cache_);
    result_.seconds += seconds_since(begin);
  }

  void run_steps(const LayerTrace& inputs, const Baseline& baseline, int prefix) {
    const Clock::time_point begin = Clock::now();
    const Shape& shape = run_.shape();
    out_ = Matrix(baseline.out.rows, baseline.out.columns);
    for (int step = 0; step < baseline.steps; ++step) {
      const int position = prefix + baseline.first_step + step;
      const auto row = static_cast<size_t>(position);
      cache_->append(position, inputs.k.row(row), inputs.v.row(row));
      for (int h = 0; h < shape.kv_heads; ++h) attend_head(inputs, baseline, step, h, position);
      apply(cache_->end_step(position), position + 1);
      if (footprints_) footprints_->stepped(layer_, baseline.first_step + step + 1, *cache_);
    }
    const double taken = seconds_since(begin);
    result_.seconds += taken;
    result_.step_seconds += taken;
  }

  /// The error after W_O of the steps just run. Uses all threads.
  void add_output_error(const LayerTrace& inputs, const Baseline& baseline) {
    if (baseline.projected.empty()) return;
    Matrix projected(baseline.projected.rows, baseline.projected.columns);
    multiply(out_.data(), out_.rows, inputs.output_weight, projected.data());
    for (size_t i = 0; i < projected.rows; ++i) {
      output_error_sum_ +=
          relative_difference(projected.row(i), baseline.projected.row(i), projected.columns);
      ++output_errors_;
    }
  }

  void end_layer() {
    result_.at_end += cache_->ledger();
    cache_.reset();
    for (int h = 0; h < model_.query_heads; ++h) {
      result_.heads.push_back(errors_[static_cast<size_t>(h)].errors(layer_, h / model_.group_size(), h));
    }
  }

  ReplayResult finish() {
    const Shape& shape = run_.shape();
    std::vector<double> errors;
    for (const HeadErrors& head : result_.heads) {
      if (!std::isfinite(head.relative_error) || !std::isfinite(head.kl)) {
        throw std::runtime_error(fmt::format(
            "{}: layer {}, query head {}: the result is not a finite number; a key or value is beyond the "
            "range of its codec (f16 holds up to 65504)",
            result_.policy, head.layer, head.query_head));
      }
      errors.push_back(head.relative_error);
      result_.lost_mass_mean += head.lost_mass;
      result_.kl_mean += head.kl;
      result_.lost_mass_max = std::max(result_.lost_mass_max, head.lost_mass_max);
      result_.largest_dropped_weight = std::max(result_.largest_dropped_weight, head.largest_dropped_weight);
    }
    const auto count = static_cast<double>(errors.size());
    std::sort(errors.begin(), errors.end());
    for (const double error : errors) result_.relative_error_mean += error / count;
    result_.relative_error_p99 = quantile(errors, 0.99);
    result_.relative_error_max = errors.back();
    result_.lost_mass_mean /= count;
    result_.kl_mean /= count;
    result_.regret_mean = result_.lost_mass_mean - least_lost_sum_ / queries_;
    result_.read_tokens_mean = read_tokens_ / queries_;
    result_.kept_tokens_mean = kept_tokens_ / (static_cast<double>(shape.layers) * shape.kv_heads);
    if (footprints_) result_.footprints = footprints_->finish();
    if (output_errors_ > 0) result_.output_error_mean = output_error_sum_ / output_errors_;
    return std::move(result_);
  }

 private:
  /// Linear between ranks; `sorted` is ascending and not empty.
  static double quantile(const std::vector<double>& sorted, double share) {
    const double rank = share * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<size_t>(rank);
    const size_t above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (rank - static_cast<double>(below)) * (sorted[above] - sorted[below]);
  }

  void attend_head(const LayerTrace& inputs, const Baseline& baseline, int step, int kv_head, int position) {
    const Shape& shape = run_.shape();
    const int group = shape.group_size();
    const HeadCache& head = cache_->head(kv_head);
    scores_.resize(static_cast<size_t>(group * head.entries()));
    log_sums_.resize(static_cast<size_t>(group));
    float* out =
        out_.row(static_cast<size_t>(step)) + static_cast<ptrdiff_t>(kv_head) * group * shape.head_size;
    cache_->attend(kv_head, group_query(shape, inputs, kv_head, position),
                   {out, scores_.data(), log_sums_.data()},
                   exact_weights(baseline, step, kv_head, position + 1));
    const int read = tokens_read(head);
    if (read < head.tokens()) result_.dropped_nothing = false;
    if (footprints_) footprints_->attended(layer_, baseline.first_step + step + 1, kv_head, head, read);
    read_tokens_ += read;
    const Matrix& least_lost = heads_apart() ? baseline.least_lost_apart : baseline.least_lost;
    least_lost_sum_ +=
        static_cast<double>(least_lost.row(static_cast<size_t>(step * shape.kv_heads + kv_head))[read]);
    ++queries_;
    for (int g = 0; g < group; ++g) {
      const int query_head = kv_head * group + g;
      const auto row = static_cast<size_t>(step * shape.query_heads + query_head);
      const ptrdiff_t column = static_cast<ptrdiff_t>(query_head) * shape.head_size;
      const QueryBaseline exact = {position + 1, baseline.out.row(static_cast<size_t>(step)) + column,
                                   baseline.weights.row(row), baseline.log_weights.row(row)};
      const QueryResult ours = {&head, out + static_cast<ptrdiff_t>(g) * shape.head_size,
                                scores_.data() + static_cast<ptrdiff_t>(g) * head.entries(),
                                log_sums_[static_cast<size_t>(g)]};
      errors_[static_cast<size_t>(query_head)].add(exact, ours, fates_[static_cast<size_t>(kv_head)],
                                                   shape.head_size);
    }
  }

  /// The group's summed weights under full+f32, where the selection is an oracle that knows them.
  std::span<const double> exact_weights(const Baseline& baseline, int step, int kv_head, int tokens) {
    if (!run_.selection().needs().exact_weights) return {};
    const Shape& shape = run_.shape();
    exact_weights_.assign(static_cast<size_t>(tokens), 0.0);
    for (int g = 0; g < shape.group_size(); ++g) {
      const int query_head = kv_head * shape.group_size() + g;
      const float* row = baseline.weights.row(static_cast<size_t>(step * shape.query_heads + query_head));
      for (size_t n = 0; n < exact_weights_.size(); ++n) exact_weights_[n] += static_cast<double>(row[n]);
    }
    return exact_weights_;
  }

  /// Of the query just attended; all query heads of a group read the same.
  int tokens_read(const HeadCache& head) const {
    if (run_.selection().reads_all()) return head.tokens();
    return head.tokens() - static_cast<int>(std::count(scores_.begin(), scores_.begin() + head.tokens(),
                                                       -std::numeric_limits<float>::infinity()));
  }

  void apply(const LayerPlan& plan, int tokens) {
    for (size_t h = 0; h < plan.size(); ++h) {
      fates_[h].apply(plan[h], tokens);
      if (!plan[h].dropped.empty()) result_.dropped_nothing = false;
    }
  }

  static double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  const Shape& model_;
  PolicyRun run_;
  ReplayResult result_;
  std::optional<FootprintRecorder> footprints_;  // where asked for
  AllocationCounter counter_;
  int layer_ = 0;
  std::unique_ptr<LayerCache> cache_;
  std::vector<TokenFates> fates_;         // per KV head
  std::vector<ErrorAccumulator> errors_;  // per query head
  Matrix out_;                            // of the steps at hand
  std::vector<float> scores_;
  std::vector<float> log_sums_;
  std::vector<double> exact_weights_;
  double kept_tokens_ = 0.0;
  double read_tokens_ = 0.0;
  double least_lost_sum_ = 0.0;
  double queries_ = 0.0;  // of all KV heads
  double output_error_sum_ = 0.0;
  int output_errors_ = 0;
};

}  // namespace

void check_replay(const Trace& trace, const ReplayRequest& request) {
  if (request.policies.empty()) throw InputError("--policies", "at least one policy is needed");
  if (request.prefix < 1)
    throw InputError("--prefix", fmt::format("{} is out of range; allowed: from 1", request.prefix));
  if (request.steps < 1)
    throw InputError("--steps", fmt::format("{} is out of range; allowed: from 1", request.steps));
  const int64_t wanted = static_cast<int64_t>(request.prefix) + request.steps;
  if (wanted > trace.tokens()) {
    throw InputError(trace.path().string(),
                     fmt::format("a prefix of {} and {} steps need {} tokens, but the trace has {}",
                                 request.prefix, request.steps, wanted, trace.tokens()));
  }
  if (!request.want_footprints) return;
  size_t bytes = 0;
  for (const Policy& policy : request.policies) {
    const Shape& shape = trace.shape();
    bytes += footprint_memory(shape.layers, policy.caches_query_heads() ? shape.query_heads : shape.kv_heads,
                              request.steps);
  }
  refuse_beyond_memory("--steps", "the bytes of every step, layer and KV head", bytes);
}

std::vector<ReplayResult> replay(const Trace& trace, const ReplayRequest& request, Progress& progress) {
  check_replay(trace, request);
  const Shape& shape = trace.shape();
  const TraceBounds bounds(trace, request.prefix);
  const SelectionContext context = selection_context(trace, request.prefix, bounds);
  std::vector<std::unique_ptr<PolicyReplay>> replays;
  for (const Policy& policy : request.policies)
    replays.push_back(std::make_unique<PolicyReplay>(policy, context, request));
  const auto count = static_cast<int>(replays.size());
  const auto each = [&](const auto& task) {
    parallel_for(count, [&](int i) { task(*replays[static_cast<size_t>(i)]); });
  };

  const bool heads_apart =
      std::any_of(replays.begin(), replays.end(), [](const auto& policy) { return policy->heads_apart(); });
  progress.begin(fmt::format("replay of {} policies", count), shape.layers, "layers");
  for (int layer = 0; layer < shape.layers; ++layer) {
    const LayerTrace inputs = trace.layer(layer);
    PrefixObservations observations(shape, head_rows(inputs.q, shape), head_rows(inputs.k, shape),
                                    head_rows(inputs.v, shape), request.prefix,
                                    request.prefix + request.steps);
    for (const auto& policy : replays) observations.prepare(policy->selection().needs());
    each([&](PolicyReplay& policy) {
      policy.begin_layer(layer, observations, request.prefix, request.want_kept);
    });
    for (int step = 0; step < request.steps; step += steps_at_a_time) {
      const Baseline baseline = compute_baseline(
          shape, inputs, request.prefix, step, std::min(steps_at_a_time, request.steps - step), heads_apart);
      each([&](PolicyReplay& policy) { policy.run_steps(inputs, baseline, request.prefix); });
      for (const auto& policy : replays) policy->add_output_error(inputs, baseline);
    }
    each([](PolicyReplay& policy) { policy.end_layer(); });
    progress.advance(layer + 1);
  }
  std::vector<ReplayResult> results;
  for (const auto& policy : replays) results.push_back(policy->finish());
  return results;
}

}  // namespace razorscope
