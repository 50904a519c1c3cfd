#include "sim/device_replay/deployed_cache.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <memory>

#include "models/base/error.hpp"
#include "policies/cache_buffer.hpp"
#include "policies/codecs/codec.hpp"
#include "policies/policy.hpp"

namespace razorscope {
namespace {

constexpr double wide_bits = 16.0;
constexpr double wide_bytes = 2.0;

double in_blocks(double tokens) { return rounded_capacity(static_cast<int>(std::ceil(tokens))); }

/// How bytes of rows change with the head size. A codec's own bits include its scales.
class RowScale {
 public:
  RowScale(const Policy& policy, int from, int to) : wide(static_cast<double>(to) / from) {
    for (const bool is_protected : {false, true}) {
      double before = 0.0;
      double after = 0.0;
      for (const bool keys : {true, false}) {
        const CodecChoice& choice = policy.codec_of(keys, is_protected);
        const auto codec = find_codec("policy", choice.name).make(choice.variants, choice.values);
        if (codec->bits_per_element(from) >= wide_bits) continue;
        before += codec->bits_per_element(from) * from;
        after += codec->bits_per_element(to) * to;
      }
      (is_protected ? protected_coded_ : coded_) = before > 0.0 ? after / before : 1.0;
    }
  }
  double coded(bool is_protected) const { return is_protected ? protected_coded_ : coded_; }

  const double wide;

 private:
  double coded_ = 1.0;
  double protected_coded_ = 1.0;
};

/// One cache of the shape at one step.
struct ScaledHead {
  double tokens = 0.0;
  double held = 0.0;
  CacheTraffic read;
};

class HeadScaling {
 public:
  HeadScaling(const ReplayFootprints& recorded, const RowScale& rows, double context)
      : recorded_(recorded), rows_(rows), context_(context) {}

  ScaledHead operator()(int layer, int step, int head) const {
    const HeadFootprint& now = recorded_.at(layer, step, head);
    const double kept = recorded_.at(layer, 0, head).tokens;
    const double tokens = now.tokens;
    ScaledHead scaled;
    scaled.tokens = context_ * kept + (tokens - kept);
    if (tokens <= 0.0) return scaled;
    // The residual window has the same size in a longer context: what else is held makes up for it.
    const double row = 2.0 * wide_bytes * recorded_.head_size;
    const double waiting = std::min(now.residual / row, tokens);
    const double growth = scaled.tokens / tokens;
    const double coded_growth =
        waiting < tokens ? std::max(0.0, scaled.tokens - waiting) / (tokens - waiting) : 1.0;
    scaled.read.wide = rows_.wide * growth * now.wide;
    scaled.read.coded = rows_.coded(recorded_.protects(layer, head)) * coded_growth * now.coded;
    scaled.read.residual = rows_.wide * now.residual;
    scaled.read.compensation = rows_.wide * now.compensation;
    scaled.read.scores = growth * now.scores;
    const auto before = static_cast<double>(now.read());
    const double after = scaled.read.total() - scaled.read.scores;
    const double used = now.held - now.padding;
    scaled.held = rows_.wide * now.padding + (before > 0.0 ? used * (after / before) : used);
    return scaled;
  }

 private:
  const ReplayFootprints& recorded_;
  const RowScale& rows_;
  double context_;
};

void check(const ReplayFootprints& recorded, const Shape& shape, int context) {
  constexpr int longest = 1 << 28;
  if (context < 0 || context > longest)
    throw InputError("--context", fmt::format("{} is not allowed: from 1 to {}", context, longest));
  if (recorded.sharing > 1 && shape.group_size() * shape.kv_heads != shape.query_heads) {
    throw InputError("--as", fmt::format("{} query heads of {} cannot be shared out over {} KV heads",
                                         shape.query_heads, shape.name, shape.kv_heads));
  }
}

}  // namespace

CacheTraffic& CacheTraffic::operator+=(const CacheTraffic& other) {
  wide += other.wide;
  coded += other.coded;
  residual += other.residual;
  compensation += other.compensation;
  scores += other.scores;
  return *this;
}

CacheTraffic CacheTraffic::operator*(double factor) const {
  return {wide * factor, coded * factor, residual * factor, compensation * factor, scores * factor};
}

DeployedCache::DeployedCache(const ReplayFootprints& recorded, const Shape& shape, int context)
    : layers_(shape.layers),
      heads_(recorded.sharing > 1 ? shape.query_heads : shape.kv_heads),
      kv_heads_(shape.kv_heads),
      row_bytes_(2.0 * wide_bytes * shape.head_size),
      steps_(recorded.steps),
      prompt_(context > 0 ? context : recorded.prefix),
      in_chunks_(recorded.in_chunks),
      held_(static_cast<size_t>(recorded.steps) + 1),
      compression_(static_cast<size_t>(shape.layers)) {
  check(recorded, shape, context);
  const RowScale rows(Policy::parse(recorded.policy), recorded.head_size, shape.head_size);
  const HeadScaling scaled(recorded, rows, static_cast<double>(prompt_) / recorded.prefix);
  read_.resize(held_.size() * compression_.size());
  compresses_ = recorded.scoring_queries > 0;
  for (int layer = 0; layer < layers_; ++layer) {
    LayerCompression& pass = compression_[static_cast<size_t>(layer)];
    for (int head = 0; head < heads_; ++head) {
      const int from_layer = layer % recorded.layers;
      const int from_head = head % recorded.heads;
      for (int step = 0; step <= steps_; ++step) {
        const ScaledHead now = scaled(from_layer, step, from_head);
        held_[static_cast<size_t>(step)] += now.held;
        read_[static_cast<size_t>(step) * compression_.size() + static_cast<size_t>(layer)] += now.read;
        coded_ = coded_ || now.read.coded > 0.0;
        if (step > 0) continue;
        if (head == 0) compressed_.push_back(0.0);
        compressed_.back() += now.held;
        kept_.push_back(now.tokens);
        const bool drops =
            recorded.at(from_layer, 0, from_head).tokens < static_cast<uint32_t>(recorded.prefix);
        compresses_ = compresses_ || drops;
        if (!drops && now.read.coded <= 0.0) continue;
        pass.read += row_bytes_ * prompt_;
        pass.written += now.read.total() - now.read.scores;
      }
    }
  }
  const double queries = recorded.scoring_queries == recorded.prefix
                             ? prompt_
                             : std::min<double>(recorded.scoring_queries, prompt_);
  for (int layer = 0; layer < layers_; ++layer) {
    if (!compresses_) compression_[static_cast<size_t>(layer)] = {};
    compression_[static_cast<size_t>(layer)].operations =
        2.0 * shape.query_width() * queries * (prompt_ - 0.5 * queries);
    exact_.push_back(compresses_ ? exact_layer(layer, prompt_) : 0.0);
  }
}

double DeployedCache::exact_layer(int layer, int tokens) const {
  if (!in_chunks_) return row_bytes_ * kv_heads_ * in_blocks(tokens);
  double bytes = 0.0;
  for (int head = 0; head < heads_; ++head) {
    const double kept =
        kept_[static_cast<size_t>(layer) * static_cast<size_t>(heads_) + static_cast<size_t>(head)];
    bytes += row_bytes_ * in_blocks(std::min<double>(tokens, kept));
  }
  return bytes;
}

double DeployedCache::prefilling(int tokens) const {
  if (!compresses_) return held(0) * in_blocks(tokens) / in_blocks(prompt_);
  double bytes = 0.0;
  for (int layer = 0; layer < layers_; ++layer) bytes += exact_layer(layer, tokens);
  return bytes;
}

}  // namespace razorscope
