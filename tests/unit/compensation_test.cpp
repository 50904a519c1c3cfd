// Compensation slots: every kind against what a batch in double precision says of the same tokens, alone and
// in a cache.
#include "policies/cache/compensation.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

#include "models/base/error.hpp"
#include "policies/cache/head_cache.hpp"
#include "policies/kernels/target.hpp"
#include "policies/policy.hpp"
#include "sim/replay/attention_errors.hpp"

namespace razorscope {
namespace {

using Row = std::vector<double>;

CompensationSpec spec_of(Compensation kind, int slots_or_rank = 0) {
  CompensationSpec spec(kind);
  if (kind == Compensation::covariance) {
    spec.rank = slots_or_rank;
  } else if (slots_or_rank > 0) {
    spec.slots = slots_or_rank;
  }
  return spec;
}

std::string text(const CompensationSpec& spec) {
  return fmt::format("kind {}, slots {}, rank {}", static_cast<int>(spec.kind), spec.slots, spec.rank);
}

/// All kinds that count the tokens they stand for.
std::vector<CompensationSpec> weighted_kinds() {
  return {spec_of(Compensation::weighted),      spec_of(Compensation::variance),
          spec_of(Compensation::clusters, 1),   spec_of(Compensation::clusters, 5),
          spec_of(Compensation::chunks, 1),     spec_of(Compensation::chunks, 5),
          spec_of(Compensation::covariance, 2), spec_of(Compensation::covariance, 64)};
}

/// Tokens to fold, or to fill a cache with: rows [count, d].
struct Tokens {
  int d;
  std::vector<float> keys;
  std::vector<float> values;

  Tokens(int head_size, int count, uint32_t seed, float spread = 1.0F) : d(head_size) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const auto elements = static_cast<size_t>(count) * static_cast<size_t>(d);
    for (size_t i = 0; i < elements; ++i) {
      keys.push_back(0.5F + spread * normal(random));
      values.push_back(-0.25F + normal(random));
    }
  }
  int count() const { return static_cast<int>(keys.size()) / d; }
  const float* key(int t) const { return keys.data() + static_cast<ptrdiff_t>(t) * d; }
  const float* value(int t) const { return values.data() + static_cast<ptrdiff_t>(t) * d; }
  float* key(int t) { return keys.data() + static_cast<ptrdiff_t>(t) * d; }
  float* value(int t) { return values.data() + static_cast<ptrdiff_t>(t) * d; }
};

std::vector<float> random_query(int d, uint32_t seed, float size) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> q(static_cast<size_t>(d));
  for (float& x : q) x = size * normal(random);
  return q;
}

/// Token t is folded at this position: none is 0, and there are gaps.
int position_of(int t) { return 5 + 3 * t; }

/// Slots with all the tokens folded, the first `prefix` of them by the prefix.
std::unique_ptr<CompensationSlots> folded_slots(const CompensationSpec& spec, const Tokens& tokens,
                                                int prefix, AllocationCounter& counter) {
  auto slots = make_compensation(spec, 0.0, tokens.d, counter);
  slots->track_membership(true);
  slots->begin(prefix);
  for (int t = 0; t < prefix; ++t) slots->fold(position_of(t), tokens.key(t), tokens.value(t));
  slots->end_prefix();
  for (int t = prefix; t < tokens.count(); ++t) slots->fold(position_of(t), tokens.key(t), tokens.value(t));
  return slots;
}

std::vector<int> all_of(const Tokens& tokens) {
  std::vector<int> all(static_cast<size_t>(tokens.count()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

Row mean_of(const std::function<const float*(int)>& row, int d, const std::vector<int>& members) {
  Row mean(static_cast<size_t>(d));
  for (const int t : members) {
    for (int i = 0; i < d; ++i)
      mean[static_cast<size_t>(i)] += static_cast<double>(row(t)[i]) / static_cast<double>(members.size());
  }
  return mean;
}
Row mean_key(const Tokens& tokens, const std::vector<int>& members) {
  return mean_of([&](int t) { return tokens.key(t); }, tokens.d, members);
}
Row mean_value(const Tokens& tokens, const std::vector<int>& members) {
  return mean_of([&](int t) { return tokens.value(t); }, tokens.d, members);
}

/// Cov(v, k) over the first `count` tokens, [d, d] by value, times q.
Row first_order_correction(const Tokens& tokens, int count, const std::vector<float>& q) {
  std::vector<int> members(static_cast<size_t>(count));
  std::iota(members.begin(), members.end(), 0);
  const Row keys = mean_key(tokens, members);
  const Row values = mean_value(tokens, members);
  Row correction(keys.size());
  for (const int t : members) {
    double along = 0.0;
    for (size_t j = 0; j < keys.size(); ++j)
      along += (static_cast<double>(tokens.key(t)[j]) - keys[j]) * q[j];
    for (size_t i = 0; i < values.size(); ++i)
      correction[i] += (static_cast<double>(tokens.value(t)[i]) - values[i]) * along / count;
  }
  return correction;
}

void expect_near(const float* got, const Row& expected, double tolerance) {
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(static_cast<double>(got[i]), expected[i], tolerance) << "component " << i;
}

/// Each slot's means, bias and count are those of the tokens that it says it holds.
void expect_batch_means(CompensationSlots& slots, const Tokens& tokens) {
  const CompensationView view = slots.view(nullptr);
  ASSERT_EQ(view.slots, slots.slots());
  size_t total = 0;
  for (int c = 0; c < view.slots; ++c) {
    SCOPED_TRACE(fmt::format("slot {}", c));
    std::vector<int> members;
    for (const int t : all_of(tokens)) {
      if (slots.slot_of(position_of(t)) == c) members.push_back(t);
    }
    ASSERT_FALSE(members.empty());
    total += members.size();
    EXPECT_EQ(slots.folded(c), static_cast<double>(members.size()));
    EXPECT_NEAR(view.bias[c], std::log(static_cast<double>(members.size())), 1e-6);
    expect_near(view.keys + static_cast<ptrdiff_t>(c) * tokens.d, mean_key(tokens, members), 5e-6);
    expect_near(view.values + static_cast<ptrdiff_t>(c) * tokens.d, mean_value(tokens, members), 5e-6);
  }
  EXPECT_EQ(total, static_cast<size_t>(tokens.count()));
}

TEST(Compensation, RunningMeansAreThoseOfTheBatch) {
  for (const CompensationSpec& spec : weighted_kinds()) {
    for (const int prefix : {0, 1, 3, 700, 1000}) {
      SCOPED_TRACE(fmt::format("{}, prefix {}", text(spec), prefix));
      AllocationCounter counter;
      const Tokens tokens(16, 1000, 7);
      expect_batch_means(*folded_slots(spec, tokens, prefix, counter), tokens);
    }
  }
}

TEST(Compensation, AnUnweightedSlotHasNoBias) {
  AllocationCounter counter;
  const Tokens tokens(16, 100, 8);
  const auto slots = folded_slots(Compensation::unweighted, tokens, 60, counter);
  EXPECT_EQ(slots->view(nullptr).bias[0], 0.0F);
  EXPECT_EQ(slots->folded(0), 100.0);
  expect_near(slots->view(nullptr).keys, mean_key(tokens, all_of(tokens)), 1e-6);
}

TEST(Compensation, TheVarianceSlotsBiasHasThePopulationsSecondCumulant) {
  for (const int count : {1, 2, 1000}) {
    AllocationCounter counter;
    const Tokens tokens(24, count, 9, 2.0F);
    const auto slots = folded_slots(Compensation::variance, tokens, count / 2, counter);
    const Row mean = mean_key(tokens, all_of(tokens));
    for (const uint32_t seed : {1U, 2U}) {
      const std::vector<float> q = random_query(tokens.d, seed, 0.3F);
      double spread = 0.0;
      for (int t = 0; t < count; ++t) {
        for (size_t i = 0; i < q.size(); ++i)
          spread += std::pow(q[i] * (tokens.key(t)[i] - mean[i]), 2) / count;
      }
      EXPECT_NEAR(slots->view(q.data()).bias[0], std::log(static_cast<double>(count)) + 0.5 * spread,
                  1e-5 * (1.0 + spread));
    }
    EXPECT_NEAR(slots->view(nullptr).bias[0], std::log(static_cast<double>(count)), 1e-6);
  }
}

TEST(Compensation, TheVarianceSlotKnowsTheMassOfGaussianKeys) {
  AllocationCounter counter;
  const Tokens tokens(32, 20000, 10, 1.5F);
  const auto with_variance = folded_slots(Compensation::variance, tokens, tokens.count(), counter);
  const auto without = folded_slots(Compensation::weighted, tokens, tokens.count(), counter);
  const std::vector<float> q = random_query(tokens.d, 3, 0.12F);
  double mass = 0.0;
  for (int t = 0; t < tokens.count(); ++t) {
    mass += std::exp(std::inner_product(q.begin(), q.end(), tokens.key(t), 0.0));
  }
  const auto estimate = [&](CompensationSlots& slots) {
    const CompensationView view = slots.view(q.data());
    return std::inner_product(q.begin(), q.end(), view.keys, 0.0) + view.bias[0];
  };
  EXPECT_LT(estimate(*without), std::log(mass) - 0.3);
  EXPECT_NEAR(estimate(*with_variance), std::log(mass), 0.03);
}

TEST(Compensation, ChunksAreContiguousAndOfOneSize) {
  for (const int slots : {1, 2, 4, 7, 256}) {
    for (const int prefix : {1, 2, 3, 4, 6, 7, 8, 100, 300}) {
      SCOPED_TRACE(fmt::format("{} slots, {} folded", slots, prefix));
      AllocationCounter counter;
      const Tokens tokens(8, prefix + 5, 11);
      const auto chunks = folded_slots(spec_of(Compensation::chunks, slots), tokens, prefix, counter);
      ASSERT_EQ(chunks->slots(), std::min(slots, prefix));
      std::vector<int> sizes(static_cast<size_t>(chunks->slots()));
      int latest = 0;
      for (int t = 0; t < prefix; ++t) {
        const int chunk = chunks->slot_of(position_of(t));
        ASSERT_TRUE(chunk == latest || chunk == latest + 1);
        latest = chunk;
        ++sizes[static_cast<size_t>(chunk)];
      }
      EXPECT_LE(*std::max_element(sizes.begin(), sizes.end()) - *std::min_element(sizes.begin(), sizes.end()),
                1);
      for (int t = prefix; t < tokens.count(); ++t)
        EXPECT_EQ(chunks->slot_of(position_of(t)), chunks->slots() - 1);
      sizes.back() += 5;
      for (int c = 0; c < chunks->slots(); ++c) EXPECT_EQ(chunks->folded(c), sizes[static_cast<size_t>(c)]);
    }
  }
}

TEST(Compensation, ATokenJoinsTheNearestCluster) {
  constexpr int slots = 6;
  AllocationCounter counter;
  const Tokens tokens(20, 800, 12);
  const auto clusters = folded_slots(spec_of(Compensation::clusters, slots), tokens, 500, counter);
  std::vector<Row> centres;
  std::vector<double> counts;
  for (int t = 0; t < tokens.count(); ++t) {
    const int chosen = clusters->slot_of(position_of(t));
    if (t < slots) {
      ASSERT_EQ(chosen, t);  // they seed
      centres.emplace_back(tokens.key(t), tokens.key(t) + tokens.d);
      counts.push_back(1.0);
      continue;
    }
    std::vector<double> distances;
    for (const Row& centre : centres) {
      double sum = 0.0;
      for (size_t i = 0; i < centre.size(); ++i) sum += std::pow(tokens.key(t)[i] - centre[i], 2);
      distances.push_back(sum);
    }
    const auto index = static_cast<size_t>(chosen);
    ASSERT_LE(distances[index], *std::min_element(distances.begin(), distances.end()) * (1.0 + 1e-5));
    counts[index] += 1.0;
    for (size_t i = 0; i < centres[index].size(); ++i)
      centres[index][i] += (tokens.key(t)[i] - centres[index][i]) / counts[index];
  }
  double total = 0.0;
  for (int c = 0; c < slots; ++c) {
    EXPECT_EQ(clusters->folded(c), counts[static_cast<size_t>(c)]);
    total += clusters->folded(c);
  }
  EXPECT_EQ(total, tokens.count());
}

TEST(Compensation, OnlyDistinctKeysSeedClustersAndTiesGoToTheLowerSlot) {
  AllocationCounter counter;
  Tokens tokens(1, 6, 13);
  tokens.keys = {-1.0F, -1.0F, 1.0F, -1.0F, 0.0F, 5.0F};
  auto slots = make_compensation(spec_of(Compensation::clusters, 2), 0.0, 1, counter);
  slots->track_membership(true);
  std::vector<int> joined;
  for (int t = 0; t < 6; ++t) {
    slots->fold(t, tokens.key(t), tokens.value(t));
    joined.push_back(slots->slot_of(t));
  }
  EXPECT_EQ(joined, (std::vector<int>{0, 0, 1, 0, 0, 1}));  // 0 is as far from -1 as from 1
  EXPECT_EQ(slots->slots(), 2);
  EXPECT_EQ(slots->slot_of(77), -1);
}

TEST(Compensation, ManyTokensInOneClusterAreCountedExactly) {
  AllocationCounter counter;
  auto slots = make_compensation(spec_of(Compensation::clusters, 2), 0.0, 1, counter);
  const float one = 1.0F;
  for (int t = 0; t < 1000000; ++t) slots->fold(t, &one, &one);
  EXPECT_EQ(slots->folded(0), 1e6);
  EXPECT_EQ(slots->slots(), 1);
}

TEST(Compensation, CovarianceOfFullRankIsTheFirstOrderCorrection) {
  constexpr int d = 12;
  for (const int rank : {d, 64}) {
    AllocationCounter counter;
    Tokens tokens(d, 300, 14);
    for (int t = 0; t < tokens.count(); ++t) {
      for (int i = 0; i < d; ++i) tokens.value(t)[i] += 0.7F * tokens.key(t)[(i + 3) % d];
    }
    const auto slots = folded_slots(spec_of(Compensation::covariance, rank), tokens, tokens.count(), counter);
    const std::vector<float> q = random_query(d, 4, 0.5F);
    Row expected = first_order_correction(tokens, tokens.count(), q);
    const Row mean = mean_value(tokens, all_of(tokens));
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += mean[i];
    expect_near(slots->view(q.data()).values, expected, 1e-5);
    expect_near(slots->view(nullptr).values, mean, 1e-5);
    expect_near(slots->view(q.data()).keys, mean_key(tokens, all_of(tokens)), 1e-5);
  }
}

TEST(Compensation, CovarianceKeepsTheFactorsOfThePrefixWhileTheMeansMove) {
  constexpr int d = 16;
  constexpr int prefix = 200;
  AllocationCounter counter;
  Tokens tokens(d, 260, 15);
  // The values follow two directions of the keys, and nothing else: rank 2 is all there is.
  for (int t = 0; t < tokens.count(); ++t) {
    const float first = tokens.key(t)[1] + tokens.key(t)[2];
    const float second = tokens.key(t)[7];
    for (int i = 0; i < d; ++i)
      tokens.value(t)[i] = static_cast<float>(i) * 0.2F * first + (i % 2 == 0 ? second : -second);
  }
  const auto slots = folded_slots(spec_of(Compensation::covariance, 2), tokens, prefix, counter);
  const std::vector<float> q = random_query(d, 5, 0.5F);
  Row expected = first_order_correction(tokens, prefix, q);
  const Row mean = mean_value(tokens, all_of(tokens));
  for (size_t i = 0; i < expected.size(); ++i) expected[i] += mean[i];
  expect_near(slots->view(q.data()).values, expected, 2e-5);
  EXPECT_NEAR(slots->view(q.data()).bias[0], std::log(260.0), 1e-6);
}

TEST(Compensation, CovarianceComesCloserToTheWeightedMeanOfValues) {
  constexpr int d = 16;
  AllocationCounter counter;
  Tokens tokens(d, 4000, 16);
  for (int t = 0; t < tokens.count(); ++t) {
    for (int i = 0; i < d; ++i) tokens.value(t)[i] = tokens.key(t)[d - 1 - i];
  }
  const auto slots = folded_slots(spec_of(Compensation::covariance, d), tokens, tokens.count(), counter);
  const std::vector<float> q = random_query(d, 6, 0.05F);
  Row exact(d);
  double total = 0.0;
  for (int t = 0; t < tokens.count(); ++t) {
    const double weight = std::exp(std::inner_product(q.begin(), q.end(), tokens.key(t), 0.0));
    total += weight;
    for (int i = 0; i < d; ++i) exact[static_cast<size_t>(i)] += weight * tokens.value(t)[i];
  }
  const auto distance = [&](const float* row) {
    double sum = 0.0;
    for (int i = 0; i < d; ++i) sum += std::pow(row[i] - exact[static_cast<size_t>(i)] / total, 2);
    return std::sqrt(sum);
  };
  const double of_mean = distance(slots->view(nullptr).values);
  EXPECT_LT(distance(slots->view(q.data()).values), 0.1 * of_mean);
}

TEST(Compensation, MembershipIsKeptOnRequestOnly) {
  const Tokens tokens(8, 50, 17);
  for (const CompensationSpec& spec :
       {spec_of(Compensation::clusters, 3), spec_of(Compensation::chunks, 3)}) {
    AllocationCounter counter;
    auto slots = make_compensation(spec, 0.0, tokens.d, counter);
    slots->begin(50);
    for (int t = 0; t < 50; ++t) slots->fold(t, tokens.key(t), tokens.value(t));
    EXPECT_EQ(slots->slot_of(7), -1);
    AllocationCounter other;
    EXPECT_EQ(folded_slots(spec, tokens, 50, other)->allocated(), counter.live());
  }
}

TEST(Compensation, BytesAreWhatTheAllocatorGave) {
  const auto rows = [](const CompensationSpec& spec, int d, int folds) -> double {
    const double slot = 2.0 * d + 1.0;
    switch (spec.kind) {
      case Compensation::variance:
        return slot + d;
      case Compensation::clusters:
      case Compensation::chunks:
        return slot * std::min(spec.slots, folds);
      case Compensation::covariance:
        return slot + 2.0 * d * std::min(spec.rank, d);
      default:
        return slot;
    }
  };
  std::vector<CompensationSpec> specs = weighted_kinds();
  specs.push_back(spec_of(Compensation::unweighted));
  specs.push_back(spec_of(Compensation::clusters, 256));
  specs.push_back(spec_of(Compensation::chunks, 256));
  for (const CompensationSpec& spec : specs) {
    for (const int d : {1, 16, 64, 80}) {
      EXPECT_EQ(compensation_bytes(spec, d, 0), 0U);
      for (const int folds : {1, 2, 4, 5, 300}) {
        SCOPED_TRACE(fmt::format("{}, head size {}, {} folded", text(spec), d, folds));
        AllocationCounter counter;
        auto slots = make_compensation(spec, 0.0, d, counter);
        slots->begin(folds);
        EXPECT_EQ(slots->allocated(), 0U);
        EXPECT_EQ(slots->bytes(), 0U);
        const Tokens tokens(d, folds, 18);
        for (int t = 0; t < folds; ++t) slots->fold(t, tokens.key(t), tokens.value(t));
        slots->end_prefix();
        EXPECT_EQ(slots->allocated(), counter.live());
        EXPECT_EQ(slots->allocated(), compensation_bytes(spec, d, folds));
        EXPECT_EQ(static_cast<double>(slots->bytes()), 4.0 * rows(spec, d, folds));
        EXPECT_LE(slots->bytes(), slots->allocated());
      }
    }
  }
  EXPECT_EQ(compensation_bytes(Compensation::none, 64, 100), 0U);
}

/// A cache of one KV head over tokens 0 .. n - 1, which folds most of them with the prefix and a few later.
class FoldedCache {
 public:
  static constexpr int group = 3;

  FoldedCache(const CompensationSpec& compensation, const Tokens& tokens, bool tracked = true)
      : tokens_(tokens) {
    codec_ = find_codec("test", "f32").make({}, {});
    spec_.head_size = tokens.d;
    spec_.key_codec = codec_.get();
    spec_.value_codec = codec_.get();
    spec_.compensation = compensation;
    cache_ = std::make_unique<HeadCache>(spec_, counter_);
    cache_->compensation()->track_membership(tracked);
    const int prefix = tokens.count() - 8;
    HeadPlan plan;
    plan.fold = true;
    for (int t = 4; t < prefix - 10; ++t) {
      if (t % 9 != 0) plan.dropped.push_back(t);
    }
    cache_->compress(tokens.keys.data(), tokens.values.data(), static_cast<size_t>(tokens.d), prefix, plan);
    EXPECT_EQ(cache_->ledger().physical(), counter_.live());
    EXPECT_EQ(HeadCache::physical_bytes(spec_, cache_->tokens(), prefix, true), counter_.live());
    fates_.apply(plan, prefix);
    for (int t = prefix; t < tokens.count(); ++t) cache_->append(t, tokens.key(t), tokens.value(t));
    plan.dropped = {prefix - 9, prefix - 3, prefix + 1};
    cache_->drop(plan);
    fates_.apply(plan, tokens.count());
    query_ = random_query(group * tokens.d, 19, 1.0F);
  }

  const HeadCache& cache() const { return *cache_; }
  const TokenFates& fates() const { return fates_; }
  /// The query head's query, scaled.
  std::vector<float> scaled_query(int g) const {
    std::vector<float> q(query_.begin() + static_cast<ptrdiff_t>(g) * tokens_.d,
                         query_.begin() + static_cast<ptrdiff_t>(g + 1) * tokens_.d);
    for (float& x : q) x *= scale();
    return q;
  }
  /// Scores of the held tokens and the slots, outputs, logarithms of the sums: by the active target.
  void attend(std::vector<float>& scores, std::vector<float>& out, std::vector<float>& log_sums) const {
    scores.resize(static_cast<size_t>(group * cache_->entries()));
    out.resize(query_.size());
    log_sums.resize(group);
    GroupQuery query;
    query.group = group;
    query.q = query_.data();
    query.scale = scale();
    query.position = tokens_.count() - 1;
    cache_->attend(query, {out.data(), scores.data(), log_sums.data()});
  }

 private:
  float scale() const { return 1.0F / std::sqrt(static_cast<float>(tokens_.d)); }

  const Tokens& tokens_;
  std::unique_ptr<const Codec> codec_;
  HeadCacheSpec spec_;
  AllocationCounter counter_;
  std::unique_ptr<HeadCache> cache_;
  TokenFates fates_;
  std::vector<float> query_;
};

/// Softmax attention over rows that are added one by one, in double.
struct Twin {
  double total = 0.0;
  Row sums;
  void add(double score, const double* value, size_t d) {
    sums.resize(d);
    total += std::exp(score);
    for (size_t i = 0; i < d; ++i) sums[i] += std::exp(score) * value[i];
  }
  Row out() const {
    Row means = sums;
    for (double& x : means) x /= total;
    return means;
  }
};

double dot(const std::vector<float>& q, const Row& key) {
  return std::inner_product(q.begin(), q.end(), key.begin(), 0.0);
}
Row row_of(const float* row, int d) { return {row, row + d}; }

/// A slot as its definition says, from the tokens that it stands for, the first `of_prefix` of which the
/// prefix folded.
void add_slot(Twin& twin, const CompensationSpec& spec, const Tokens& tokens, const std::vector<int>& members,
              int of_prefix, const std::vector<float>& q) {
  const Row key = mean_key(tokens, members);
  Row value = mean_value(tokens, members);
  double bias = std::log(static_cast<double>(members.size()));
  if (spec.kind == Compensation::variance) {
    for (const int t : members) {
      for (size_t i = 0; i < q.size(); ++i)
        bias += 0.5 * std::pow(q[i] * (tokens.key(t)[i] - key[i]), 2) / static_cast<double>(members.size());
    }
  }
  if (spec.kind == Compensation::covariance) {
    Tokens folded(tokens.d, 0, 0);
    for (int m = 0; m < of_prefix; ++m) {
      const int t = members[static_cast<size_t>(m)];
      folded.keys.insert(folded.keys.end(), tokens.key(t), tokens.key(t) + tokens.d);
      folded.values.insert(folded.values.end(), tokens.value(t), tokens.value(t) + tokens.d);
    }
    const Row correction = first_order_correction(folded, of_prefix, q);
    for (size_t i = 0; i < value.size(); ++i) value[i] += correction[i];
  }
  twin.add(dot(q, key) + bias, value.data(), value.size());
}

/// Forces a target for as long as it lives.
class ForcedTarget {
 public:
  explicit ForcedTarget(Target target) : before_(active_target()) { force_target(target_name(target)); }
  ~ForcedTarget() { force_target(target_name(before_)); }
  ForcedTarget(const ForcedTarget&) = delete;
  ForcedTarget& operator=(const ForcedTarget&) = delete;

 private:
  Target before_;
};

TEST(Compensation, ACacheAttendsToItsSlotsOnEveryTarget) {
  const Tokens tokens(64, 500, 20);
  std::vector<CompensationSpec> specs = weighted_kinds();
  std::erase(specs, spec_of(Compensation::covariance, 2));  // the twin has all ranks
  specs.push_back(spec_of(Compensation::clusters, 70));
  specs.push_back(spec_of(Compensation::chunks, 70));
  for (const CompensationSpec& spec : specs) {
    const FoldedCache folded(spec, tokens);
    const HeadCache& cache = folded.cache();
    std::vector<std::vector<int>> members(static_cast<size_t>(cache.compensation_slots()));
    int of_prefix = 0;
    for (const int t : all_of(tokens)) {
      if (folded.fates().of(t) == TokenFates::Fate::kept) continue;
      members[static_cast<size_t>(cache.compensation()->slot_of(t))].push_back(t);
      if (t < tokens.count() - 18) ++of_prefix;
    }
    for (const Target target : available_targets()) {
      SCOPED_TRACE(fmt::format("{}, {}", text(spec), target_name(target)));
      const ForcedTarget forced(target);
      std::vector<float> scores;
      std::vector<float> out;
      std::vector<float> log_sums;
      folded.attend(scores, out, log_sums);
      for (int g = 0; g < FoldedCache::group; ++g) {
        const std::vector<float> q = folded.scaled_query(g);
        Twin twin;
        for (const int32_t t : cache.sorted_positions()) {
          twin.add(dot(q, row_of(tokens.key(t), tokens.d)), row_of(tokens.value(t), tokens.d).data(),
                   q.size());
        }
        for (const std::vector<int>& slot : members) add_slot(twin, spec, tokens, slot, of_prefix, q);
        expect_near(out.data() + static_cast<ptrdiff_t>(g) * tokens.d, twin.out(), 2e-5);
        EXPECT_NEAR(log_sums[static_cast<size_t>(g)], std::log(twin.total), 2e-5);
      }
    }
  }
}

TEST(Compensation, EqualTokensLoseNothing) {
  Tokens tokens(64, 300, 21);
  const Tokens one(64, 1, 22);
  for (int t = 0; t < tokens.count(); ++t) {
    std::copy_n(one.key(0), one.d, tokens.key(t));
    std::copy_n(one.value(0), one.d, tokens.value(t));
  }
  for (const CompensationSpec& spec : weighted_kinds()) {
    SCOPED_TRACE(text(spec));
    const FoldedCache folded(spec, tokens);
    EXPECT_EQ(folded.cache().compensation_slots(), spec.kind == Compensation::chunks ? spec.slots : 1);
    std::vector<float> scores;
    std::vector<float> out;
    std::vector<float> log_sums;
    folded.attend(scores, out, log_sums);
    for (int g = 0; g < FoldedCache::group; ++g) {
      expect_near(out.data() + static_cast<ptrdiff_t>(g) * one.d, row_of(one.value(0), one.d), 1e-6);
      const double score = dot(folded.scaled_query(g), row_of(one.key(0), one.d));
      EXPECT_NEAR(log_sums[static_cast<size_t>(g)], score + std::log(300.0), 2e-6);
    }
  }
}

TEST(Compensation, TheDivergenceSpreadsASlotsWeightOverItsOwnTokens) {
  const Tokens tokens(64, 500, 23);
  for (const CompensationSpec& spec : weighted_kinds()) {
    SCOPED_TRACE(text(spec));
    double expected = 0.0;
    for (const bool tracked : {true, false}) {
      const FoldedCache folded(spec, tokens, tracked);
      const HeadCache& cache = folded.cache();
      std::vector<float> scores;
      std::vector<float> out;
      std::vector<float> log_sums;
      folded.attend(scores, out, log_sums);
      const std::vector<float> q = folded.scaled_query(0);
      // The full softmax.
      Twin full;
      Row log_weights;
      for (const int t : all_of(tokens)) {
        log_weights.push_back(dot(q, row_of(tokens.key(t), tokens.d)));
        full.add(log_weights.back(), row_of(tokens.value(t), tokens.d).data(), q.size());
      }
      for (double& x : log_weights) x -= std::log(full.total);
      const Row full_out = full.out();
      const std::vector<float> exact_out(full_out.begin(), full_out.end());
      const std::vector<float> exact_log_weights(log_weights.begin(), log_weights.end());
      std::vector<float> exact_weights;
      for (const double x : log_weights) exact_weights.push_back(static_cast<float>(std::exp(x)));
      if (tracked) {
        Row policy(log_weights.size());
        for (int slot = 0; slot < cache.tokens(); ++slot) {
          policy[static_cast<size_t>(cache.positions()[static_cast<size_t>(slot)])] =
              std::exp(static_cast<double>(scores[static_cast<size_t>(slot)]) - log_sums[0]);
        }
        for (const int t : all_of(tokens)) {
          if (folded.fates().of(t) == TokenFates::Fate::kept) continue;
          const int slot = cache.compensation()->slot_of(t);
          const double weight =
              std::exp(static_cast<double>(scores[static_cast<size_t>(cache.tokens() + slot)]) - log_sums[0]);
          policy[static_cast<size_t>(t)] = weight / cache.compensation()->folded(slot);
        }
        for (size_t t = 0; t < policy.size(); ++t)
          expected += policy[t] * (std::log(policy[t]) - log_weights[t]);
        EXPECT_GT(expected, 1e-3);
      }
      ErrorAccumulator errors;
      errors.add({tokens.count(), exact_out.data(), exact_weights.data(), exact_log_weights.data()},
                 {&cache, out.data(), scores.data(), log_sums[0]}, folded.fates(), tokens.d);
      EXPECT_NEAR(errors.errors(0, 0, 0).kl, expected, 2e-6) << (tracked ? "tracked" : "derived");
    }
  }
}

TEST(Compensation, RazorNamesItsVariants) {
  const auto name = [](const char* policy) { return Policy::parse(policy).name(); };
  const std::string head = ":sinks=4,recent=124,heads=probe,choose=paper,induction=0.14,echo=0.01,";
  EXPECT_EQ(name("razor:recent=124"), "razor/weighted" + head + "when=every-step+f16");
  EXPECT_EQ(name("razor/variance:recent=124"), "razor/variance" + head + "when=every-step+f16");
  EXPECT_EQ(name("razor/clusters:recent=124"), "razor/clusters" + head + "slots=4,when=every-step+f16");
  EXPECT_EQ(name("razor/chunks:slots=256,recent=124"),
            "razor/chunks" + head + "slots=256,when=every-step+f16");
  EXPECT_EQ(name("razor/covariance:recent=124"), "razor/covariance" + head + "rank=2,when=every-step+f16");
  for (const char* refused : {"razor:slots=4", "razor/variance:rank=2", "razor/clusters:slots=0",
                              "razor/chunks:slots=257", "razor/clusters:rank=2", "razor/covariance:slots=4",
                              "razor/covariance:rank=65", "razor/covariance:rank=0"}) {
    EXPECT_THROW(Policy::parse(refused), InputError) << refused;
  }
}

TEST(Compensation, UnderAlibiOnlyAWeightedSlotHasABias) {
  Shape shape;
  shape.layers = 1;
  shape.query_heads = 2;
  shape.kv_heads = 2;
  shape.head_size = 8;
  shape.position = PositionScheme::alibi;
  const SelectionContext context{.shape = shape, .prefix = 100};
  for (const char* variant : {"unweighted", "variance", "clusters", "chunks", "covariance"}) {
    try {
      (void)Policy::parse(fmt::format("razor/{}:recent=10", variant)).make_selection(context);
      ADD_FAILURE() << variant << " is not refused";
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find("bias"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(variant), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace razorscope
