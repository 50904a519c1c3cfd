// Codecs, cache memory, and the cache of one head and one layer: what is held, what is folded, what it costs.
#include "policies/cache/head_cache.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <limits>
#include <malloc.h>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <rapidcheck/gtest.h>
#include <set>
#include <stdexcept>
#include <vector>

#include "models/base/half.hpp"
#include "policies/cache/layer_cache.hpp"

namespace razorscope {
namespace {

// Codecs

const Codec& codec(const std::string& name) {
  static std::map<std::string, std::unique_ptr<const Codec>> made;
  auto& entry = made[name];
  if (entry == nullptr) entry = find_codec("test", name).make({}, {});
  return *entry;
}

std::vector<float> through(const Codec& by, const std::vector<float>& row) {
  AllocationCounter counter;
  const auto store = by.make_store(static_cast<int>(row.size()), RowRole::keys, counter);
  store->reserve(1);
  store->append(row.data());
  store->end_prefix();
  std::vector<float> out(row.size());
  store->read(0, out.data());
  return out;
}

TEST(CodecTest, F16RoundsToNearestEvenAndSaturatesToInfinity) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float below = std::ldexp(1.0F, -25);  // half the smallest subnormal: a tie, to even
  EXPECT_EQ(through(codec("f16"), {1.0F, -2.5F, 0.0F, 2048.0F, 2049.0F, 2051.0F, 65504.0F, 65519.0F, 65520.0F,
                                   -1e30F, below, 1.5F * below}),
            (std::vector<float>{1.0F, -2.5F, 0.0F, 2048.0F, 2048.0F, 2052.0F, 65504.0F, 65504.0F, infinity,
                                -infinity, 0.0F, 2.0F * below}));
}

RC_GTEST_PROP(CodecTest, F32KeepsEveryBit, (const std::vector<float>& row)) {
  const std::vector<float> out = through(codec("f32"), row);
  for (size_t i = 0; i < row.size(); ++i)
    RC_ASSERT(std::bit_cast<uint32_t>(out[i]) == std::bit_cast<uint32_t>(row[i]));
}

RC_GTEST_PROP(CodecTest, F16IsWithinHalfAnUlp, ()) {
  const float x =
      std::ldexp(static_cast<float>(*rc::gen::inRange(-(1 << 24), 1 << 24)), *rc::gen::inRange(-50, -8));
  const float y = through(codec("f16"), {x})[0];
  const float ulp =
      std::max(std::ldexp(1.0F, -24), std::ldexp(1.0F, std::ilogb(std::max(std::abs(x), 1e-30F)) - 10));
  RC_ASSERT(std::abs(x - y) <= 0.5F * ulp);
  RC_ASSERT(through(codec("f16"), {y})[0] == y);
}

// Memory

TEST(CacheBufferTest, IsAlignedZeroedAndCounted) {
  AllocationCounter counter;
  {
    const CacheBuffer buffer(100, counter);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0U);
    EXPECT_EQ(buffer.allocated(), 128U);
    EXPECT_EQ(buffer.allocated(), CacheBuffer::block_size(100));
    for (size_t i = 0; i < buffer.allocated(); ++i) EXPECT_EQ(buffer.data()[i], std::byte{0});
    EXPECT_EQ(counter.live(), 128U);
    const CacheBuffer empty(0, counter);
    EXPECT_EQ(empty.data(), nullptr);
    EXPECT_EQ(empty.allocated(), 0U);
    EXPECT_EQ(counter.live(), 128U);
  }
  EXPECT_EQ(counter.live(), 0U);
  EXPECT_EQ(counter.peak(), 128U);
}

TEST(CacheBufferTest, ResizingKeepsWhatIsAskedAndPeaksAtBothBlocks) {
  AllocationCounter counter;
  CacheBuffer buffer(64, counter);
  for (int i = 0; i < 16; ++i) buffer.as<int32_t>()[i] = i;
  buffer.resize(256, 10 * sizeof(int32_t), counter);
  for (int i = 0; i < 64; ++i) EXPECT_EQ(buffer.as<int32_t>()[i], i < 10 ? i : 0);
  EXPECT_EQ(counter.live(), 256U);
  EXPECT_EQ(counter.peak(), 64U + 256U);
}

TEST(CacheBufferTest, MovingMovesTheCountToo) {
  AllocationCounter counter;
  CacheBuffer first(64, counter);
  CacheBuffer second(std::move(first));
  EXPECT_EQ(counter.live(), 64U);
  CacheBuffer third(128, counter);
  third = std::move(second);
  EXPECT_EQ(counter.live(), 64U);
  CacheBuffer& same = third;
  third = std::move(same);
  EXPECT_NE(third.data(), nullptr);
  third = CacheBuffer();
  EXPECT_EQ(counter.live(), 0U);
}

// One head

struct Row {
  std::vector<float> key;
  std::vector<float> value;
};

/// Keys are of length 1, so that a long query along a key attends to that key alone.
Row random_row(int head_size, std::mt19937& random) {
  std::normal_distribution<float> normal;
  Row row;
  float norm = 0.0F;
  for (int i = 0; i < head_size; ++i) {
    row.key.push_back(normal(random));
    row.value.push_back(normal(random));
    norm += row.key.back() * row.key.back();
  }
  for (float& x : row.key) x /= std::sqrt(norm);
  return row;
}

/// What a HeadCache must be, kept the plain way.
class PlainCache {
 public:
  explicit PlainCache(const HeadCacheSpec& spec) : spec_(spec) {}

  void add(int position, const Row& row) {
    held_[position] = {through(*spec_.key_codec, row.key), through(*spec_.value_codec, row.value)};
  }
  /// Of the held, as decoded.
  void drop(const HeadPlan& plan) {
    for (const int32_t position : plan.dropped) {
      if (plan.fold) folded_[position] = held_.at(position);
      held_.erase(position);
      has_dropped_ = true;
    }
  }
  /// A token of the prefix that is never stored: folded from its exact value.
  void pass_over(int position, const Row& row, bool fold) {
    if (fold) folded_[position] = row;
    has_dropped_ = true;
  }

  const std::map<int32_t, Row>& held() const { return held_; }
  const std::map<int32_t, Row>& folded() const { return folded_; }
  bool has_dropped() const { return has_dropped_; }
  std::vector<int32_t> positions() const {
    std::vector<int32_t> out;
    for (const auto& [position, row] : held_) out.push_back(position);
    return out;
  }
  /// ln Σ exp(slope·n): ln N under RoPE.
  double log_weight(double shift) const {
    double sum = 0.0;
    for (const auto& [position, row] : folded_) sum += std::exp(spec_.slope * (position - shift));
    return std::log(sum);
  }
  Row mean() const {
    const auto d = static_cast<size_t>(spec_.head_size);
    std::vector<double> key(d);
    std::vector<double> value(d);
    const double shift = folded_.rbegin()->first;
    for (const auto& [position, row] : folded_) {
      const double share = std::exp(spec_.slope * (position - shift) - log_weight(shift));
      for (size_t i = 0; i < d; ++i) {
        key[i] += share * row.key[i];
        value[i] += share * row.value[i];
      }
    }
    return {{key.begin(), key.end()}, {value.begin(), value.end()}};
  }

 private:
  HeadCacheSpec spec_;
  std::map<int32_t, Row> held_;
  std::map<int32_t, Row> folded_;
  bool has_dropped_ = false;
};

struct Attended {
  std::vector<float> out;
  std::vector<float> scores;
};

Attended attend(const HeadCache& cache, const std::vector<float>& queries, int head_size,
                std::optional<float> slope = {}, int position = 0) {
  GroupQuery query;
  query.group = static_cast<int>(queries.size()) / head_size;
  query.q = queries.data();
  query.slopes = slope ? &*slope : nullptr;
  query.position = position;
  Attended attended;
  attended.out.resize(queries.size());
  attended.scores.resize(static_cast<size_t>(query.group * cache.entries()));
  cache.attend(query, {attended.out.data(), attended.scores.data(), nullptr});
  return attended;
}

/// RC_ASSERT where a property runs, by exception elsewhere.
void require(bool condition, const std::string& what) {
  if (!condition) throw std::logic_error(what);
}

bool near(const std::vector<float>& a, const std::vector<float>& b, float allowed) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](float x, float y) { return std::abs(x - y) <= allowed; });
}

void check_held(const HeadCache& cache, const PlainCache& plain, int head_size) {
  require(cache.sorted_positions() == plain.positions(), "the held positions differ");
  require(cache.tokens() == static_cast<int>(plain.held().size()), "tokens()");
  if (cache.entries() == 0) return;
  std::vector<int32_t> slots(cache.positions().begin(), cache.positions().end());
  if (slots.empty()) slots = plain.positions();
  require(slots.size() == plain.held().size(), "positions() has another length");
  const auto d = static_cast<size_t>(head_size);
  for (size_t slot = 0; slot < slots.size(); ++slot) {
    const Row& row = plain.held().at(slots[slot]);
    // A unit vector as the query reads one channel of every key, exactly.
    std::vector<float> unit(d, 0.0F);
    const size_t channel = slot % d;
    unit[channel] = 1.0F;
    require(attend(cache, unit, head_size).scores[slot] == row.key[channel], "a key differs");
    if (head_size < 6) continue;  // too many keys lie close to each other
    std::vector<float> along = row.key;
    for (float& x : along) x *= 1e5F;
    require(near(attend(cache, along, head_size).out, row.value, 1e-4F), "a value differs");
  }
}

void check_compensation(const HeadCache& cache, const PlainCache& plain, const HeadCacheSpec& spec) {
  require(cache.has_compensation() == !plain.folded().empty(), "has_compensation()");
  require(cache.entries() == cache.tokens() + (cache.has_compensation() ? 1 : 0), "entries()");
  if (!cache.has_compensation()) return;
  const Row mean = plain.mean();
  require(near({cache.compensation_key().begin(), cache.compensation_key().end()}, mean.key, 1e-5F),
          "the mean key differs");
  require(near({cache.compensation_value().begin(), cache.compensation_value().end()}, mean.value, 1e-5F),
          "the mean value differs");
  if (spec.compensation == Compensation::unweighted) {
    require(cache.compensation_bias() == 0.0F, "an unweighted slot has a bias");
    return;
  }
  if (spec.slope == 0.0) {
    const double expected = std::log(static_cast<double>(plain.folded().size()));
    require(std::abs(cache.compensation_bias() - expected) <= 1e-6 * std::max(1.0, expected),
            "the bias is not ln N");
  }
  // The score of a query that is orthogonal to everything: the bias, less the slope times the query's
  // position.
  const int position = plain.folded().rbegin()->first + 100;
  const auto slope = static_cast<float>(spec.slope);
  const Attended zero = attend(cache, std::vector<float>(static_cast<size_t>(spec.head_size)), spec.head_size,
                               spec.slope > 0.0 ? std::optional(slope) : std::nullopt, position);
  const double expected = plain.log_weight(spec.slope > 0.0 ? position : 0);
  require(std::abs(zero.scores.back() - expected) <= 4e-7 * std::max(10.0, spec.slope * position),
          "the slot's score differs");
}

void check_ledger(const HeadCache& cache, const PlainCache& plain, const HeadCacheSpec& spec) {
  const ByteLedger ledger = cache.ledger();
  const size_t slots = plain.held().size();
  const auto d = static_cast<size_t>(spec.head_size);
  require(
      ledger.keys == slots * static_cast<size_t>(spec.key_codec->bits_per_element(spec.head_size)) * d / 8,
      "bytes of keys");
  require(ledger.values ==
              slots * static_cast<size_t>(spec.value_codec->bits_per_element(spec.head_size)) * d / 8,
          "bytes of values");
  require(ledger.positions == (plain.has_dropped() ? 4 * slots : 0), "bytes of positions");
  require(ledger.compensation == (plain.folded().empty() ? 0 : 4 * (2 * d + 1)), "bytes of compensation");
  require(ledger.logical() == ledger.keys + ledger.values + ledger.positions + ledger.compensation,
          "logical()");
  require(ledger.physical() == ledger.logical() + ledger.padding, "physical()");
  const double bits =
      spec.key_codec->bits_per_element(spec.head_size) + spec.value_codec->bits_per_element(spec.head_size);
  const double entries = static_cast<double>(slots) + (plain.folded().empty() ? 0.0 : 1.0);
  require(std::abs(ledger.nominal - entries * static_cast<double>(d) * bits / 8.0) < 1e-9,
          "the nominal bytes");
}

/// Some of the held positions, ascending.
HeadPlan random_plan(const std::vector<int32_t>& held, bool may_fold) {
  HeadPlan plan;
  const int percent = *rc::gen::element(0, 10, 50, 100);
  for (const int32_t position : held) {
    if (*rc::gen::inRange(0, 100) < percent) plan.dropped.push_back(position);
  }
  plan.fold = may_fold && *rc::gen::inRange(0, 4) > 0;
  return plan;
}

struct Heads {
  HeadCacheSpec spec;
  HeadCache cache;
  PlainCache plain;
};

RC_GTEST_PROP(HeadCacheTest, EqualsAPlainCacheUnderAnyOperations, ()) {
  std::mt19937 random(static_cast<uint32_t>(*rc::gen::inRange(0, 1 << 30)));
  AllocationCounter counter;
  {
    std::vector<Heads> heads;
    const int count = *rc::gen::inRange(1, 4);
    for (int h = 0; h < count; ++h) {
      HeadCacheSpec spec;
      spec.head_size = *rc::gen::element(1, 3, 8, 31, 64);
      spec.key_codec = &codec(*rc::gen::element<std::string>("f32", "f16"));
      spec.value_codec = &codec(*rc::gen::element<std::string>("f32", "f16"));
      spec.compensation =
          *rc::gen::element(Compensation::none, Compensation::weighted, Compensation::unweighted);
      if (spec.compensation == Compensation::weighted)
        spec.slope = *rc::gen::element(0.0, 0.0, 0.5, 0.00390625);
      heads.push_back({spec, HeadCache(spec, counter), PlainCache(spec)});
    }
    const auto check = [&] {
      size_t physical = 0;
      for (const Heads& head : heads) {
        check_held(head.cache, head.plain, head.spec.head_size);
        check_compensation(head.cache, head.plain, head.spec);
        check_ledger(head.cache, head.plain, head.spec);
        physical += head.cache.ledger().physical();
      }
      require(physical == counter.live(), "the ledger is not what is allocated");
    };
    check();
    const int prefix = *rc::gen::inRange(1, 70);
    for (Heads& head : heads) {
      const auto d = static_cast<size_t>(head.spec.head_size);
      const size_t stride = d + static_cast<size_t>(*rc::gen::inRange(0, 3));
      std::vector<float> keys(static_cast<size_t>(prefix) * stride);
      std::vector<float> values(keys.size());
      std::vector<int32_t> all;
      std::vector<Row> rows;
      for (int t = 0; t < prefix; ++t) {
        all.push_back(t);
        rows.push_back(random_row(head.spec.head_size, random));
        std::copy(rows.back().key.begin(), rows.back().key.end(),
                  keys.begin() + t * static_cast<ptrdiff_t>(stride));
        std::copy(rows.back().value.begin(), rows.back().value.end(),
                  values.begin() + t * static_cast<ptrdiff_t>(stride));
      }
      const HeadPlan plan = random_plan(all, head.spec.compensation != Compensation::none);
      for (int t = 0; t < prefix; ++t) {
        if (std::binary_search(plan.dropped.begin(), plan.dropped.end(), t)) {
          head.plain.pass_over(t, rows[static_cast<size_t>(t)], plan.fold);
        } else {
          head.plain.add(t, rows[static_cast<size_t>(t)]);
        }
      }
      head.cache.compress(keys.data(), values.data(), stride, prefix, plan);
      const int kept = prefix - static_cast<int>(plan.dropped.size());
      require(head.cache.ledger().physical() ==
                  HeadCache::physical_bytes(head.spec, kept, prefix, plan.fold && kept < prefix),
              "physical_bytes() predicts something else");
    }
    check();
    int position = prefix;
    const int operations = *rc::gen::inRange(1, 25);
    for (int i = 0; i < operations; ++i) {
      for (Heads& head : heads) {
        if (*rc::gen::inRange(0, 4) > 0) {
          const Row row = random_row(head.spec.head_size, random);
          head.cache.append(position, row.key.data(), row.value.data());
          head.plain.add(position, row);
          // A gap between positions is as if a token had been dropped.
          if (position != static_cast<int>(head.plain.held().size()) - 1)
            head.plain.pass_over(position, row, false);
        } else {
          const HeadPlan plan =
              random_plan(head.plain.positions(), head.spec.compensation != Compensation::none);
          head.cache.drop(plan);
          head.plain.drop(plan);
        }
      }
      ++position;
      check();
    }
  }
  require(counter.live() == 0, "caches that are gone still count");
}

RC_GTEST_PROP(HeadCacheTest, APrefixInHalvesIsTheSamePrefixInFloats, ()) {
  std::mt19937 random(static_cast<uint32_t>(*rc::gen::inRange(0, 1 << 30)));
  HeadCacheSpec spec;
  spec.head_size = *rc::gen::element(1, 3, 8, 31, 64);
  spec.key_codec = &codec(*rc::gen::element<std::string>("f32", "f16", "bf16", "fp8-e4m3", "kivi4"));
  spec.value_codec = &codec(*rc::gen::element<std::string>("f32", "f16", "q8_0", "kivi4"));
  spec.compensation = *rc::gen::element(Compensation::none, Compensation::weighted, Compensation::unweighted,
                                        Compensation::variance, Compensation::chunks);
  spec.keeps_scores = *rc::gen::arbitrary<bool>();
  const int prefix = *rc::gen::inRange(1, 200);
  const auto d = static_cast<size_t>(spec.head_size);
  const size_t stride = d + static_cast<size_t>(*rc::gen::inRange(0, 3));
  std::vector<float> keys(static_cast<size_t>(prefix) * stride);
  std::vector<float> values(keys.size());
  std::vector<std::byte> half_keys(2 * keys.size());
  std::vector<std::byte> half_values(2 * keys.size());
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < keys.size(); ++i) {
    keys[i] = round_to_half(normal(random));
    values[i] = round_to_half(normal(random));
  }
  store_half(keys.data(), keys.size(), half_keys.data());
  store_half(values.data(), values.size(), half_values.data());
  std::vector<int32_t> all(static_cast<size_t>(prefix));
  std::iota(all.begin(), all.end(), 0);
  const HeadPlan plan = random_plan(all, spec.compensation != Compensation::none);
  std::vector<float> scores(spec.keeps_scores ? all.size() : 0);
  for (float& score : scores) score = normal(random);

  AllocationCounter counter;
  HeadCache from_floats(spec, counter);
  HeadCache from_halves(spec, counter);
  from_floats.compress(keys.data(), values.data(), stride, prefix, plan, scores);
  from_halves.compress({RowFormat::f16, half_keys.data(), 2 * stride},
                       {RowFormat::f16, half_values.data(), 2 * stride}, prefix, plan, scores);
  require(from_floats.ledger().physical() + from_halves.ledger().physical() == counter.live(), "the ledger");
  require(std::ranges::equal(from_floats.positions(), from_halves.positions()), "positions");
  if (spec.keeps_scores) {
    require(std::ranges::equal(from_floats.scores(), from_halves.scores()), "scores");
    const std::vector<int32_t> held = from_halves.sorted_positions();
    for (size_t slot = 0; slot < held.size(); ++slot)
      require(from_halves.scores()[slot] == scores[static_cast<size_t>(held[slot])], "a score");
  }
  const auto read = [&](const HeadCache& cache) {
    std::vector<float> rows(2 * static_cast<size_t>(cache.tokens()) * d);
    cache.read_all(rows.data(), rows.data() + rows.size() / 2);
    return rows;
  };
  require(read(from_floats) == read(from_halves), "rows that are kept");
  require(from_floats.has_compensation() == from_halves.has_compensation(), "has_compensation()");
  if (!from_floats.has_compensation()) return;
  require(std::ranges::equal(from_floats.compensation_key(), from_halves.compensation_key()), "mean keys");
  require(std::ranges::equal(from_floats.compensation_value(), from_halves.compensation_value()),
          "mean values");
  require(from_floats.compensation_bias() == from_halves.compensation_bias(), "biases");
}

class OneHead : public ::testing::Test {
 protected:
  static constexpr int head_size = 8;

  OneHead() {
    spec_.head_size = head_size;
    spec_.key_codec = spec_.value_codec = &codec("f32");
    spec_.compensation = Compensation::weighted;
  }

  /// A cache with tokens 0 .. tokens - 1, less the planned ones.
  HeadCache filled(int tokens, const HeadPlan& plan = {}) {
    rows_.clear();
    std::mt19937 random(7);
    std::vector<float> keys;
    std::vector<float> values;
    for (int t = 0; t < tokens; ++t) {
      rows_.push_back(random_row(head_size, random));
      keys.insert(keys.end(), rows_.back().key.begin(), rows_.back().key.end());
      values.insert(values.end(), rows_.back().value.begin(), rows_.back().value.end());
    }
    HeadCache cache(spec_, counter_);
    cache.compress(keys.data(), values.data(), head_size, tokens, plan);
    return cache;
  }

  AllocationCounter counter_;
  HeadCacheSpec spec_;
  std::vector<Row> rows_;
};

using HeadCacheUnitTest = OneHead;

TEST_F(HeadCacheUnitTest, FoldingOneByOneEqualsFoldingAtOnce) {
  for (const double slope : {0.0, 0.25}) {
    spec_.slope = slope;
    HeadPlan all;
    for (int32_t t = 1; t < 40; ++t) all.dropped.push_back(t);
    all.fold = true;
    const HeadCache at_once = filled(50, all);
    HeadCache one_by_one = filled(50);
    for (const int32_t t : all.dropped) one_by_one.drop({{t}, true});
    EXPECT_EQ(one_by_one.sorted_positions(), at_once.sorted_positions());
    for (int i = 0; i < head_size; ++i) {
      EXPECT_NEAR(one_by_one.compensation_key()[static_cast<size_t>(i)],
                  at_once.compensation_key()[static_cast<size_t>(i)], 1e-5);
      EXPECT_NEAR(one_by_one.compensation_value()[static_cast<size_t>(i)],
                  at_once.compensation_value()[static_cast<size_t>(i)], 1e-5);
    }
    EXPECT_NEAR(one_by_one.compensation_bias(), at_once.compensation_bias(), 1e-5);
  }
}

TEST_F(HeadCacheUnitTest, EverythingFoldedIsTheMeanOfEverything) {
  HeadPlan all;
  for (int32_t t = 0; t < 100; ++t) all.dropped.push_back(t);
  all.fold = true;
  const HeadCache cache = filled(100, all);
  EXPECT_EQ(cache.tokens(), 0);
  EXPECT_EQ(cache.entries(), 1);
  std::vector<float> mean(head_size, 0.0F);
  for (const Row& row : rows_) {
    for (size_t i = 0; i < head_size; ++i) mean[i] += row.value[i] / 100.0F;
  }
  EXPECT_TRUE(near(attend(cache, std::vector<float>(head_size, 3.0F), head_size).out, mean, 1e-5F))
      << "whatever the query is";
  EXPECT_NEAR(cache.compensation_bias(), std::log(100.0), 1e-6);
}

TEST_F(HeadCacheUnitTest, RunningMeansDoNotDriftOverManyTokens) {
  for (const double slope : {0.0, 0.00390625}) {
    spec_.slope = slope;
    constexpr int tokens = 20000;
    HeadPlan all;
    for (int32_t t = 0; t < tokens; ++t) all.dropped.push_back(t);
    all.fold = true;
    const HeadCache cache = filled(tokens, all);
    std::vector<double> mean(head_size, 0.0);
    double total = 0.0;
    for (int t = 0; t < tokens; ++t) {
      const double weight = std::exp(slope * (t - tokens));
      total += weight;
      for (size_t i = 0; i < head_size; ++i) mean[i] += weight * rows_[static_cast<size_t>(t)].value[i];
    }
    for (size_t i = 0; i < head_size; ++i) EXPECT_NEAR(cache.compensation_value()[i], mean[i] / total, 1e-5);
    EXPECT_NEAR(cache.compensation_bias(), std::log(total) + slope * tokens,
                1e-6 * std::max(10.0, slope * tokens));
  }
}

TEST_F(HeadCacheUnitTest, AFoldedTokenWeighsAsItDidBeforeUnderAQueryThatIgnoresKeys) {
  for (const double slope : {0.0, 0.5, 0.0625}) {
    spec_.slope = slope;
    const auto with = slope > 0.0 ? std::optional(static_cast<float>(slope)) : std::nullopt;
    const std::vector<float> zero(head_size, 0.0F);
    const HeadCache whole = filled(60);
    const Attended before = attend(whole, zero, head_size, with, 60);
    HeadCache folded = filled(60);
    folded.drop({{5, 6, 7, 20, 33, 41}, true});
    EXPECT_TRUE(near(attend(folded, zero, head_size, with, 60).out, before.out, 1e-5F)) << "slope " << slope;
  }
}

TEST_F(HeadCacheUnitTest, MisuseIsALogicError) {
  HeadCache cache = filled(10);
  const std::vector<float> row(10 * head_size, 0.0F);
  EXPECT_THROW(cache.compress(row.data(), row.data(), head_size, 10, {}), std::logic_error);
  EXPECT_THROW(cache.drop({{10}, false}), std::logic_error);
  EXPECT_THROW(cache.drop({{-1}, false}), std::logic_error);
  cache.drop({{3}, false});
  EXPECT_THROW(cache.drop({{3}, false}), std::logic_error);
  EXPECT_THROW(filled(10, {{4, 12}, false}), std::logic_error);
  EXPECT_THROW(filled(10, {{4, 4}, false}), std::logic_error);
  EXPECT_THROW(filled(10, {{4, 3}, false}), std::logic_error);
  spec_.compensation = Compensation::none;
  EXPECT_THROW(filled(10, {{4}, true}), std::logic_error);
}

TEST_F(HeadCacheUnitTest, MemoryIsHandedOutInBlocksAndGrowsByAnEighth) {
  const auto capacity_bytes = [&](size_t tokens) { return 2 * tokens * head_size * sizeof(float); };
  EXPECT_EQ(filled(1).ledger().physical(), capacity_bytes(16));
  EXPECT_EQ(filled(16).ledger().physical(), capacity_bytes(16));
  EXPECT_EQ(filled(17).ledger().physical(), capacity_bytes(32));
  HeadCache cache = filled(256);
  cache.append(256, rows_[0].key.data(), rows_[0].value.data());
  EXPECT_EQ(cache.ledger().physical(), capacity_bytes(256 + 32));
  HeadPlan most;
  for (int32_t t = 1; t < 256; ++t) most.dropped.push_back(t);
  EXPECT_EQ(filled(256, most).ledger().physical(), capacity_bytes(16) + 16 * sizeof(int32_t));
}

TEST_F(HeadCacheUnitTest, TheAllocatorAgreesWithTheLedger) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's allocator does not tell what is in use";
#else
  const auto in_use = [] {
    const struct mallinfo2 info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  spec_.head_size = 64;
  std::vector<float> rows(3000 * 64, 0.5F);
  HeadPlan plan;
  for (int32_t t = 4; t < 1000; ++t) plan.dropped.push_back(t);
  plan.fold = true;
  std::vector<HeadCache> heads;
  heads.reserve(8);
  const size_t before = in_use();
  for (int h = 0; h < 8; ++h) {
    heads.emplace_back(spec_, counter_);
    heads.back().compress(rows.data(), rows.data(), 64, 3000 - h, plan);
  }
  size_t physical = 0;
  for (const HeadCache& head : heads) physical += head.ledger().physical();
  EXPECT_EQ(physical, counter_.live());
  const size_t after = in_use();
  // Malloc's own headers, alignment and, for blocks that are mapped, whole pages.
  EXPECT_GE(after - before, physical);
  EXPECT_LE(after - before, physical + heads.size() * 4 * 5000);
  EXPECT_GT(physical, size_t{8} * 2000 * 2 * 64 * 4);
  heads.clear();
  EXPECT_EQ(counter_.live(), 0U);
  EXPECT_LE(in_use(), before + 16384);  // malloc keeps small freed blocks at hand
#endif
}

// One layer

class FixedBounds final : public ScoreBoundSource {
 public:
  double bound(const std::string&, double, int layer, int kv_head) const override {
    return 0.1 * (1 + layer + kv_head);
  }
};

Shape random_shape(bool alibi) {
  Shape shape;
  shape.layers = *rc::gen::inRange(1, 4);
  shape.kv_heads = *rc::gen::inRange(1, 4);
  shape.query_heads = shape.kv_heads * *rc::gen::inRange(1, 3);
  shape.head_size = *rc::gen::element(1, 8, 31);
  shape.score_scale = 1.0F;
  if (alibi) {
    shape.position = PositionScheme::alibi;
    shape.alibi_slopes = alibi_slopes(shape.query_heads, 8.0F);
  }
  return shape;
}

HeadScores random_scores(const Shape& shape) {
  HeadScores scores;
  scores.layers = shape.layers;
  scores.query_heads = shape.query_heads;
  scores.kv_heads = shape.kv_heads;
  for (int i = 0; i < shape.layers * shape.query_heads; ++i) {
    scores.echo.push_back(*rc::gen::inRange(0, 100) / 100.0);
    scores.induction.push_back(*rc::gen::inRange(0, 100) / 100.0);
  }
  return scores;
}

/// What a policy is said to take after the prefix is what its caches then take, in the ledger and from the
/// allocator.
RC_GTEST_PROP(LayerCacheTest, PredictedBytesAreTheRealOnes, ()) {
  const bool alibi = *rc::gen::arbitrary<bool>();
  const Shape shape = random_shape(alibi);
  const HeadScores probe = random_scores(shape);
  const FixedBounds bounds;
  SelectionContext context{.shape = shape, .prefix = *rc::gen::inRange(1, 120)};
  context.probe = &probe;
  context.bounds = &bounds;
  const std::string recent = std::to_string(*rc::gen::inRange(0, 130));
  const std::string sinks = std::to_string(*rc::gen::inRange(0, 10));
  std::vector<std::string> selections = {"full", "window:recent=" + recent + ",sinks=" + sinks,
                                         "razor/none:recent=" + recent,
                                         "razor/none:ratio=3,min=2,choose=bytes,budget=0.5"};
  if (!alibi) selections.push_back("razor/unweighted:recent=" + recent + ",choose=gap");
  if (!alibi || shape.group_size() == 1)
    selections.push_back("razor:recent=" + recent + ",sinks=" + sinks +
                         ",choose=threshold,induction=0.9,echo=0.9");
  if (alibi) selections.push_back("razor/scope:epsilon=0.1,sinks=" + sinks);
  const auto codecs = *rc::gen::element<std::string>("+f16", "+f32", "+k=f32", "+v=f32+f16");
  const Policy policy = Policy::parse(*rc::gen::elementOf(selections) + codecs);
  RC_LOG() << policy.name() << ", prefix " << context.prefix << std::endl;
  const PolicyRun run(policy, context);
  AllocationCounter counter;
  {
    const std::vector<float> rows(static_cast<size_t>(context.prefix * shape.kv_width()), 0.25F);
    std::vector<LayerCache> layers;
    ByteLedger ledger;
    for (int layer = 0; layer < shape.layers; ++layer) {
      layers.emplace_back(run, layer, counter);
      PrefixView prefix;
      prefix.keys = prefix.values = {rows.data(), static_cast<size_t>(shape.kv_width()),
                                     static_cast<size_t>(shape.head_size)};
      layers.back().compress(prefix, context.prefix);
      ledger += layers.back().ledger();
    }
    RC_ASSERT(ledger.physical() == counter.live());
    RC_ASSERT(run.predicted_bytes(context.prefix) == counter.live());
    for (int position = context.prefix; position < context.prefix + 40; ++position) {
      ledger = {};
      for (LayerCache& layer : layers) {
        layer.append(position, rows.data(), rows.data());
        layer.end_step(position);
        ledger += layer.ledger();
      }
      RC_ASSERT(ledger.physical() == counter.live());
    }
  }
  RC_ASSERT(counter.live() == 0U);
}

TEST(LayerCacheTest, ABudgetInBytesIsNotExceededWhateverTheCodec) {
  Shape shape;
  shape.layers = 2;
  shape.query_heads = shape.kv_heads = 5;
  shape.head_size = 64;
  HeadScores probe;
  probe.layers = 2;
  probe.query_heads = probe.kv_heads = 5;
  probe.echo = probe.induction = {.1, .9, .2, .3, .4, .8, .0, .7, .05, .6};
  SelectionContext context{.shape = shape, .prefix = 160};
  context.probe = &probe;
  const size_t full = size_t{10} * 160 * 64 * 2 * 2;
  for (const char* codec : {"f16", "f32"}) {
    for (const size_t budget : {full, full / 2, full / 3}) {
      const Policy policy =
          Policy::parse(fmt::format("razor/none:recent=12,choose=bytes,budget={}B+{}", budget, codec));
      EXPECT_LE(PolicyRun(policy, context).predicted_bytes(160), budget) << policy.name();
    }
  }
}

TEST(LayerCacheTest, HeadsTakeTheirRowsFromTheLayersAndTheCodecOfTheirKind) {
  Shape shape;
  shape.layers = 1;
  shape.query_heads = shape.kv_heads = 2;
  shape.head_size = 3;
  HeadScores probe;
  probe.layers = 1;
  probe.query_heads = probe.kv_heads = 2;
  probe.echo = {0.0, 0.9};
  probe.induction = {0.0, 0.9};
  SelectionContext context{.shape = shape, .prefix = 5};
  context.probe = &probe;
  const PolicyRun run(Policy::parse("razor/none:sinks=1,recent=2,choose=gap+protected=f32+others=f16"),
                      context);
  AllocationCounter counter;
  LayerCache layer(run, 0, counter);
  std::vector<float> rows;  // [tokens, heads, head size], channel 0 tells token and head
  for (int t = 0; t < 6; ++t) {
    for (int h = 0; h < 2; ++h) rows.insert(rows.end(), {static_cast<float>(10 * t + h), 0.1F, 0.0F});
  }
  PrefixView prefix;
  prefix.keys = prefix.values = {rows.data(), 6, 3};
  const LayerPlan plan = layer.compress(prefix, 5);
  EXPECT_EQ(plan[0].dropped, (std::vector<int32_t>{1, 2}));
  EXPECT_TRUE(plan[1].dropped.empty());
  layer.append(5, rows.data() + 30, rows.data() + 30);
  const LayerPlan later = layer.end_step(5);
  EXPECT_EQ(later[0].dropped, std::vector<int32_t>{3});
  EXPECT_EQ(layer.head(0).sorted_positions(), (std::vector<int32_t>{0, 4, 5}));
  EXPECT_EQ(layer.head(1).sorted_positions(), (std::vector<int32_t>{0, 1, 2, 3, 4, 5}));
  const std::vector<float> unit = {1.0F, 0.0F, 0.0F};
  std::vector<float> scores = attend(layer.head(1), unit, 3).scores;
  EXPECT_EQ(scores, (std::vector<float>{1, 11, 21, 31, 41, 51}));
  const std::span<const int32_t> slots = layer.head(0).positions();
  scores = attend(layer.head(0), unit, 3).scores;
  for (size_t i = 0; i < slots.size(); ++i) EXPECT_EQ(scores[i], static_cast<float>(10 * slots[i]));
  // 0.1 in f16 for the other head, in f32 for the protected one.
  EXPECT_NE(attend(layer.head(0), {0.0F, 1.0F, 0.0F}, 3).scores[0], 0.1F);
  EXPECT_EQ(attend(layer.head(1), {0.0F, 1.0F, 0.0F}, 3).scores[0], 0.1F);
}

}  // namespace
}  // namespace razorscope
