#include "sim/probe/probe.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <random>

#include "models/base/error.hpp"
#include "models/base/parallel.hpp"
#include "models/language/linear.hpp"
#include "policies/cache/exact_memory.hpp"
#include "policies/kernels/attend.hpp"

namespace razorscope {
namespace {

constexpr int query_block = 64;

/// Where blocks lie in the probe's sequence.
struct Layout {
  int first = 0;  // position of the first block's first token: 1 behind a BOS
  int block = 0;
  int repeats = 0;
};

/// Sums attention weights on the positions that count, as prefill passes over the sequence.
class ProbeObserver final : public ForwardObserver {
 public:
  ProbeObserver(const Shape& shape, const ExactMemory& memory, const Layout& layout, ProbeVariant variant)
      : shape_(shape),
        memory_(memory),
        layout_(layout),
        variant_(variant),
        echo_(static_cast<size_t>(shape.layers * shape.query_heads), 0.0),
        induction_(echo_) {}

  void attention(int layer, const QueriesKeysValues& block) override {
    parallel_for(shape_.query_heads, [&](int head) { add_head(layer, head, block); });
  }

  std::vector<double> echo() const { return means(echo_, layout_.block); }
  std::vector<double> induction() const {
    return means(induction_, variant_ == ProbeVariant::last_prior ? layout_.block - 1 : layout_.block);
  }

 private:
  std::vector<double> means(std::vector<double> sums, int positions_per_block) const {
    for (double& sum : sums) sum /= static_cast<double>(positions_per_block) * (layout_.repeats - 1);
    return sums;
  }

  void add_head(int layer, int head, const QueriesKeysValues& block) {
    const auto d = static_cast<size_t>(shape_.head_size);
    const ExactLayer exact = memory_.layer(layer);
    const float* keys = exact.keys + static_cast<size_t>(head / shape_.group_size()) * exact.head_stride;
    const float slope = shape_.alibi_slopes.empty() ? 0.0F : shape_.alibi_slopes[static_cast<size_t>(head)];
    const auto index = static_cast<size_t>(layer * shape_.query_heads + head);
    // Positions before the second block have nothing to look back at.
    const int begin = std::max(block.first_position, layout_.first + layout_.block);
    const int end = block.first_position + block.tokens;
    Matrix scores;
    for (int at = begin; at < end; at += query_block) {
      const int rows = std::min(query_block, end - at);
      const auto columns = static_cast<size_t>(at + rows);
      scores = Matrix(static_cast<size_t>(rows), columns);
      const float* q = block.q + static_cast<size_t>(at - block.first_position) * block.stride +
                       static_cast<size_t>(head) * d;
      multiply_transposed(static_cast<size_t>(rows), columns, d, shape_.score_scale, q, block.stride, keys, d,
                          scores.data(), columns);
      for (int r = 0; r < rows; ++r) {
        float* weights = scores.row(static_cast<size_t>(r));
        softmax_row(weights, static_cast<size_t>(at + r + 1), slope);
        add_row(at + r, weights, index);
      }
    }
  }

  void add_row(int position, const float* weights, size_t index) {
    const int offset = position - layout_.first;
    const int earlier = variant_ == ProbeVariant::last_prior ? 1 : offset / layout_.block;
    const bool has_successor =
        variant_ == ProbeVariant::sum_prior || offset % layout_.block != layout_.block - 1;
    for (int s = 1; s <= earlier; ++s) {
      const int same = position - s * layout_.block;
      echo_[index] += static_cast<double>(weights[same]);
      if (has_successor) induction_[index] += static_cast<double>(weights[same + 1]);
    }
  }

  const Shape& shape_;
  const ExactMemory& memory_;
  Layout layout_;
  ProbeVariant variant_;
  std::vector<double> echo_;
  std::vector<double> induction_;
};

/// Uniform in [0, count), the same on every platform (std::uniform_int_distribution is not).
uint64_t uniform_below(std::mt19937_64& random, uint64_t count) {
  const uint64_t limit = std::mt19937_64::max() - std::mt19937_64::max() % count;
  uint64_t value = random();
  while (value >= limit) value = random();
  return value % count;
}

}  // namespace

ProbeVariant probe_variant(const std::string& name) {
  if (name == "sum-prior") return ProbeVariant::sum_prior;
  if (name == "last-prior") return ProbeVariant::last_prior;
  throw InputError("--variant", unknown_name("probe variant", name, {"sum-prior", "last-prior"}));
}

std::string probe_variant_name(ProbeVariant variant) {
  return variant == ProbeVariant::sum_prior ? "sum-prior" : "last-prior";
}

std::vector<int32_t> random_block(const Tokenizer& tokenizer, int length, uint64_t seed,
                                  const std::string& source) {
  std::vector<int32_t> candidates;
  if (source == "vocabulary") {
    for (int32_t id = 0; id < tokenizer.vocabulary(); ++id) {
      if (tokenizer.is_normal(id)) candidates.push_back(id);
    }
  } else if (source == "range") {
    constexpr int32_t first = 10000;
    constexpr int32_t last = 12500;
    if (tokenizer.vocabulary() <= last) {
      throw InputError("--source", fmt::format("range takes ids {} to {}, but the vocabulary has {} entries",
                                               first, last, tokenizer.vocabulary()));
    }
    for (int32_t id = first; id <= last; ++id) candidates.push_back(id);
  } else {
    throw InputError("--source", unknown_name("token source", source, {"vocabulary", "range"}));
  }
  if (candidates.empty()) throw InputError("--source", "the vocabulary has no normal tokens");
  std::mt19937_64 random(seed);
  std::vector<int32_t> block;
  for (int i = 0; i < length; ++i) block.push_back(candidates[uniform_below(random, candidates.size())]);
  return block;
}

HeadScores run_probe(const Transformer& transformer, const std::vector<int32_t>& block, int repeats,
                     int32_t bos, ProbeVariant variant, Progress& progress) {
  const Shape& shape = transformer.shape();
  if (block.size() < 2) throw InputError("--block", "a block needs at least 2 tokens");
  if (repeats < 2) throw InputError("--repeats", fmt::format("{} is too few; allowed: from 2", repeats));
  const size_t length = block.size() * static_cast<size_t>(repeats) + (bos >= 0 ? 1 : 0);
  if (length > static_cast<size_t>(shape.context)) {
    throw InputError("--block and --repeats",
                     fmt::format("{} tokens x {} repeats make {} with the BOS, but the context of {} is {}",
                                 block.size(), repeats, length, shape.name, shape.context));
  }
  Layout layout;
  layout.first = bos >= 0 ? 1 : 0;
  layout.block = static_cast<int>(block.size());
  layout.repeats = repeats;
  std::vector<int32_t> ids;
  if (bos >= 0) ids.push_back(bos);
  for (int i = 0; i < repeats; ++i) ids.insert(ids.end(), block.begin(), block.end());

  ExactMemory memory(shape, static_cast<int>(ids.size()));
  ProbeObserver observer(shape, memory, layout, variant);
  SequenceInput sequence;
  sequence.tokens = ids;
  sequence.memory = &memory;
  sequence.observer = &observer;
  prefill(transformer, sequence, progress, "probe");

  HeadScores scores;
  scores.layers = shape.layers;
  scores.query_heads = shape.query_heads;
  scores.kv_heads = shape.kv_heads;
  scores.block = layout.block;
  scores.repeats = repeats;
  scores.variant = probe_variant_name(variant);
  scores.token_source = "ids";
  scores.echo = observer.echo();
  scores.induction = observer.induction();
  return scores;
}

HeadScores run_default_probe(const Transformer& transformer, const Tokenizer& tokenizer, Progress& progress) {
  const int32_t bos = tokenizer.bos();
  const int fitting = (transformer.shape().context - (bos >= 0 ? 1 : 0)) / default_probe_repeats;
  const int length = std::min(default_probe_block, fitting);
  const std::string source = "vocabulary";
  HeadScores scores = run_probe(transformer, random_block(tokenizer, length, default_probe_seed, source),
                                default_probe_repeats, bos, ProbeVariant::sum_prior, progress);
  scores.seed = default_probe_seed;
  scores.token_source = source;
  return scores;
}

}  // namespace razorscope
