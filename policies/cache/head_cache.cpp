#include "policies/cache/head_cache.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <stdexcept>

namespace razorscope {
namespace {

int rounded_capacity(int tokens) { return (tokens + block_tokens - 1) / block_tokens * block_tokens; }

size_t compensation_bytes(int head_size) { return (2 * static_cast<size_t>(head_size) + 1) * sizeof(float); }

}  // namespace

HeadCache::HeadCache(const HeadCacheSpec& spec, AllocationCounter& counter) : spec_(spec), counter_(&counter) {}

void HeadCache::reserve(int tokens) {
  if (tokens <= capacity_) return;
  const int capacity = rounded_capacity(tokens);
  const size_t key_bytes = spec_.key_codec->row_bytes(spec_.head_size);
  const size_t value_bytes = spec_.value_codec->row_bytes(spec_.head_size);
  const auto rows = static_cast<size_t>(capacity);
  const auto used = static_cast<size_t>(slots_);
  keys_.resize(rows * key_bytes, used * key_bytes, *counter_);
  values_.resize(rows * value_bytes, used * value_bytes, *counter_);
  if (positions_.data() != nullptr) positions_.resize(rows * sizeof(int32_t), used * sizeof(int32_t), *counter_);
  capacity_ = capacity;
}

void HeadCache::store_positions() {
  if (positions_.data() != nullptr || capacity_ == 0) return;
  positions_ = CacheBuffer(static_cast<size_t>(capacity_) * sizeof(int32_t), *counter_);
  std::iota(positions_.as<int32_t>(), positions_.as<int32_t>() + slots_, 0);
}

void HeadCache::store(int slot, int position, const float* key, const float* value) {
  const auto index = static_cast<size_t>(slot);
  spec_.key_codec->encode(key, spec_.head_size, keys_.data() + index * spec_.key_codec->row_bytes(spec_.head_size));
  spec_.value_codec->encode(value, spec_.head_size, values_.data() + index * spec_.value_codec->row_bytes(spec_.head_size));
  if (positions_.data() != nullptr) positions_.as<int32_t>()[slot] = position;
}

void HeadCache::compress(const float* keys, const float* values, size_t stride, int tokens, const HeadPlan& plan) {
  if (slots_ != 0 || folded_ != 0) throw std::logic_error("HeadCache::compress: the cache is not empty");
  reserve(tokens - static_cast<int>(plan.dropped.size()));
  if (!plan.dropped.empty()) store_positions();
  auto next_dropped = plan.dropped.begin();
  for (int t = 0; t < tokens; ++t) {
    const float* key = keys + static_cast<size_t>(t) * stride;
    const float* value = values + static_cast<size_t>(t) * stride;
    if (next_dropped != plan.dropped.end() && *next_dropped == t) {
      ++next_dropped;
      if (plan.fold) fold(t, key, value);
    } else {
      store(slots_++, t, key, value);
    }
  }
  if (next_dropped != plan.dropped.end()) throw std::logic_error("HeadCache::compress: the plan drops tokens that are not held");
}

void HeadCache::append(int position, const float* key, const float* value) {
  // One more block at a time while small, then an eighth more, so that appending stays linear.
  if (slots_ == capacity_) reserve(capacity_ + std::max(block_tokens, capacity_ / 8));
  if (position != slots_) store_positions();
  store(slots_++, position, key, value);
}

int HeadCache::slot_of(int32_t position) const {
  const std::span<const int32_t> held = positions();
  if (held.empty()) return position < slots_ ? position : -1;
  const auto found = std::find(held.begin(), held.end(), position);
  return found == held.end() ? -1 : static_cast<int>(found - held.begin());
}

void HeadCache::drop(const HeadPlan& plan) {
  if (plan.dropped.empty()) return;
  const size_t key_bytes = spec_.key_codec->row_bytes(spec_.head_size);
  const size_t value_bytes = spec_.value_codec->row_bytes(spec_.head_size);
  std::vector<float> key(static_cast<size_t>(spec_.head_size));
  std::vector<float> value(static_cast<size_t>(spec_.head_size));
  store_positions();
  for (const int32_t position : plan.dropped) {
    const int slot = slot_of(position);
    if (slot < 0) throw std::logic_error("HeadCache::drop: the plan drops a token that is not held");
    std::byte* key_row = keys_.data() + static_cast<size_t>(slot) * key_bytes;
    std::byte* value_row = values_.data() + static_cast<size_t>(slot) * value_bytes;
    if (plan.fold) {
      spec_.key_codec->decode(key_row, spec_.head_size, key.data());
      spec_.value_codec->decode(value_row, spec_.head_size, value.data());
      fold(position, key.data(), value.data());
    }
    const auto last = static_cast<size_t>(--slots_);
    if (static_cast<size_t>(slot) != last) {
      std::memcpy(key_row, keys_.data() + last * key_bytes, key_bytes);
      std::memcpy(value_row, values_.data() + last * value_bytes, value_bytes);
      positions_.as<int32_t>()[slot] = positions_.as<int32_t>()[last];
    }
  }
}

void HeadCache::fold(int position, const float* key, const float* value) {
  if (spec_.compensation == Compensation::none) throw std::logic_error("HeadCache::fold: this cache has no compensation slot");
  if (compensation_.data() == nullptr) compensation_ = CacheBuffer(compensation_bytes(spec_.head_size), *counter_);
  const double log_of_token = spec_.slope * position;
  ++folded_;
  if (spec_.slope == 0.0) {
    log_weight_ = std::log(static_cast<double>(folded_));  // exact for counts, where a running sum of logarithms drifts
  } else if (folded_ == 1) {
    log_weight_ = log_of_token;
  } else {
    const double larger = std::max(log_weight_, log_of_token);
    log_weight_ = larger + std::log(std::exp(log_weight_ - larger) + std::exp(log_of_token - larger));
  }
  // The share of the slot's weight that this token has: 1/N_d under RoPE.
  const auto share = static_cast<float>(std::exp(log_of_token - log_weight_));
  float* mean_key = compensation_.as<float>();
  float* mean_value = mean_key + spec_.head_size;
  for (int i = 0; i < spec_.head_size; ++i) {
    mean_key[i] += share * (key[i] - mean_key[i]);
    mean_value[i] += share * (value[i] - mean_value[i]);
  }
  mean_value[spec_.head_size] = spec_.compensation == Compensation::weighted ? static_cast<float>(log_weight_) : 0.0F;
}

std::span<const int32_t> HeadCache::positions() const {
  if (positions_.data() == nullptr) return {};
  return {positions_.as<int32_t>(), static_cast<size_t>(slots_)};
}

std::vector<int32_t> HeadCache::sorted_positions() const {
  const std::span<const int32_t> held = positions();
  std::vector<int32_t> sorted(held.begin(), held.end());
  if (positions_.data() == nullptr) {
    sorted.resize(static_cast<size_t>(slots_));
    std::iota(sorted.begin(), sorted.end(), 0);
  }
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

std::span<const float> HeadCache::compensation_key() const {
  return {compensation_.as<float>(), static_cast<size_t>(spec_.head_size)};
}

std::span<const float> HeadCache::compensation_value() const {
  return {compensation_.as<float>() + spec_.head_size, static_cast<size_t>(spec_.head_size)};
}

float HeadCache::compensation_bias() const { return compensation_.as<float>()[2 * spec_.head_size]; }

void HeadCache::attend(const GroupQuery& query, const GroupOutput& output) const {
  HeadView head;
  head.head_size = spec_.head_size;
  head.slots = slots_;
  head.key_format = spec_.key_codec->format();
  head.value_format = spec_.value_codec->format();
  head.keys = keys_.data();
  head.values = values_.data();
  head.key_stride = spec_.key_codec->row_bytes(spec_.head_size);
  head.value_stride = spec_.value_codec->row_bytes(spec_.head_size);
  head.positions = positions_.as<int32_t>();
  if (has_compensation()) {
    head.compensation_slots = 1;
    head.compensation_keys = compensation_.as<float>();
    head.compensation_values = head.compensation_keys + spec_.head_size;
    head.compensation_bias = head.compensation_values + spec_.head_size;
  }
  attend_group(head, query, output);
}

ByteLedger HeadCache::ledger() const {
  const auto slots = static_cast<size_t>(slots_);
  ByteLedger ledger;
  ledger.keys = slots * spec_.key_codec->row_bytes(spec_.head_size);
  ledger.values = slots * spec_.value_codec->row_bytes(spec_.head_size);
  if (positions_.data() != nullptr) ledger.positions = slots * sizeof(int32_t);
  if (has_compensation()) ledger.compensation = compensation_bytes(spec_.head_size);
  const size_t allocated =
      keys_.allocated() + values_.allocated() + positions_.allocated() + compensation_.allocated();
  ledger.padding = allocated - ledger.logical();
  const double bits =
      spec_.key_codec->bits_per_element(spec_.head_size) + spec_.value_codec->bits_per_element(spec_.head_size);
  ledger.nominal = static_cast<double>(entries()) * spec_.head_size * bits / 8.0;
  return ledger;
}

size_t HeadCache::physical_bytes(const HeadCacheSpec& spec, int tokens, int prefix, bool folds) {
  const auto rows = static_cast<size_t>(rounded_capacity(tokens));
  size_t bytes = CacheBuffer::block_size(rows * spec.key_codec->row_bytes(spec.head_size)) +
                 CacheBuffer::block_size(rows * spec.value_codec->row_bytes(spec.head_size));
  if (tokens == prefix) return bytes;
  bytes += CacheBuffer::block_size(rows * sizeof(int32_t));
  if (folds) bytes += CacheBuffer::block_size(compensation_bytes(spec.head_size));
  return bytes;
}

}  // namespace razorscope
