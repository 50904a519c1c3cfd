#include "policies/cache/footprint.hpp"

#include <algorithm>
#include <limits>

#include "models/base/error.hpp"
#include "policies/cache/even_head_scores.hpp"

namespace razorscope {
namespace {

/// Of what does not depend on it: long enough that budgets which are shares of it leave something.
constexpr int any_prompt = 4096;

constexpr int endless = std::numeric_limits<int>::max() / 2;  // tokens that no sequence reaches
constexpr double wide_bits = 16.0;

double row_bytes(double bits, int head_size) { return bits * head_size / 8.0; }

/// KV heads of each rank.
std::vector<std::vector<int>> heads_of_ranks(int kv_heads, int tp) {
  const int each = (kv_heads + tp - 1) / tp;
  std::vector<std::vector<int>> ranks;
  for (int first = 0; first < kv_heads; first += each) {
    std::vector<int>& heads = ranks.emplace_back();
    for (int head = first; head < std::min(first + each, kv_heads); ++head) heads.push_back(head);
  }
  return ranks;
}

/// Tokens that each KV head of a layer has after so many were seen, the prompt's plan taken where the
/// selection cannot count.
std::vector<int> counts(const PolicyRun& run, int layer, int tokens) {
  if (std::optional<std::vector<int>> known = run.selection().kept_counts(layer, tokens)) return *known;
  LayerView view;
  view.layer = layer;
  view.tokens = tokens;
  view.held.resize(static_cast<size_t>(run.shape().kv_heads));
  std::vector<int> kept;
  for (const HeadPlan& head : run.selection().plan(view))
    kept.push_back(tokens - static_cast<int>(head.dropped.size()));
  return kept;
}

}  // namespace

int SequenceFootprint::rows(const HeadClass& heads, int tokens) const {
  if (every_step_) return std::min(tokens, heads.capacity);
  return heads.kept + tokens - prompt_;
}

bool SequenceFootprint::folds(const HeadClass& heads, int tokens) const {
  return heads.spec.compensation.kind != Compensation::none && rows(heads, tokens) < tokens;
}

size_t SequenceFootprint::held_bytes(const HeadClass& heads, int tokens) const {
  int held = rows(heads, tokens);
  size_t exact = 0;
  if (heads.ages && heads.spec.key_codec->exact_after_prefix() && held > heads.kept) {
    // In 16 bits, as devices hold them.
    exact = static_cast<size_t>(rounded_capacity(held - heads.kept)) *
            static_cast<size_t>(2 * heads.spec.head_size) * sizeof(uint16_t);
    held = heads.kept;
  }
  return static_cast<size_t>(heads.heads) *
         (HeadCache::physical_bytes(heads.spec, held, tokens, folds(heads, tokens)) + exact);
}

size_t SequenceFootprint::held_bytes(const std::vector<HeadClass>& classes, int tokens) const {
  size_t bytes = 0;
  for (const HeadClass& heads : classes) bytes += held_bytes(heads, tokens);
  return bytes;
}

size_t SequenceFootprint::held_bytes(int tokens) const { return held_bytes(held_, tokens); }
size_t SequenceFootprint::held_bytes_of_all(int tokens) const { return held_bytes(all_, tokens); }

int SequenceFootprint::next_growth(int tokens) const {
  int growth = 0;
  for (const HeadClass& heads : held_) {
    if (heads.ages) return tokens + 1;
    const int rows_now = rows(heads, tokens);
    if (every_step_ && rows_now >= heads.capacity && rows_now < tokens) continue;  // full, positions stored
    if (every_step_ && rows_now >= heads.capacity) return tokens + 1;
    const int block_end = tokens + rounded_capacity(rows_now) - rows_now + 1;
    if (growth == 0 || block_end < growth) growth = block_end;
  }
  return growth == 0 ? endless : growth;
}

size_t SequenceFootprint::prefill_bytes(int tokens) const {
  if (keeps_all_) {
    size_t bytes = 0;
    for (const HeadClass& heads : held_) {
      bytes +=
          static_cast<size_t>(heads.heads) * HeadCache::physical_bytes(heads.spec, tokens, tokens, false);
    }
    return bytes;
  }
  size_t bytes = 0;
  for (const HeadClass& heads : held_) {
    const int rows_now = every_chunk_ ? std::min(tokens, heads.kept) : tokens;
    bytes += static_cast<size_t>(heads.heads) * static_cast<size_t>(rounded_capacity(rows_now)) *
             static_cast<size_t>(2 * heads.spec.head_size) * sizeof(uint16_t);
  }
  return bytes;
}

CacheRead SequenceFootprint::read(int tokens) const {
  CacheRead read;
  for (const HeadClass& heads : read_) {
    const int held = rows(heads, tokens);
    const double d = heads.spec.head_size;
    double wide = heads.wide_bytes * held;
    double coded = heads.coded_bytes * held;
    if (heads.ages) {
      for (const RowRole role : {RowRole::keys, RowRole::values}) {
        const Codec& codec = role == RowRole::keys ? *heads.spec.key_codec : *heads.spec.value_codec;
        if (codec.bits_per_element(heads.spec.head_size) >= wide_bits) continue;
        const int residual = codec.residual_rows(held, std::min(heads.kept, held), role);
        wide += residual * row_bytes(wide_bits, heads.spec.head_size);
        coded -= residual * row_bytes(codec.bits_per_element(heads.spec.head_size), heads.spec.head_size);
      }
    }
    if (folds(heads, tokens)) {
      wide += heads.spec.compensation.slots * (2.0 * d + 1.0) * sizeof(float);
    }
    read.bytes += heads.heads * wide;
    read.coded_bytes += heads.heads * coded;
    if (scores_) read.score_bytes += static_cast<double>(heads.heads) * held * 2.0 * sizeof(float);
  }
  return read;
}

double SequenceFootprint::kept_tokens_mean(int tokens) const {
  double sum = 0.0;
  double heads_in_all = 0.0;
  for (const HeadClass& heads : all_) {
    sum += static_cast<double>(heads.heads) * rows(heads, tokens);
    heads_in_all += heads.heads;
  }
  return sum / heads_in_all;
}

PolicyFootprint::PolicyFootprint(const Policy& policy, const Shape& shape, const HeadScores* probe, int tp)
    : policy_(policy),
      shape_(shape),
      probe_(probe != nullptr ? *probe : even_head_scores(shape)),
      tp_(tp),
      assumes_heads_(probe == nullptr && policy.entry().protects_heads && policy.values().has("heads") &&
                     policy.values().text("heads") == "probe") {
  const PolicyRun run(policy_, SelectionContext{.shape = shape_, .prefix = any_prompt, .probe = &probe_});
  if (run.selection().needs().replay_only()) {
    throw InputError(policy_.name(), "looks at later queries: it works in replay only");
  }
}

bool PolicyFootprint::drops() {
  constexpr int long_prompt = 1 << 20;
  return !of_prompt(long_prompt)->keeps_all();
}

bool PolicyFootprint::coded() const {
  const PolicyRun run(policy_, SelectionContext{.shape = shape_, .prefix = any_prompt, .probe = &probe_});
  for (int layer = 0; layer < run.shape().layers; ++layer) {
    for (int head = 0; head < run.shape().kv_heads; ++head) {
      const HeadCacheSpec spec = run.head_spec(layer, head);
      if (spec.key_codec->bits_per_element(spec.head_size) < wide_bits ||
          spec.value_codec->bits_per_element(spec.head_size) < wide_bits)
        return true;
    }
  }
  return false;
}

size_t PolicyFootprint::block_bytes() const {
  const PolicyRun run(policy_, SelectionContext{.shape = shape_, .prefix = any_prompt, .probe = &probe_});
  const std::vector<std::vector<int>> ranks = heads_of_ranks(run.shape().kv_heads, tp_);
  // A head that is not protected, wherever there is one: blocks of an unprotected head are what is counted.
  HeadCacheSpec spec = run.head_spec(0, 0);
  for (int layer = 0; layer < shape_.layers; ++layer) {
    for (int head = 0; head < run.shape().kv_heads; ++head) {
      if (!run.selection().is_protected(layer, head)) {
        spec = run.head_spec(layer, head);
        layer = shape_.layers;
        break;
      }
    }
  }
  const size_t head = HeadCache::physical_bytes(spec, block_tokens, block_tokens, false);
  return static_cast<size_t>(shape_.layers) * ranks.front().size() * head;
}

SequenceFootprint::HeadClass PolicyFootprint::head_class(const PolicyRun& run, int layer, int head, int kept,
                                                         int capacity) const {
  SequenceFootprint::HeadClass heads;
  heads.heads = 1;
  heads.kept = kept;
  heads.capacity = capacity;
  heads.is_protected = run.selection().is_protected(layer, head);
  heads.spec = run.head_spec(layer, head);
  for (const bool keys : {true, false}) {
    const Codec& codec = keys ? *heads.spec.key_codec : *heads.spec.value_codec;
    const double bits = codec.bits_per_element(heads.spec.head_size);
    (bits < wide_bits ? heads.coded_bytes : heads.wide_bytes) += row_bytes(bits, heads.spec.head_size);
    const RowRole role = keys ? RowRole::keys : RowRole::values;
    constexpr int many = 1 << 16;
    const bool ages = codec.residual_rows(many, many, role) > 0 || codec.exact_after_prefix();
    heads.ages = heads.ages || (bits < wide_bits && ages);
  }
  return heads;
}

std::shared_ptr<const SequenceFootprint> PolicyFootprint::of_prompt(int tokens) {
  std::weak_ptr<const SequenceFootprint>& known = in_use_[tokens];
  if (std::shared_ptr<const SequenceFootprint> found = known.lock()) return found;

  auto footprint = std::make_shared<SequenceFootprint>();
  footprint->run_ = std::make_shared<const PolicyRun>(
      policy_, SelectionContext{.shape = shape_, .prefix = tokens, .probe = &probe_});
  const PolicyRun& run = *footprint->run_;
  footprint->prompt_ = tokens;
  footprint->every_step_ = run.selection().when() == When::every_step;
  footprint->every_chunk_ = run.selection().when() == When::every_chunk;
  footprint->scores_ = run.keeps_scores();
  footprint->keeps_all_ = true;

  using HeadClass = SequenceFootprint::HeadClass;
  const auto add = [](std::vector<HeadClass>& classes, const HeadClass& head) {
    for (HeadClass& known_class : classes) {
      if (known_class.kept == head.kept && known_class.capacity == head.capacity &&
          known_class.is_protected == head.is_protected && known_class.spec.slope == head.spec.slope) {
        known_class.heads += head.heads;
        return;
      }
    }
    classes.push_back(head);
  };
  const std::vector<std::vector<int>> ranks = heads_of_ranks(run.shape().kv_heads, tp_);
  std::vector<std::vector<HeadClass>> held(ranks.size());
  std::vector<double> load(ranks.size());
  double written = 0.0;
  double read = 0.0;
  for (int layer = 0; layer < run.shape().layers; ++layer) {
    const std::vector<int> kept = counts(run, layer, tokens);
    const std::vector<int> most = footprint->every_step_ ? counts(run, layer, endless) : kept;
    std::vector<HeadClass> heads;
    for (int h = 0; h < run.shape().kv_heads; ++h) {
      const auto i = static_cast<size_t>(h);
      heads.push_back(head_class(run, layer, h, kept[i], footprint->every_step_ ? most[i] : endless));
      const bool drops = kept[i] < tokens || heads.back().capacity < endless;
      footprint->keeps_all_ = footprint->keeps_all_ && !drops;
      add(footprint->all_, heads.back());
    }
    size_t slowest = 0;
    double slowest_load = -1.0;
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      double bytes = 0.0;
      for (const int h : ranks[rank]) {
        const HeadClass& head = heads[static_cast<size_t>(h)];
        // Of equal heads now, those that go on growing weigh more.
        const double later =
            footprint->every_step_ ? std::min<double>(head.capacity, 2.0 * tokens) : head.kept;
        bytes += (head.wide_bytes + head.coded_bytes) * later;
        add(held[rank], head);
      }
      load[rank] += bytes;
      if (bytes > slowest_load) {
        slowest_load = bytes;
        slowest = rank;
      }
    }
    for (const int h : ranks[slowest]) {
      const HeadClass& head = heads[static_cast<size_t>(h)];
      add(footprint->read_, head);
      if (head.kept < tokens || head.coded_bytes > 0.0) {
        read += 2.0 * row_bytes(wide_bits, shape_.head_size) * tokens;
        written += (head.wide_bytes + head.coded_bytes) * head.kept;
      }
    }
  }
  const auto heaviest = std::max_element(load.begin(), load.end()) - load.begin();
  footprint->held_ = held[static_cast<size_t>(heaviest)];

  if (!footprint->keeps_all_) {
    footprint->compression_.bytes = read + written;
    const double queries = std::min(tokens, run.selection().needs().column_queries);
    const double pairs = queries * (tokens - 0.5 * queries);
    footprint->compression_.operations =
        2.0 * shape_.layers * static_cast<double>(shape_.query_width()) / tp_ * pairs;
  }
  known = footprint;
  return footprint;
}

}  // namespace razorscope
