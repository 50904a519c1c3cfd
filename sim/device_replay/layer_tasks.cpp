#include "sim/device_replay/layer_tasks.hpp"

#include <algorithm>

namespace razorscope {
namespace {

/// A step's time as stages. What of the memory's time is not the cache's is the weights'.
LayerTask staged(const StepTime& time, std::vector<Stream> cache, double weight_bytes) {
  LayerTask task;
  task.fixed = time.fixed;
  double of_cache = 0.0;
  for (const Stream& stream : cache) of_cache += stream.seconds;
  // Rounding may leave a trace of what is not there.
  const double above = time.memory_bound.memory - of_cache;
  const double first = above > 1e-9 * time.memory_bound.memory ? above : 0.0;
  const double second = time.compute_bound.memory;
  const double all = first + second;
  const auto add_weights = [&](double seconds, std::vector<Stream>& streams) {
    if (seconds > 0.0) streams.push_back({StreamKind::weights, seconds, weight_bytes * seconds / all});
  };
  Stage memory_bound;
  add_weights(first, memory_bound.streams);
  memory_bound.streams.insert(memory_bound.streams.end(), cache.begin(), cache.end());
  memory_bound.arithmetic = time.memory_bound.compute;
  Stage compute_bound;
  add_weights(second, compute_bound.streams);
  compute_bound.arithmetic = time.compute_bound.compute;
  for (Stage* stage : {&memory_bound, &compute_bound}) {
    if (!stage->empty()) task.stages.push_back(std::move(*stage));
  }
  return task;
}

void add(StreamKind kind, double bytes, double bandwidth, std::vector<Stream>& streams) {
  if (bytes > 0.0) streams.push_back({kind, bytes / bandwidth, bytes});
}

}  // namespace

std::string_view to_string(StreamKind kind) {
  switch (kind) {
    case StreamKind::weights:
      return "weights";
    case StreamKind::wide:
      return "wide";
    case StreamKind::coded:
      return "coded";
    case StreamKind::residual:
      return "residual";
    case StreamKind::compensation:
      return "compensation";
    case StreamKind::scores:
      return "scores";
    case StreamKind::exact_prompt:
      return "exact prompt";
    case StreamKind::compressed_prompt:
      return "compressed prompt";
    case StreamKind::arithmetic:
      return "arithmetic";
    case StreamKind::fixed:
      return "fixed";
    case StreamKind::step:
      return "step";
  }
  return "";
}

double LayerTask::seconds() const {
  double sum = fixed;
  for (const Stage& stage : stages) {
    double memory = 0.0;
    for (const Stream& stream : stage.streams) memory += stream.seconds;
    sum += std::max(memory, stage.arithmetic);
  }
  return sum;
}

LayerTasks::LayerTasks(const Device& device, const Shape& shape, WeightType weights)
    : whole_(device, shape, weights, 1) {}

const StepTimeModel& LayerTasks::of_layers(int layers) {
  const auto found = models_.find(layers);
  if (found != models_.end()) return found->second;
  Shape shape = whole_.shape();
  shape.layers = layers;
  return models_.emplace(layers, StepTimeModel(whole_.device(), shape, whole_.weight_type(), 1))
      .first->second;
}

double LayerTasks::layer_weights(int layers) const {
  double weights = 0.0;
  for (const GemmShape& gemm : layer_gemms(whole_.shape(), 1)) weights += gemm.weights();
  return layers * weights * bytes_per_weight(whole_.weight_type());
}

double LayerTasks::head_weights() const {
  return head_gemm(whole_.shape(), 1).weights() * bytes_per_weight(whole_.weight_type());
}

LayerTask LayerTasks::prefill(int layers, int tokens, double pairs) {
  return staged(of_layers(layers).step({.prefill_tokens = tokens, .prefill_pairs = pairs}), {},
                layer_weights(layers));
}

LayerTask LayerTasks::decode(int layers, int sequences, const CacheTraffic& read) {
  const StepTimeModel& model = of_layers(layers);
  StepWork work;
  work.decode_sequences = sequences;
  work.kv_bytes = read.wide + read.residual + read.compensation;
  work.coded_kv_bytes = read.coded;
  work.other_bytes = read.scores;
  const double bandwidth = model.cache_bandwidth(false);
  std::vector<Stream> cache;
  add(StreamKind::wide, read.wide, bandwidth, cache);
  add(StreamKind::coded, read.coded, model.cache_bandwidth(true), cache);
  add(StreamKind::residual, read.residual, bandwidth, cache);
  add(StreamKind::compensation, read.compensation, bandwidth, cache);
  add(StreamKind::scores, read.scores, bandwidth, cache);
  return staged(model.step(work), std::move(cache), layer_weights(layers));
}

LayerTask LayerTasks::compression(const LayerCompression& pass) {
  StepWork work;
  work.other_bytes = pass.read + pass.written;
  work.other_operations = pass.operations;
  const StepTime time = whole_.step(work);
  Stage stage;
  add(StreamKind::exact_prompt, pass.read, whole_.cache_bandwidth(false), stage.streams);
  add(StreamKind::compressed_prompt, pass.written, whole_.cache_bandwidth(false), stage.streams);
  stage.arithmetic = time.memory_bound.compute + time.compute_bound.compute;
  LayerTask task;
  task.fixed = time.fixed;
  if (!stage.empty()) task.stages.push_back(std::move(stage));
  return task;
}

LayerTask LayerTasks::logits(int rows) {
  return staged(whole_.step({.logits_rows = rows}), {}, head_weights());
}

}  // namespace razorscope
