#include "policies/cache/head_cache.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "policies/kernels/row_sums.hpp"

namespace razorscope {

HeadCache::HeadCache(const HeadCacheSpec& spec, AllocationCounter& counter)
    : spec_(spec),
      counter_(&counter),
      keys_(spec.key_codec->make_store(spec.head_size, RowRole::keys, counter)),
      values_(spec.value_codec->make_store(spec.head_size, RowRole::values, counter)),
      compensation_(make_compensation(spec.compensation, spec.slope, spec.head_size, counter)) {
  if (spec.rotation != nullptr && compensation_)
    throw std::logic_error("HeadCache: compensation slots have no slot position");
}

HeadCache::HeadCache(const HeadCache& other)
    : spec_(other.spec_),
      counter_(other.counter_),
      keys_(other.keys_->clone()),
      values_(other.values_->clone()),
      compensation_(other.compensation_ ? other.compensation_->clone() : nullptr),
      capacity_(other.capacity_),
      positions_(other.positions_),
      scores_(other.scores_) {}

void HeadCache::reserve_slots(int slots) {
  if (slots <= capacity_) return;
  const int capacity = rounded_capacity(slots);
  const auto bytes = static_cast<size_t>(capacity) * sizeof(int32_t);
  const auto used = static_cast<size_t>(tokens()) * sizeof(int32_t);
  if (positions_.data() != nullptr) positions_.resize(bytes, used, *counter_);
  if (spec_.keeps_scores) scores_.resize(bytes, scores_.data() == nullptr ? 0 : used, *counter_);
  capacity_ = capacity;
}

void HeadCache::store_positions() {
  if (positions_.data() != nullptr || capacity_ == 0) return;
  positions_ = CacheBuffer(static_cast<size_t>(capacity_) * sizeof(int32_t), *counter_);
  std::iota(positions_.as<int32_t>(), positions_.as<int32_t>() + tokens(), 0);
}

namespace {

/// The tokens of a prefix in runs that stay or leave as a whole, ascending.
struct PrefixRuns {
  std::vector<TokenRun> kept;
  std::vector<TokenRun> dropped;

  PrefixRuns(int tokens, std::span<const int32_t> dropped_tokens) {
    int next = 0;
    for (const int32_t t : dropped_tokens) {
      if (t < next || t >= tokens)
        throw std::logic_error("HeadCache::compress: the plan drops tokens that are not held");
      if (t > next) kept.push_back({next, t - next});
      if (t > next || dropped.empty()) dropped.push_back({t, 0});
      ++dropped.back().count;
      next = t + 1;
    }
    if (next < tokens) kept.push_back({next, tokens - next});
  }
};

}  // namespace

void HeadCache::compress(const float* keys, const float* values, size_t stride, int tokens,
                         const HeadPlan& plan, std::span<const float> scores) {
  compress(SourceRows::f32(keys, stride), SourceRows::f32(values, stride), tokens, plan, scores);
}

void HeadCache::compress(const SourceRows& keys, const SourceRows& values, int tokens, const HeadPlan& plan,
                         std::span<const float> scores) {
  if (this->tokens() != 0 || has_compensation())
    throw std::logic_error("HeadCache::compress: the cache is not empty");
  const PrefixRuns runs(tokens, plan.dropped);
  const auto leaving = static_cast<int>(plan.dropped.size());
  reserve_slots(tokens - leaving);
  if (leaving > 0) store_positions();
  keys_->reserve(tokens - leaving);
  values_->reserve(tokens - leaving);
  if (compensation_ && plan.fold) compensation_->begin(leaving);
  if (plan.fold) {
    for (const TokenRun& run : runs.dropped)
      folding().fold_run(run.first, run.count, spec_.head_size, keys.from(run.first), values.from(run.first));
  }
  fill_stores(keys, values, runs.kept);
  if (compensation_ && plan.fold) compensation_->end_prefix();
  size_t slot = 0;
  for (const TokenRun& run : runs.kept) {
    const auto count = static_cast<size_t>(run.count);
    if (positions_.data() != nullptr) {
      int32_t* positions = positions_.as<int32_t>() + slot;
      std::iota(positions, positions + count, run.first);
    }
    if (spec_.keeps_scores) std::copy_n(scores.begin() + run.first, count, scores_.as<float>() + slot);
    slot += count;
  }
}

void HeadCache::fill_stores(const SourceRows& keys, const SourceRows& values,
                            const std::vector<TokenRun>& kept) {
  calibrate(keys, values, kept);
  for (const TokenRun& run : kept) {
    append_keys(keys, run);
    values_->append_rows(values, run.first, run.count);
  }
  keys_->end_prefix();
  values_->end_prefix();
}

void HeadCache::calibrate(const SourceRows& keys, const SourceRows& values,
                          const std::vector<TokenRun>& kept) {
  const bool wanted_by_keys = keys_->wants_calibration();
  const bool wanted_by_values = values_->wants_calibration();
  if (!wanted_by_keys && !wanted_by_values) return;
  std::vector<float> buffer;
  std::vector<float> moved;
  for (const TokenRun& run : kept) {
    for (int t = run.first; t < run.first + run.count; ++t) {
      if (wanted_by_keys)
        keys_->calibrate(stored_key(t, row_as_floats(keys, t, spec_.head_size, buffer), moved));
      if (wanted_by_values) values_->calibrate(row_as_floats(values, t, spec_.head_size, buffer));
    }
  }
}

void HeadCache::append_keys(const SourceRows& keys, const TokenRun& run) {
  if (spec_.rotation == nullptr) {
    keys_->append_rows(keys, run.first, run.count);
    return;
  }
  std::vector<float> buffer;
  std::vector<float> moved;
  for (int t = run.first; t < run.first + run.count; ++t)
    keys_->append(stored_key(t, row_as_floats(keys, t, spec_.head_size, buffer), moved));
}

void HeadCache::append(int position, const float* key, const float* value) {
  const int slot = tokens();
  if (slot == capacity_) reserve_slots(capacity_ + std::max(block_tokens, capacity_ / 8));
  if (position != slot) store_positions();
  std::vector<float> buffer;
  keys_->append(stored_key(position, key, buffer));
  values_->append(value);
  if (positions_.data() != nullptr) positions_.as<int32_t>()[slot] = position;
  if (spec_.keeps_scores) scores_.as<float>()[slot] = 0.0F;
}

int HeadCache::slot_of(int32_t position) const {
  const std::span<const int32_t> held = positions();
  if (positions_.data() == nullptr) return position < tokens() ? position : -1;
  const auto found = std::find(held.begin(), held.end(), position);
  return found == held.end() ? -1 : static_cast<int>(found - held.begin());
}

void HeadCache::remove_slot(int slot) {
  const int end = tokens();
  const int filler = std::max(slot, std::min(keys_->unordered_rows(), values_->unordered_rows()) - 1);
  const auto remove_element = [&](auto* array) {
    array[slot] = array[filler];
    std::copy(array + filler + 1, array + end, array + filler);
  };
  remove_element(positions_.as<int32_t>());
  if (spec_.keeps_scores) remove_element(scores_.as<float>());
  keys_->remove(slot, filler);
  values_->remove(slot, filler);
}

void HeadCache::drop(const HeadPlan& plan) {
  if (plan.dropped.empty()) return;
  std::vector<float> key(static_cast<size_t>(spec_.head_size));
  std::vector<float> value(static_cast<size_t>(spec_.head_size));
  store_positions();
  for (const int32_t position : plan.dropped) {
    const int slot = slot_of(position);
    if (slot < 0) throw std::logic_error("HeadCache::drop: the plan drops a token that is not held");
    if (plan.fold) {
      keys_->read(slot, key.data());
      values_->read(slot, value.data());
      folding().fold(position, key.data(), value.data());
    }
    remove_slot(slot);
  }
}

CompensationSlots& HeadCache::folding() {
  if (!compensation_) throw std::logic_error("HeadCache: the plan folds, but there is no compensation slot");
  return *compensation_;
}

const float* HeadCache::stored_key(int position, const float* key, std::vector<float>& buffer) const {
  if (spec_.rotation == nullptr) return key;
  buffer.assign(key, key + spec_.head_size);
  spec_.rotation->move(buffer.data(), 1, -position);
  return buffer.data();
}

std::vector<int32_t> HeadCache::ranks() const {
  std::vector<int32_t> ranks(static_cast<size_t>(tokens()));
  std::iota(ranks.begin(), ranks.end(), 0);
  const std::span<const int32_t> held = positions();
  if (std::is_sorted(held.begin(), held.end())) return ranks;
  std::vector<int32_t> slots = ranks;
  const auto earlier = [&](int32_t a, int32_t b) {
    return held[static_cast<size_t>(a)] < held[static_cast<size_t>(b)];
  };
  std::sort(slots.begin(), slots.end(), earlier);
  for (size_t rank = 0; rank < slots.size(); ++rank)
    ranks[static_cast<size_t>(slots[rank])] = static_cast<int32_t>(rank);
  return ranks;
}

std::span<const int32_t> HeadCache::positions() const {
  if (positions_.data() == nullptr) return {};
  return {positions_.as<int32_t>(), static_cast<size_t>(tokens())};
}

std::vector<int32_t> HeadCache::sorted_positions() const {
  const std::span<const int32_t> held = positions();
  std::vector<int32_t> sorted(held.begin(), held.end());
  if (positions_.data() == nullptr) {
    sorted.resize(static_cast<size_t>(tokens()));
    std::iota(sorted.begin(), sorted.end(), 0);
  }
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

std::span<const float> HeadCache::compensation_key() const {
  return {compensation_->view(nullptr).keys, static_cast<size_t>(spec_.head_size)};
}

std::span<const float> HeadCache::compensation_value() const {
  return {compensation_->view(nullptr).values, static_cast<size_t>(spec_.head_size)};
}

float HeadCache::compensation_bias() const { return compensation_->view(nullptr).bias[0]; }

void HeadCache::read_all(float* keys, float* values) const {
  keys_->read_all(keys);
  values_->read_all(values);
}

namespace {

RowSegments f32_rows(const std::vector<float>& rows, int head_size) {
  const auto width = static_cast<size_t>(head_size);
  return RowSegment{RowFormat::f32, reinterpret_cast<const std::byte*>(rows.data()), width * sizeof(float),
                    static_cast<int>(rows.size() / width)};
}

/// All rows as they lie where kernels can read them, else decoded.
RowSegments readable(const RowStore& store, int head_size, std::vector<float>& decoded) {
  if (const std::optional<RowSegments> rows = store.kernel_rows()) return *rows;
  decoded.resize(static_cast<size_t>(store.rows()) * static_cast<size_t>(head_size));
  store.read_all(decoded.data());
  return f32_rows(decoded, head_size);
}

HeadView head_view(int head_size, int slots, const RowSegments& keys, const RowSegments& values) {
  HeadView head;
  head.head_size = head_size;
  head.slots = slots;
  head.keys = keys;
  head.values = values;
  return head;
}

}  // namespace

namespace {

void set_compensation(HeadView& head, const CompensationView& view) {
  head.compensation_slots = view.slots;
  head.compensation_keys = view.keys;
  head.compensation_values = view.values;
  head.compensation_bias = view.bias;
}

}  // namespace

std::optional<HeadView> HeadCache::view() const {
  if (spec_.rotation != nullptr || (has_compensation() && compensation_->depends_on_query()))
    return std::nullopt;
  const std::optional<RowSegments> keys = keys_->kernel_rows();
  const std::optional<RowSegments> values = values_->kernel_rows();
  if (!keys || !values) return std::nullopt;
  HeadView head = head_view(spec_.head_size, tokens(), *keys, *values);
  head.positions = positions_.as<int32_t>();
  if (has_compensation()) set_compensation(head, compensation_->view(nullptr));
  return head;
}

void HeadCache::attend(const GroupQuery& query, const GroupOutput& output) const {
  if (const std::optional<HeadView> head = view()) {
    attend_group(*head, query, output);
    return;
  }
  std::vector<float> decoded_keys;
  std::vector<float> decoded_values;
  const RowSegments values = readable(*values_, spec_.head_size, decoded_values);
  if (spec_.rotation == nullptr) {
    HeadView head =
        head_view(spec_.head_size, tokens(), readable(*keys_, spec_.head_size, decoded_keys), values);
    head.positions = positions_.as<int32_t>();
    attend_rows(head, query, output);
    return;
  }
  const auto d = static_cast<size_t>(spec_.head_size);
  decoded_keys.resize(static_cast<size_t>(tokens()) * d);
  keys_->read_all(decoded_keys.data());
  spec_.rotation->place(decoded_keys.data(), ranks());
  std::vector<float> moved(query.q, query.q + static_cast<size_t>(query.group) * d);
  // Back and forth, not by the difference: only so is the rounding of the position's own angle undone.
  spec_.rotation->move(moved.data(), query.group, -query.position);
  spec_.rotation->move(moved.data(), query.group, tokens() - 1);
  GroupQuery last = query;
  last.q = moved.data();
  attend_rows(head_view(spec_.head_size, tokens(), f32_rows(decoded_keys, spec_.head_size), values), last,
              output);
}

void HeadCache::attend_to(std::span<const int32_t> slots, const GroupQuery& query,
                          const GroupOutput& output) const {
  if (spec_.rotation != nullptr)
    throw std::logic_error("HeadCache::attend_to: the last slot's index would depend on what is read");
  const auto d = static_cast<size_t>(spec_.head_size);
  const size_t rows = slots.size();
  std::vector<float> keys(rows * d);
  std::vector<float> values(rows * d);
  std::vector<int32_t> read_positions(slots.begin(), slots.end());
  for (size_t i = 0; i < rows; ++i) {
    keys_->read(slots[i], keys.data() + i * d);
    values_->read(slots[i], values.data() + i * d);
    if (positions_.data() != nullptr) read_positions[i] = positions_.as<int32_t>()[slots[i]];
  }
  HeadView head = head_view(spec_.head_size, static_cast<int>(rows), f32_rows(keys, spec_.head_size),
                            f32_rows(values, spec_.head_size));
  head.positions = read_positions.data();
  const size_t entries = rows + static_cast<size_t>(compensation_slots());
  std::vector<float> scores(static_cast<size_t>(query.group) * entries);
  attend_rows(head, query, {output.out, scores.data(), output.log_sum});
  if (output.scores == nullptr) return;
  std::fill_n(output.scores, static_cast<size_t>(query.group) * static_cast<size_t>(this->entries()),
              -std::numeric_limits<float>::infinity());
  for (size_t g = 0; g < static_cast<size_t>(query.group); ++g) {
    const float* from = scores.data() + g * entries;
    float* to = output.scores + g * static_cast<size_t>(this->entries());
    for (size_t i = 0; i < rows; ++i) to[slots[i]] = from[i];
    std::copy(from + rows, from + entries, to + tokens());
  }
}

void HeadCache::attend_rows(HeadView head, const GroupQuery& query, const GroupOutput& output) const {
  if (!has_compensation() || !compensation_->depends_on_query()) {
    if (has_compensation()) set_compensation(head, compensation_->view(nullptr));
    attend_group(head, query, output);
    return;
  }
  std::vector<float> scaled(static_cast<size_t>(spec_.head_size));
  for (int g = 0; g < query.group; ++g) {
    GroupQuery one = query;
    one.group = 1;
    one.q = query.q + static_cast<ptrdiff_t>(g) * spec_.head_size;
    if (query.slopes != nullptr) one.slopes = query.slopes + g;
    std::transform(one.q, one.q + spec_.head_size, scaled.begin(), [&](float x) { return x * query.scale; });
    set_compensation(head, compensation_->view(scaled.data()));
    GroupOutput part = output;
    part.out += static_cast<ptrdiff_t>(g) * spec_.head_size;
    if (part.scores != nullptr) part.scores += static_cast<ptrdiff_t>(g) * head.entries();
    if (part.log_sum != nullptr) part.log_sum += g;
    attend_group(head, one, part);
  }
}

void HeadCache::add_scores(std::span<const float> added) {
  float* scores = scores_.as<float>();
  for (size_t slot = 0; slot < added.size(); ++slot) scores[slot] += added[slot];
}

std::span<const float> HeadCache::scores() const {
  return {scores_.as<float>(), static_cast<size_t>(tokens())};
}

ByteLedger HeadCache::ledger() const {
  const auto slots = static_cast<size_t>(tokens());
  const RowBytes keys = keys_->bytes();
  const RowBytes values = values_->bytes();
  ByteLedger ledger;
  ledger.keys = keys.payload;
  ledger.values = values.payload;
  ledger.scales = keys.scales + values.scales;
  ledger.residual = keys.residual + values.residual;
  if (positions_.data() != nullptr) ledger.positions = slots * sizeof(int32_t);
  if (spec_.keeps_scores) ledger.scores = slots * sizeof(float);
  if (compensation_) ledger.compensation = compensation_->bytes();
  const size_t allocated = keys.allocated + values.allocated + positions_.allocated() + scores_.allocated() +
                           (compensation_ ? compensation_->allocated() : 0);
  ledger.padding = allocated - ledger.logical();
  const double bits = spec_.key_codec->bits_per_element(spec_.head_size) +
                      spec_.value_codec->bits_per_element(spec_.head_size);
  ledger.nominal = static_cast<double>(entries()) * spec_.head_size * bits / 8.0;
  return ledger;
}

size_t HeadCache::physical_bytes(const HeadCacheSpec& spec, int tokens, int prefix, bool folds) {
  const size_t slot_array =
      CacheBuffer::block_size(static_cast<size_t>(rounded_capacity(tokens)) * sizeof(int32_t));
  size_t bytes = spec.key_codec->allocated_bytes(tokens, spec.head_size, RowRole::keys) +
                 spec.value_codec->allocated_bytes(tokens, spec.head_size, RowRole::values);
  if (spec.keeps_scores) bytes += slot_array;
  if (tokens == prefix) return bytes;
  bytes += slot_array;
  if (folds) bytes += compensation_bytes(spec.compensation, spec.head_size, prefix - tokens);
  return bytes;
}

}  // namespace razorscope
