// What selections decide: the invariants that every policy promises, and each selection's own numbers.
#include "policies/selections/selection.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <random>
#include <rapidcheck/gtest.h>
#include <set>
#include <thread>
#include <vector>

#include "policies/policy.hpp"
#include "policies/retrieval_heads.hpp"
#include "policies/selections/razor_scope.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::TemporaryFolder;
using Positions = std::set<int32_t>;

Shape shape_of(int layers, int kv_heads, int group, bool alibi) {
  Shape shape;
  shape.layers = layers;
  shape.kv_heads = kv_heads;
  shape.query_heads = kv_heads * group;
  shape.head_size = 4;
  shape.score_scale = 0.5F;
  if (alibi) {
    shape.position = PositionScheme::alibi;
    shape.alibi_slopes = alibi_slopes(shape.query_heads, 8.0F);
  }
  return shape;
}

/// A different bound for every head; records what it was asked for.
class FakeBounds final : public ScoreBoundSource {
 public:
  double bound(const std::string& kind, double quantile, int layer, int kv_head) const override {
    kinds_.insert(fmt::format("{} {}", kind, quantile));
    return of(layer, kv_head);
  }
  static double of(int layer, int kv_head) { return 0.25 * layer + 0.5 * kv_head; }
  const std::set<std::string>& kinds() const { return kinds_; }

 private:
  mutable std::set<std::string> kinds_;
};

HeadScores scores_of(const Shape& shape, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform;
  HeadScores scores;
  scores.layers = shape.layers;
  scores.query_heads = shape.query_heads;
  scores.kv_heads = shape.kv_heads;
  for (int i = 0; i < shape.layers * shape.query_heads; ++i) {
    scores.echo.push_back(uniform(random));
    scores.induction.push_back(uniform(random));
  }
  return scores;
}

struct World {
  Shape shape;
  HeadScores probe;
  FakeBounds bounds;
  int prefix = 0;

  World(Shape the_shape, int the_prefix, uint32_t seed = 1)
      : shape(std::move(the_shape)), probe(scores_of(shape, seed)), prefix(the_prefix) {}

  SelectionContext context() const {
    SelectionContext context{.shape = shape, .prefix = prefix};
    context.probe = &probe;
    context.bounds = &bounds;
    context.bytes_per_token = context.protected_bytes_per_token = 4.0 * shape.head_size;
    return context;
  }
  std::unique_ptr<const Selection> make(const std::string& policy) const {
    return Policy::parse(policy).make_selection(context());
  }
};

/// The tokens that a layer's heads hold as a selection goes through a sequence. Slots are in a random order,
/// as they are after a cache has moved rows about.
class Holding {
 public:
  Holding(const Selection& selection, int layer, int kv_heads, uint32_t seed)
      : selection_(selection), layer_(layer), held_(static_cast<size_t>(kv_heads)), random_(seed) {}

  /// The prefix is compressed.
  LayerPlan start(int prefix) {
    tokens_ = prefix;
    LayerView view{layer_, tokens_, {}};
    view.held.resize(held_.size());  // empty spans: everything
    for (auto& head : held_) {
      head.resize(static_cast<size_t>(prefix));
      std::iota(head.begin(), head.end(), 0);
    }
    return carry_out(selection_.plan(view));
  }

  /// One more token.
  LayerPlan step() {
    for (auto& head : held_) head.push_back(tokens_);
    ++tokens_;
    if (selection_.when() != When::every_step) return LayerPlan(held_.size());
    for (auto& head : held_) std::shuffle(head.begin(), head.end(), random_);
    LayerView view{layer_, tokens_, {}};
    for (const auto& head : held_) view.held.emplace_back(head);
    return carry_out(selection_.plan(view));
  }

  int tokens() const { return tokens_; }
  Positions held(int head) const {
    const auto& slots = held_[static_cast<size_t>(head)];
    return {slots.begin(), slots.end()};
  }

 private:
  LayerPlan carry_out(LayerPlan plan) {
    if (plan.size() != held_.size()) throw std::logic_error("not one plan per head");
    for (size_t h = 0; h < plan.size(); ++h) {
      const std::vector<int32_t>& dropped = plan[h].dropped;
      if (!std::is_sorted(dropped.begin(), dropped.end(), std::less_equal<>()))
        throw std::logic_error("not ascending");
      const auto goes = [&](int32_t position) {
        return std::binary_search(dropped.begin(), dropped.end(), position);
      };
      if (std::erase_if(held_[h], goes) != dropped.size())
        throw std::logic_error("a dropped token was not held");
    }
    return plan;
  }

  const Selection& selection_;
  int layer_;
  int tokens_ = 0;
  std::vector<std::vector<int32_t>> held_;
  std::mt19937 random_;
};

/// What a head must hold.
struct Expected {
  int sinks = 0;
  int recent = 0;
  bool everything = false;
};

Positions positions(const Expected& expected, int tokens) {
  Positions out;
  for (int32_t p = 0; p < tokens; ++p) {
    if (expected.everything || p < expected.sinks || p >= tokens - expected.recent) out.insert(p);
  }
  return out;
}

/// A policy with its expectation for each head.
struct Subject {
  std::string policy;
  std::function<Expected(int layer, int head)> expected;
  bool folds = false;
};

/// L_h by the formula, the largest over the group.
int scope_by_hand(const Shape& shape, int layer, int head, double epsilon, bool tail, int alpha) {
  double longest = 0.0;
  for (int g = 0; g < shape.group_size(); ++g) {
    const double slope = shape.alibi_slopes[static_cast<size_t>(head * shape.group_size() + g)];
    const double term = 2.0 * FakeBounds::of(layer, head) - std::log(epsilon) -
                        (tail ? std::log(1.0 - std::exp(-slope)) : 0.0);
    longest = std::max(longest, std::max(1.0, std::ceil(term / slope)));
  }
  return static_cast<int>(longest) + alpha;
}

Subject random_subject(const World& world, const std::string& when) {
  const Shape& shape = world.shape;
  const bool alibi = !shape.alibi_slopes.empty();
  const int sinks = *rc::gen::inRange(0, 12);
  const int recent = *rc::gen::inRange(0, 90);
  std::vector<std::string> kinds = {"full", "window", "razor/none"};
  if (!alibi) kinds.push_back("razor/unweighted");
  if (!alibi || shape.group_size() == 1) kinds.push_back("razor/weighted");
  if (alibi) kinds.insert(kinds.end(), {"razor/scope", "razor/scope"});
  const std::string kind = *rc::gen::elementOf(kinds);
  Subject subject;
  if (kind == "full") {
    subject.policy = "full";
    subject.expected = [](int, int) { return Expected{.everything = true}; };
  } else if (kind == "window") {
    subject.policy = fmt::format("window:sinks={},recent={},when={}", sinks, recent, when);
    subject.expected = [=](int, int) { return Expected{sinks, recent}; };
  } else if (kind == "razor/scope") {
    const double epsilon = *rc::gen::element(0.5, 0.1, 1e-3);
    const bool tail = *rc::gen::arbitrary<bool>();
    const int alpha = *rc::gen::inRange(0, 20);
    subject.policy =
        fmt::format("razor/scope:sinks={},epsilon={},form={},bound={},alpha={},when={}", sinks, epsilon,
                    tail ? "tail" : "token",
                    *rc::gen::element<std::string>("calibrated", "norm-bound", "paper"), alpha, when);
    subject.expected = [=](int layer, int head) {
      return Expected{sinks, scope_by_hand(shape, layer, head, epsilon, tail, alpha)};
    };
  } else {
    const double share = *rc::gen::inRange(0, 11) / 10.0;
    const auto ratio = *rc::gen::inRange(1, 8);
    const int least = *rc::gen::inRange(0, 40);
    const bool fixed = *rc::gen::arbitrary<bool>();
    subject.policy = fmt::format(
        "{}:sinks={},{},induction={},when={}", kind, sinks,
        fixed ? fmt::format("recent={}", recent) : fmt::format("ratio={},min={}", ratio, least), share, when);
    const int window = fixed ? recent : std::max(least, world.prefix / ratio);
    const std::vector<HeadId> chosen = choose_retrieval_heads(world.probe, {HeadChoice::paper, share, 0.01});
    const std::set<HeadId> whole(chosen.begin(), chosen.end());
    subject.expected = [=](int layer, int head) {
      return Expected{sinks, window, whole.contains({layer, head})};
    };
    subject.folds = kind != "razor/none";
  }
  return subject;
}

World random_world() {
  const Shape shape = shape_of(*rc::gen::inRange(1, 4), *rc::gen::inRange(1, 4), *rc::gen::inRange(1, 4),
                               *rc::gen::arbitrary<bool>());
  return World(shape, *rc::gen::inRange(1, 150), *rc::gen::arbitrary<uint32_t>());
}

/// Sinks, the latest tokens and whole heads are held at every moment; nothing else is, so that the budget is
/// never exceeded once a step is done; what is held is in the past; a prefix that fits loses nothing.
RC_GTEST_PROP(SelectionTest, UnderEveryStepHeadsHoldSinksAndWindowAndNoMore, ()) {
  const World world = random_world();
  const Subject subject = random_subject(world, "every-step");
  RC_LOG() << subject.policy << ", prefix " << world.prefix << std::endl;
  const auto selection = world.make(subject.policy);
  for (int layer = 0; layer < world.shape.layers; ++layer) {
    Holding holding(*selection, layer, world.shape.kv_heads, 1);
    for (int step = 0; step < 25; ++step) {
      const LayerPlan plan = step == 0 ? holding.start(world.prefix) : holding.step();
      for (int h = 0; h < world.shape.kv_heads; ++h) {
        const Expected expected = subject.expected(layer, h);
        RC_ASSERT(holding.held(h) == positions(expected, holding.tokens()));
        RC_ASSERT(expected.everything ||
                  static_cast<int>(holding.held(h).size()) <= expected.sinks + expected.recent);
        if (holding.tokens() <= expected.sinks + expected.recent) {
          RC_ASSERT(static_cast<int>(holding.held(h).size()) == holding.tokens());
        }
        const HeadPlan& head = plan[static_cast<size_t>(h)];
        RC_ASSERT(head.dropped.empty() || head.fold == subject.folds);
      }
    }
  }
  RC_ASSERT((selection->compensation() != Compensation::none) == subject.folds);
}

RC_GTEST_PROP(SelectionTest, AfterPrefillEveryLaterTokenIsKept, ()) {
  const World world = random_world();
  const Subject subject = random_subject(world, "after-prefill");
  RC_LOG() << subject.policy << ", prefix " << world.prefix << std::endl;
  const auto selection = world.make(subject.policy);
  RC_ASSERT(selection->when() == When::after_prefill);
  for (int layer = 0; layer < world.shape.layers; ++layer) {
    Holding holding(*selection, layer, world.shape.kv_heads, 1);
    holding.start(world.prefix);
    for (int step = 0; step < 10; ++step) {
      for (int h = 0; h < world.shape.kv_heads; ++h) {
        Positions expected = positions(subject.expected(layer, h), world.prefix);
        for (int32_t p = world.prefix; p < holding.tokens(); ++p) expected.insert(p);
        RC_ASSERT(holding.held(h) == expected);
      }
      holding.step();
    }
  }
}

/// A plan depends on what it is shown alone: not on calls before it, on the order of layers or slots, or on
/// the thread.
RC_GTEST_PROP(SelectionTest, PlansArePure, ()) {
  const World world = random_world();
  const Subject subject = random_subject(world, "every-step");
  const auto selection = world.make(subject.policy);
  std::vector<int32_t> slots(static_cast<size_t>(world.prefix));
  std::iota(slots.begin(), slots.end(), 0);
  std::shuffle(slots.begin(), slots.end(), std::mt19937(3));
  const auto plans = [&](bool ascending, bool shuffled) {
    std::vector<LayerPlan> out(static_cast<size_t>(world.shape.layers));
    for (int i = 0; i < world.shape.layers; ++i) {
      const int layer = ascending ? i : world.shape.layers - 1 - i;
      LayerView view{layer, world.prefix, {}};
      view.held.assign(static_cast<size_t>(world.shape.kv_heads),
                       shuffled ? std::span<const int32_t>(slots) : std::span<const int32_t>());
      out[static_cast<size_t>(layer)] = selection->plan(view);
    }
    return out;
  };
  const auto same = [](const std::vector<LayerPlan>& a, const std::vector<LayerPlan>& b) {
    const auto heads = [](const HeadPlan& x, const HeadPlan& y) {
      return x.dropped == y.dropped && x.fold == y.fold;
    };
    const auto layers = [&](const LayerPlan& x, const LayerPlan& y) {
      return std::equal(x.begin(), x.end(), y.begin(), y.end(), heads);
    };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), layers);
  };
  const std::vector<LayerPlan> first = plans(true, false);
  RC_ASSERT(same(plans(false, true), first));
  std::vector<std::vector<LayerPlan>> parallel(2);
  std::thread other([&] { parallel[0] = plans(false, false); });
  parallel[1] = plans(true, true);
  other.join();
  RC_ASSERT(same(parallel[0], first));
  RC_ASSERT(same(parallel[1], first));
}

/// A decision about the tokens so far is the same whether more follow or not.
RC_GTEST_PROP(SelectionTest, PlansDoNotLookAhead, ()) {
  const World world = random_world();
  const Subject subject = random_subject(world, "every-step");
  const auto selection = world.make(subject.policy);
  Holding shorter(*selection, 0, world.shape.kv_heads, 1);
  shorter.start(world.prefix);
  for (int step = 0; step < 5; ++step) shorter.step();
  Holding longer(*selection, 0, world.shape.kv_heads, 2);
  longer.start(world.prefix);
  for (int step = 0; step < 20; ++step) {
    if (step == 5) {
      for (int h = 0; h < world.shape.kv_heads; ++h) RC_ASSERT(longer.held(h) == shorter.held(h));
    }
    longer.step();
  }
}

TEST(SelectionTest, HeldBetweenGivesAscendingPositions) {
  const std::vector<int32_t> slots = {9, 2, 7, 0};
  LayerView view{0, 10, {slots, {}}};
  EXPECT_EQ(held_between(view, 0, 1, 9), (std::vector<int32_t>{2, 7}));
  EXPECT_EQ(held_between(view, 0, 0, 10), (std::vector<int32_t>{0, 2, 7, 9}));
  EXPECT_EQ(held_between(view, 1, 7, 10), (std::vector<int32_t>{7, 8, 9}));
  EXPECT_TRUE(held_between(view, 1, 5, 5).empty());
  EXPECT_TRUE(held_between(view, 1, 6, 3).empty());
}

// Razor's numbers

int heads_protected(const World& world, const std::string& policy) {
  const auto selection = world.make(policy);
  int count = 0;
  for (int layer = 0; layer < world.shape.layers; ++layer) {
    for (int h = 0; h < world.shape.kv_heads; ++h) count += selection->is_protected(layer, h) ? 1 : 0;
  }
  return count;
}

int kept(const World& world, const std::string& policy, int layer, int head) {
  const auto selection = world.make(policy);
  Holding holding(*selection, layer, world.shape.kv_heads, 1);
  holding.start(world.prefix);
  return static_cast<int>(holding.held(head).size());
}

TEST(RazorTest, TheWindowIsTheLargerOfMinAndTheShareOfThePrefix) {
  World world(shape_of(1, 2, 1, false), 25003);
  world.probe.induction = world.probe.echo = {0.0, 1.0};
  EXPECT_EQ(kept(world, "razor/none", 0, 0), 4 + 5000) << "the paper's values: floor(25003 / 5)";
  EXPECT_EQ(kept(world, "razor/none", 0, 1), 25003);
  world.prefix = 19999;
  EXPECT_EQ(kept(world, "razor/none", 0, 0), 4 + 4000);
  world.prefix = 4004;
  EXPECT_EQ(kept(world, "razor/none", 0, 0), 4004);
  world.prefix = 100;
  EXPECT_EQ(kept(world, "razor/none:ratio=3,min=2,sinks=1", 0, 0), 1 + 33);
  EXPECT_EQ(kept(world, "razor/none:ratio=2.5,min=2,sinks=0", 0, 0), 40);
  EXPECT_EQ(kept(world, "razor/unweighted:sinks=4,recent=52", 0, 0), 56);
  EXPECT_EQ(kept(world, "razor/none:recent=0,sinks=0", 0, 0), 0);
}

TEST(RazorTest, TheWindowStaysConstantWhileDecoding) {
  World world(shape_of(1, 2, 1, false), 100);
  world.probe.induction = world.probe.echo = {0.0, 1.0};
  const auto selection = world.make("razor/weighted:ratio=5,min=0");
  Holding holding(*selection, 0, 2, 1);
  holding.start(100);
  for (int step = 0; step < 100; ++step) holding.step();
  EXPECT_EQ(holding.held(0).size(), 24U);
  EXPECT_EQ(holding.held(1).size(), 200U);
}

TEST(RazorTest, HeadsComeFromTheProbeAsChosen) {
  World world(shape_of(2, 5, 1, false), 100);
  world.probe.induction = {.9, .8, .0, .0, .0, .0, .0, .0, .0, .05};
  world.probe.echo = {.0, .0, .0, .7, .0, .0, .0, .0, .0, .04};
  EXPECT_EQ(heads_protected(world, "razor"), 2) << "1 by induction, 1 by echo";
  EXPECT_EQ(heads_protected(world, "razor:induction=0.25"), 4);
  EXPECT_EQ(heads_protected(world, "razor:choose=gap"), 3);
  EXPECT_EQ(heads_protected(world, "razor:choose=threshold"), 3);
  EXPECT_EQ(heads_protected(world, "razor:choose=threshold,induction=0.85,echo=0.04"), 3);
  EXPECT_EQ(heads_protected(world, "razor:choose=threshold,induction=1,echo=1"), 0);
}

TEST(RazorTest, HeadsComeFromAFileAsTheyAre) {
  const World world(shape_of(2, 3, 1, false), 100);
  const TemporaryFolder folder;
  const auto path = folder.write("a, b.json", R"({"retrieval_kv_heads": [[1, 0], [0, 2]]})");
  const auto selection = world.make(fmt::format("razor:heads=\"{}\"", path.string()));
  for (int layer = 0; layer < 2; ++layer) {
    for (int h = 0; h < 3; ++h)
      EXPECT_EQ(selection->is_protected(layer, h), (layer == 1 && h == 0) || (layer == 0 && h == 2));
  }
}

TEST(RazorTest, BytesProtectAsManyHeadsAsTheBudgetAllows) {
  World world(shape_of(2, 5, 1, false), 100);
  // 10 heads of 100 tokens; without protection each of them takes 4 + 15 (+ 1 slot): 190 or 200 of 1000.
  EXPECT_EQ(heads_protected(world, "razor/none:recent=15,choose=bytes,budget=0.5"),
            3);  // 190 + 3·81 = 433, + 81 = 514
  EXPECT_EQ(heads_protected(world, "razor/weighted:recent=15,choose=bytes,budget=0.5"),
            3);  // 200 + 3·80 = 440, + 80 = 520
  EXPECT_EQ(heads_protected(world, "razor/none:recent=15,choose=bytes,budget=52"), 4);
  EXPECT_EQ(heads_protected(world, "razor/none:recent=15,choose=bytes,budget=1.0"), 10);
  EXPECT_EQ(heads_protected(world, "razor/none:recent=15,choose=bytes,budget=19"), 0);
  EXPECT_EQ(heads_protected(world, "razor/none:recent=15,choose=bytes,budget=1"), 0);
  EXPECT_EQ(heads_protected(world, "razor/none:recent=200,choose=bytes,budget=1"), 10)
      << "nothing is dropped anyhow";
  const std::vector<HeadId> ranked = rank_heads(world.probe);
  const auto selection = world.make("razor/none:recent=15,choose=bytes,budget=0.5");
  for (size_t i = 0; i < ranked.size(); ++i)
    EXPECT_EQ(selection->is_protected(ranked[i].first, ranked[i].second), i < 3);
}

TEST(RazorTest, WhatMakesNoSenseIsAUsageErrorThatNamesTheReason) {
  const World rope(shape_of(1, 2, 1, false), 10);
  const World alibi(shape_of(1, 2, 1, true), 10);
  const World grouped_alibi(shape_of(1, 2, 2, true), 10);
  expect_input_error([&] { rope.make("razor/scope"); },
                     {"razor/scope", "ALiBi slope", "this model uses RoPE", "razor/weighted"});
  expect_input_error([&] { alibi.make("razor/unweighted"); },
                     {"razor/unweighted", "under ALiBi", "razor/scope"});
  expect_input_error([&] { grouped_alibi.make("razor/weighted"); },
                     {"razor/weighted", "slope of the query", "razor/none"});
  EXPECT_NO_THROW(alibi.make("razor/weighted"));
  EXPECT_NO_THROW(grouped_alibi.make("razor/none"));
  SelectionContext blind = rope.context();
  blind.probe = nullptr;
  expect_input_error([&] { Policy::parse("razor").make_selection(blind); },
                     {"razor", "heads", "no probe is at hand", "heads=FILE"});
  SelectionContext unbounded = alibi.context();
  unbounded.bounds = nullptr;
  expect_input_error([&] { Policy::parse("razor/scope").make_selection(unbounded); },
                     {"razor/scope", "bound"});
  expect_input_error([&] { rope.make("razor:heads=/nonexistent/heads.json"); }, {"/nonexistent/heads.json"});
}

// Scopes

TEST(ScopeTest, LengthsByHand) {
  // (2·2 - ln 1e-5) / 0.5 = 15.5129 / 0.5 = 31.03; with - ln(1 - e^-0.5) = + 0.9328: 32.89.
  EXPECT_EQ(scope_length(2.0, 1e-5, 0.5, ScopeForm::token), 32);
  EXPECT_EQ(scope_length(2.0, 1e-5, 0.5, ScopeForm::tail), 33);
  EXPECT_EQ(scope_length(2.0, 1e-5, 0x1p-8, ScopeForm::token), 3972);
  EXPECT_EQ(scope_length(2.0, 1e-5, 0x1p-8, ScopeForm::tail), 5392);
  EXPECT_EQ(scope_length(0.0, 1e-5, 1.0, ScopeForm::token), 12);
  EXPECT_EQ(scope_length(0.0, 1e-3, 0.25, ScopeForm::token), 28);
  EXPECT_EQ(scope_length(0.0, 1e-3, 0.25, ScopeForm::tail), 34);
  EXPECT_EQ(scope_length(7.5, 1e-5, 0.0625, ScopeForm::token), 425);
  EXPECT_EQ(scope_length(7.5, 1e-5, 0.0625, ScopeForm::tail), 470);
}

TEST(ScopeTest, LengthsAreAtLeastOneAndStayFinite) {
  EXPECT_EQ(scope_length(0.0, 0.5, 100.0, ScopeForm::token), 1);
  EXPECT_EQ(scope_length(0.0, 0.5, 100.0, ScopeForm::tail), 1);
  EXPECT_EQ(scope_length(1e9, 1e-5, 1e-9, ScopeForm::token), 1 << 30);
  EXPECT_EQ(scope_length(1.0, 1e-5, 1e-12, ScopeForm::tail), 1 << 30);
}

RC_GTEST_PROP(ScopeTest, ATokenOutOfScopeWeighsAtMostEpsilonInTheWorstCase, ()) {
  const double bound = *rc::gen::inRange(0, 1000) / 100.0;
  const double epsilon = std::pow(10.0, -*rc::gen::inRange(10, 100) / 10.0);
  const double slope = std::pow(2.0, -*rc::gen::inRange(0, 90) / 10.0);
  const int token = scope_length(bound, epsilon, slope, ScopeForm::token);
  const int tail = scope_length(bound, epsilon, slope, ScopeForm::tail);
  RC_ASSERT(std::exp(2.0 * bound - slope * token) <= epsilon * (1.0 + 1e-12));
  RC_ASSERT(token == 1 || std::exp(2.0 * bound - slope * (token - 1)) > epsilon);
  RC_ASSERT(std::exp(2.0 * bound - slope * tail) / (1.0 - std::exp(-slope)) <= epsilon * (1.0 + 1e-12));
  RC_ASSERT(tail == 1 || std::exp(2.0 * bound - slope * (tail - 1)) / (1.0 - std::exp(-slope)) > epsilon);
  RC_ASSERT(tail >= token);
}

TEST(ScopeTest, AsksForTheBoundThatThePolicyNames) {
  const World world(shape_of(1, 1, 1, true), 10);
  world.make("razor/scope:quantile=0.9");
  world.make("razor/scope:bound=norm-bound");
  world.make("razor/scope:bound=paper");
  EXPECT_EQ(world.bounds.kinds(), (std::set<std::string>{"calibrated 0.9", "norm-bound 1", "paper 1"}));
}

TEST(ScopeTest, GroupsTakeTheLongestScopeAndAlphaIsAdded) {
  const World world(shape_of(2, 2, 4, true), 5000);
  // The smallest slope of KV head 0's group, heads 0 .. 3 of 8: 2^-4; of KV head 1's: 2^-8.
  EXPECT_EQ(kept(world, "razor/scope", 0, 0), scope_length(0.0, 1e-5, 0x1p-4, ScopeForm::token));
  EXPECT_EQ(kept(world, "razor/scope:alpha=100", 0, 0),
            scope_length(0.0, 1e-5, 0x1p-4, ScopeForm::token) + 100);
  EXPECT_EQ(kept(world, "razor/scope", 0, 1), scope_length(0.5, 1e-5, 0x1p-8, ScopeForm::token));
  EXPECT_EQ(kept(world, "razor/scope:form=tail,epsilon=0.001", 1, 0),
            scope_length(0.25, 1e-3, 0x1p-4, ScopeForm::tail));
  EXPECT_EQ(kept(world, "razor/scope:sinks=7", 0, 0), scope_length(0.0, 1e-5, 0x1p-4, ScopeForm::token) + 7);
}

}  // namespace
}  // namespace razorscope
