#include "policies/cache/policy_memory.hpp"

#include <algorithm>
#include <cstring>

#include "models/base/parallel.hpp"
#include "policies/cache/block_attention.hpp"

namespace razorscope {
namespace {

GroupQuery group_query(const Shape& shape, const QueriesKeysValues& block, int row, int kv_head) {
  const ptrdiff_t first = static_cast<ptrdiff_t>(kv_head) * shape.group_size();
  GroupQuery query;
  query.group = shape.group_size();
  query.q = block.q + static_cast<size_t>(row) * block.stride + first * shape.head_size;
  query.scale = shape.score_scale;
  query.slopes = shape.alibi_slopes.empty() ? nullptr : shape.alibi_slopes.data() + first;
  query.position = block.first_position + row;
  return query;
}

}  // namespace

PrefixQueries::PrefixQueries(const Shape& shape, int tokens) : shape_(shape) {
  for (int i = 0; i < shape.layers; ++i)
    queries_.emplace_back(static_cast<size_t>(tokens), static_cast<size_t>(shape.query_width()));
}

void PrefixQueries::add(int layer, const QueriesKeysValues& block) {
  Matrix& queries = queries_[static_cast<size_t>(layer)];
  for (int t = 0; t < block.tokens; ++t) {
    std::memcpy(queries.row(static_cast<size_t>(block.first_position + t)),
                block.q + static_cast<size_t>(t) * block.stride, queries.columns * sizeof(float));
  }
}

HeadRows PrefixQueries::rows(int layer) const {
  const Matrix& queries = queries_[static_cast<size_t>(layer)];
  return {queries.data(), queries.columns, static_cast<size_t>(shape_.head_size)};
}

PolicyMemory::PolicyMemory(const PolicyRun& run)
    : run_(run), counter_(std::make_shared<AllocationCounter>()) {
  layers_.reserve(static_cast<size_t>(run.shape().layers));
}

void PolicyMemory::compress_layer(const PrefixView& prefix, int tokens) {
  layers_.emplace_back(run_, static_cast<int>(layers_.size()), *counter_);
  layers_.back().compress(prefix, tokens);
}

bool PolicyMemory::decides_later() const {
  const Selection& selection = run_.selection();
  if (selection.when() == When::every_step || selection.slot_positions() || !selection.reads_all())
    return true;
  for (const LayerCache& layer : layers_) {
    for (int h = 0; h < layer.heads(); ++h) {
      const HeadCache& head = layer.head(h);
      if (head.ages() || (head.has_compensation() && head.compensation()->depends_on_query())) return true;
    }
  }
  return false;
}

void PolicyMemory::step(int layer, const QueriesKeysValues& token, float* out) {
  const Shape& shape = run_.shape();
  LayerCache& cache = layers_[static_cast<size_t>(layer)];
  cache.append(token.first_position, token.k, token.v);
  std::vector<GroupQuery> queries;
  std::vector<GroupOutput> outputs;
  for (int h = 0; h < shape.kv_heads; ++h) {
    const ptrdiff_t offset = static_cast<ptrdiff_t>(h) * shape.group_size() * shape.head_size;
    queries.push_back(group_query(shape, token, 0, h));
    outputs.push_back({out + offset, nullptr, nullptr});
  }
  cache.attend_all(queries, outputs);
  cache.end_step(token.first_position);
}

void PolicyMemory::prefill(int layer, const QueriesKeysValues& block, float* out) {
  const Shape& shape = run_.shape();
  const auto out_stride = static_cast<size_t>(shape.query_width());
  if (decides_later()) {
    for (int t = 0; t < block.tokens; ++t) {
      const size_t from = static_cast<size_t>(t) * block.stride;
      step(layer, {block.first_position + t, 1, block.stride, block.q + from, block.k + from, block.v + from},
           out + static_cast<size_t>(t) * out_stride);
    }
    return;
  }
  LayerCache& cache = layers_[static_cast<size_t>(layer)];
  for (int t = 0; t < block.tokens; ++t) {
    const size_t from = static_cast<size_t>(t) * block.stride;
    cache.append(block.first_position + t, block.k + from, block.v + from);
  }
  parallel_for(shape.kv_heads,
               [&](int h) { block_attention(shape, cache.head(h), h, block, out, out_stride); });
}

ByteLedger PolicyMemory::ledger() const {
  ByteLedger sum;
  for (const LayerCache& layer : layers_) sum += layer.ledger();
  return sum;
}

size_t PolicyMemory::bytes_read() const { return ledger().rows(); }

}  // namespace razorscope
