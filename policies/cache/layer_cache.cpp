#include "policies/cache/layer_cache.hpp"

#include <algorithm>

namespace razorscope {

PolicyRun::PolicyRun(const Policy& policy, const SelectionContext& context)
    : policy_(policy), shape_(context.shape), selection_(policy.make_selection(context)) {
  for (const bool keys : {true, false}) {
    for (const bool is_protected : {false, true}) {
      const CodecChoice& choice = policy.codec_of(keys, is_protected);
      codecs_.push_back(find_codec("policy", choice.name).make(choice.values));
    }
  }
}

HeadCacheSpec PolicyRun::head_spec(int layer, int kv_head) const {
  const bool is_protected = selection_->is_protected(layer, kv_head);
  HeadCacheSpec spec;
  spec.head_size = shape_.head_size;
  spec.key_codec = codec(true, is_protected);
  spec.value_codec = codec(false, is_protected);
  spec.compensation = selection_->compensation();
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
    const LayerPlan plan = selection_->plan(view);
    for (int h = 0; h < shape_.kv_heads; ++h) {
      const HeadPlan& head = plan[static_cast<size_t>(h)];
      const int kept = prefix - static_cast<int>(head.dropped.size());
      bytes += HeadCache::physical_bytes(head_spec(layer, h), kept, prefix, head.fold);
    }
  }
  return bytes;
}

LayerCache::LayerCache(const PolicyRun& run, int layer, AllocationCounter& counter) : run_(&run), layer_(layer) {
  for (int h = 0; h < run.shape().kv_heads; ++h) heads_.emplace_back(run.head_spec(layer, h), counter);
}

LayerView LayerCache::view(int tokens) const {
  LayerView view;
  view.layer = layer_;
  view.tokens = tokens;
  for (const HeadCache& head : heads_) view.held.push_back(head.positions());
  return view;
}

LayerPlan LayerCache::compress(const float* keys, const float* values, size_t token_stride, size_t head_stride, int tokens) {
  LayerPlan plan = run_->selection().plan(view(tokens));
  for (size_t h = 0; h < heads_.size(); ++h) {
    heads_[h].compress(keys + h * head_stride, values + h * head_stride, token_stride, tokens, plan[h]);
  }
  return plan;
}

void LayerCache::append(int position, const float* k, const float* v) {
  const auto d = static_cast<size_t>(run_->shape().head_size);
  for (size_t h = 0; h < heads_.size(); ++h) heads_[h].append(position, k + h * d, v + h * d);
}

LayerPlan LayerCache::end_step(int position) {
  if (run_->selection().when() != When::every_step) return LayerPlan(heads_.size());
  LayerPlan plan = run_->selection().plan(view(position + 1));
  for (size_t h = 0; h < heads_.size(); ++h) heads_[h].drop(plan[h]);
  return plan;
}

ByteLedger LayerCache::ledger() const {
  ByteLedger sum;
  for (const HeadCache& head : heads_) sum += head.ledger();
  return sum;
}

}  // namespace razorscope
