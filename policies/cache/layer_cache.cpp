#include "policies/cache/layer_cache.hpp"

#include <algorithm>
#include <cmath>

#include "models/base/parallel.hpp"
#include "policies/cache/chunked_prefix.hpp"

namespace razorscope {

PolicyRun::PolicyRun(const Policy& policy, const SelectionContext& context)
    : policy_(policy),
      sharing_(policy.caches_query_heads() ? context.shape.group_size() : 1),
      shape_(context.shape) {
  shape_.kv_heads *= sharing_;
  for (const bool keys : {true, false}) {
    for (const bool is_protected : {false, true}) {
      const CodecChoice& choice = policy.codec_of(keys, is_protected);
      codecs_.push_back(find_codec("policy", choice.name).make(choice.variants, choice.values));
    }
  }
  SelectionContext with_codec = {.shape = shape_, .prefix = context.prefix};
  with_codec.probe = context.probe;
  with_codec.bounds = context.bounds;
  const auto bytes_per_token = [&](bool is_protected) {
    const double bits = codec(true, is_protected)->bits_per_element(shape_.head_size) +
                        codec(false, is_protected)->bits_per_element(shape_.head_size);
    return bits * shape_.head_size / 8.0;
  };
  with_codec.bytes_per_token = bytes_per_token(false);
  with_codec.protected_bytes_per_token = bytes_per_token(true);
  selection_ = policy.make_selection(with_codec);
  if (selection_->slot_positions())
    rotation_ = std::make_unique<const SlotRotation>(shape_.rope, shape_.head_size);
}

HeadCacheSpec PolicyRun::head_spec(int layer, int kv_head) const {
  const bool is_protected = selection_->is_protected(layer, kv_head);
  HeadCacheSpec spec;
  spec.head_size = shape_.head_size;
  spec.key_codec = codec(true, is_protected);
  spec.value_codec = codec(false, is_protected);
  spec.compensation = selection_->compensation();
  spec.keeps_scores = keeps_scores();
  spec.rotation = rotation_.get();
  if (!shape_.alibi_slopes.empty()) {
    spec.slope = shape_.alibi_slopes[static_cast<size_t>(kv_head * shape_.group_size())];
  }
  return spec;
}

size_t PolicyRun::predicted_bytes(int prefix) const {
  size_t bytes = 0;
  LayerView view;
  view.tokens = prefix;
  view.held.resize(static_cast<size_t>(shape_.kv_heads));
  for (int layer = 0; layer < shape_.layers; ++layer) {
    view.layer = layer;
    const std::optional<std::vector<int>> counts = selection_->kept_counts(layer, prefix);
    const LayerPlan plan = counts ? LayerPlan(view.held.size()) : selection_->plan(view);
    for (int h = 0; h < shape_.kv_heads; ++h) {
      const HeadPlan& head = plan[static_cast<size_t>(h)];
      const int kept =
          counts ? (*counts)[static_cast<size_t>(h)] : prefix - static_cast<int>(head.dropped.size());
      const bool folds =
          counts ? selection_->compensation().kind != Compensation::none && kept < prefix : head.fold;
      bytes += HeadCache::physical_bytes(head_spec(layer, h), kept, prefix, folds);
    }
  }
  return bytes;
}

LayerCache::LayerCache(const PolicyRun& run, int layer, AllocationCounter& counter)
    : run_(&run), layer_(layer), weights_(static_cast<size_t>(run.shape().kv_heads)) {
  for (int h = 0; h < run.shape().kv_heads; ++h) heads_.emplace_back(run.head_spec(layer, h), counter);
}

LayerView LayerCache::view(int tokens) const {
  LayerView view;
  view.layer = layer_;
  view.tokens = tokens;
  for (const HeadCache& head : heads_) view.held.push_back(head.positions());
  return view;
}

LayerPlan LayerCache::compress(const PrefixView& of_model, int tokens) {
  PrefixView prefix = of_model;
  prefix.keys.sharing = prefix.values.sharing = run_->sharing();
  LayerView now = view(tokens);
  now.prefix = &prefix;
  const Selection& selection = run_->selection();
  LayerPlan plan = selection.when() == When::every_chunk
                       ? plan_in_chunks(selection, run_->shape(), layer_, prefix, tokens)
                       : selection.plan(now);
  for (size_t h = 0; h < heads_.size(); ++h) {
    const int head = static_cast<int>(h);
    const std::vector<float> scores =
        run_->keeps_scores() ? selection.initial_scores(now, head) : std::vector<float>();
    heads_[h].compress(prefix.keys.row(0, head), prefix.values.row(0, head), prefix.keys.token_stride, tokens,
                       plan[h], scores);
  }
  return plan;
}

void LayerCache::append(int position, const float* k, const float* v) {
  const auto d = static_cast<size_t>(run_->shape().head_size);
  for (size_t h = 0; h < heads_.size(); ++h) {
    const size_t row = h / static_cast<size_t>(run_->sharing()) * d;
    heads_[h].append(position, k + row, v + row);
  }
}

void LayerCache::attend_to_what_is_read(int kv_head, const GroupQuery& query, const GroupOutput& output,
                                        std::span<const double> exact_weights) const {
  const Selection& selection = run_->selection();
  const HeadCache& head = heads_[static_cast<size_t>(kv_head)];
  if (selection.reads_all()) {
    head.attend(query, output);
    return;
  }
  const std::vector<int32_t> slots =
      selection.slots_read({layer_, kv_head, query.position, head.tokens(), head.positions(), exact_weights});
  if (static_cast<int>(slots.size()) == head.tokens()) {
    head.attend(query, output);
  } else {
    head.attend_to(slots, query, output);
  }
}

void LayerCache::attend(int kv_head, const GroupQuery& query, const GroupOutput& output,
                        std::span<const double> exact_weights) {
  const Needs needs = run_->selection().needs();
  const HeadCache& head = heads_[static_cast<size_t>(kv_head)];
  if (run_->selection().when() != When::every_step || (!needs.step_weights && !needs.accumulate)) {
    attend_to_what_is_read(kv_head, query, output, exact_weights);
    return;
  }
  const auto entries = static_cast<size_t>(head.entries());
  std::vector<float>& weights = weights_[static_cast<size_t>(kv_head)];
  weights.resize(static_cast<size_t>(query.group) * entries);
  std::vector<float> log_sums(static_cast<size_t>(query.group));
  attend_to_what_is_read(kv_head, query, {output.out, weights.data(), log_sums.data()}, exact_weights);
  if (output.scores != nullptr) std::copy(weights.begin(), weights.end(), output.scores);
  if (output.log_sum != nullptr) std::copy(log_sums.begin(), log_sums.end(), output.log_sum);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = std::exp(weights[i] - log_sums[i / entries]);
}

void LayerCache::attend_all(std::span<const GroupQuery> queries, std::span<const GroupOutput> outputs) {
  const Selection& selection = run_->selection();
  const bool only_attends = selection.reads_all() && selection.when() != When::every_step;
  std::vector<AttentionJob> jobs;
  for (size_t h = 0; h < heads_.size() && only_attends; ++h) {
    const std::optional<HeadView> view = heads_[h].view();
    if (!view) break;
    jobs.push_back({*view, queries[h], outputs[h]});
  }
  if (jobs.size() == heads_.size()) {
    attend_heads(jobs);
    return;
  }
  parallel_for(heads(),
               [&](int h) { attend(h, queries[static_cast<size_t>(h)], outputs[static_cast<size_t>(h)]); });
}

void LayerCache::accumulate_scores() {
  std::vector<float> group_weights(static_cast<size_t>(run_->shape().group_size()));
  for (size_t h = 0; h < heads_.size(); ++h) {
    const auto entries = static_cast<size_t>(heads_[h].entries());
    std::vector<float> added(static_cast<size_t>(heads_[h].tokens()));
    for (size_t slot = 0; slot < added.size(); ++slot) {
      for (size_t g = 0; g < group_weights.size(); ++g) group_weights[g] = weights_[h][g * entries + slot];
      added[slot] = run_->selection().score_of_weights(group_weights);
    }
    heads_[h].add_scores(added);
  }
}

LayerPlan LayerCache::end_step(int position) {
  const Selection& selection = run_->selection();
  if (selection.when() != When::every_step) return LayerPlan(heads_.size());
  if (selection.needs().accumulate) accumulate_scores();
  LayerView now = view(position + 1);
  for (size_t h = 0; h < heads_.size(); ++h) {
    now.weights.emplace_back(weights_[h]);
    if (selection.needs().accumulate) now.scores.push_back(heads_[h].scores());
  }
  LayerPlan plan = selection.plan(now);
  for (size_t h = 0; h < heads_.size(); ++h) heads_[h].drop(plan[h]);
  return plan;
}

ByteLedger LayerCache::ledger() const {
  ByteLedger sum;
  for (const HeadCache& head : heads_) sum += head.ledger();
  return sum;
}

}  // namespace razorscope
