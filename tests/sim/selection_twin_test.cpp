// What each selection keeps, against a twin in double precision that is written from the definitions: on a
// trace of a real model, and on random ones with grouped heads.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>

#include "models/language/model_file.hpp"
#include "models/trace/recorder.hpp"
#include "models/trace/score_bounds.hpp"
#include "policies/cache/exact_memory.hpp"
#include "sim/replay/replay.hpp"
#include "tests/sim/random_trace.hpp"
#include "tests/sim/selection_twins.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::ExpectedTwin;
using testing::H2oDecodeTwin;
using testing::HeadSet;
using testing::Numbers;
using testing::PlainTrace;
using testing::Positions;
using testing::SnapkvTwin;
using testing::TemporaryFolder;
using testing::TraceTwin;
using testing::TwinErrors;
using testing::TwinLayer;

constexpr int prefix = 144;
constexpr int steps = 16;

enum class Kind { model, rope, alibi };

/// The embedded model's first tokens of a text.
void record(const std::filesystem::path& path) {
  const ModelFile model(RAZORSCOPE_SOURCE_DIR "/models/language/data/tiny-alibi.gguf");
  const Transformer transformer = model.load();
  const Tokenizer tokenizer = model.tokenizer();
  const std::string text = testing::read_bytes(RAZORSCOPE_SOURCE_DIR "/experiments/texts/harbour.txt");
  std::vector<int32_t> ids = tokenizer.encode(text, prefix + steps);
  if (tokenizer.bos() >= 0) ids.insert(ids.begin(), tokenizer.bos());
  ids.resize(prefix + steps);
  TraceOrigin origin;
  origin.model = model.shape().name;
  origin.score_bounds = weight_score_bounds(model.shape(), transformer.weights());
  TraceRecorder recorder(path, transformer, ids, origin, TraceDtype::f32);
  ExactMemory memory(model.shape(), prefix + steps);
  SequenceInput sequence;
  sequence.tokens = ids;
  sequence.memory = &memory;
  sequence.observer = &recorder;
  NoProgress progress;
  prefill(transformer, sequence, progress, "record");
  recorder.commit();
}

Trace make_trace(Kind kind, const std::filesystem::path& path) {
  if (kind == Kind::model) {
    record(path);
    return Trace(path);
  }
  const bool alibi = kind == Kind::alibi;
  testing::TraceOptions options{.layers = 3,
                                .kv_heads = 2,
                                .group = alibi ? 2 : 3,
                                .head_size = 16,
                                .tokens = prefix + steps,
                                .alibi = alibi,
                                .spread = alibi ? 0.3F : 1.5F,
                                .seed = 29};
  if (alibi) {
    ScoreBounds bounds;
    for (int i = 0; i < options.layers * options.query_heads(); ++i) {
      bounds.norm_bound.push_back(0.1 * (i % 5));
      bounds.paper.push_back(0.05 * (i % 7));
    }
    options.bounds = bounds;
  }
  return PlainTrace(options).write(path);
}

/// A trace, its twin, and a table of two protected heads. Made once in a process.
struct World {
  explicit World(Kind kind)
      : trace(make_trace(kind, folder / "t.safetensors")),
        twin(trace, prefix, steps),
        heads(fmt::format(
            "heads=\"{}\"",
            folder.write("heads.json", R"({"retrieval_kv_heads": [[0, 1], [2, 0]]})").string())) {}

  TemporaryFolder folder;
  Trace trace;
  TraceTwin twin;
  std::string heads;
};

const HeadSet protected_heads = {{0, 1}, {2, 0}};

const World& world_of(Kind kind) {
  static std::map<Kind, std::unique_ptr<World>> worlds;
  std::unique_ptr<World>& world = worlds[kind];
  if (world == nullptr) world = std::make_unique<World>(kind);
  return *world;
}

using Twin = std::function<TwinLayer(int layer)>;

class SelectionTwinTest : public ::testing::TestWithParam<Kind> {
 protected:
  bool rope() const { return GetParam() == Kind::rope; }
  const World& world() const { return world_of(GetParam()); }
  const TraceTwin& twin() const { return world().twin; }

  ReplayResult run(const std::string& policy) const {
    NoProgress progress;
    return replay(world().trace,
                  {.prefix = prefix, .steps = steps, .policies = {Policy::parse(policy)}, .want_kept = true},
                  progress)
        .front();
  }

  /// The same sets, but for tokens within 1e-5 of the threshold, which rounding decides: at most one head in
  /// fifty has any.
  void expect_kept(const std::string& policy, const Twin& expected, int first_layer = 0) const {
    SCOPED_TRACE(policy);
    const ReplayResult result = run(policy + "+f32");
    ASSERT_EQ(std::ssize(result.kept), twin().shape().layers);
    size_t heads = 0;
    size_t ties = 0;
    bool drops = false;
    for (int layer = first_layer; layer < twin().shape().layers; ++layer) {
      const TwinLayer of_layer = expected(layer);
      const auto& kept = result.kept[static_cast<size_t>(layer)];
      ASSERT_EQ(kept.size(), of_layer.size());
      for (size_t h = 0; h < kept.size(); ++h) {
        ++heads;
        drops = drops || std::ssize(of_layer[h].kept) < prefix;
        if (kept[h] == of_layer[h].kept) continue;
        ++ties;
        EXPECT_EQ(kept[h].size(), of_layer[h].kept.size()) << "layer " << layer << ", head " << h;
        Positions differing;
        std::set_symmetric_difference(kept[h].begin(), kept[h].end(), of_layer[h].kept.begin(),
                                      of_layer[h].kept.end(), std::back_inserter(differing));
        for (const int32_t token : differing) {
          EXPECT_TRUE(of_layer[h].near_tie(token))
              << "layer " << layer << ", head " << h << ", token " << token << ": score "
              << of_layer[h].scores[static_cast<size_t>(token)] << ", kept from " << of_layer[h].last_in
              << ", dropped from " << of_layer[h].first_out;
        }
      }
    }
    EXPECT_LE(ties, heads / 50) << "near ties are rare";
    EXPECT_TRUE(drops) << "nothing was dropped: this shows little";
  }

  void expect_errors(const ReplayResult& result,
                     const std::function<std::vector<TwinErrors>(int layer)>& expected) const {
    const auto close = [](double ours, double theirs) {
      EXPECT_NEAR(ours, theirs, 2e-5 + 1e-4 * std::abs(theirs));
    };
    size_t row = 0;
    for (int layer = 0; layer < twin().shape().layers; ++layer) {
      for (const TwinErrors& head : expected(layer)) {
        SCOPED_TRACE(
            fmt::format("{}: layer {}, query head {}", result.policy, layer, result.heads[row].query_head));
        close(result.heads[row].relative_error, head.relative_error);
        close(result.heads[row].lost_mass, head.lost_mass);
        close(result.heads[row].kl, head.kl);
        ++row;
      }
    }
    EXPECT_EQ(row, result.heads.size());
    EXPECT_GT(result.lost_mass_mean, 1e-3) << "nothing was lost: this shows little";
  }
};

TEST_P(SelectionTwinTest, WindowKeepsSinksAndTheLatest) {
  const Twin expected = [&](int layer) { return window_twin(twin(), layer, 3, 40); };
  expect_kept("window:sinks=3,recent=40", expected);
  if (rope()) expect_kept("window/slot-positions:sinks=3,recent=40", expected);
}

TEST_P(SelectionTwinTest, H2oKeepsTheHighestColumnsOfThePrefixAndTheLatest) {
  const auto twin_of = [&](int heavy, int recent, const std::string& aggregate = "sum") -> Twin {
    return [=, this](int layer) { return h2o_twin(twin(), layer, heavy, recent, aggregate); };
  };
  expect_kept("h2o/paper", twin_of(14, 14));
  expect_kept("h2o/paper:heavy=9,recent=0.25", twin_of(9, 36));
  expect_kept("h2o/paper:budget=31", twin_of(15, 16));
  expect_kept("h2o/mask:budget=31", twin_of(15, 16));
  expect_kept("h2o/paper:heavy=1,recent=1", twin_of(1, 1));
  for (const char* aggregate : {"mean", "max", "query-head"})
    expect_kept(fmt::format("h2o/paper:budget=31,group_agg={}", aggregate), twin_of(15, 16, aggregate));
  expect_kept("h2o/flexgen:budget=31", twin_of(15, 14));
  expect_kept("h2o/flexgen:budget=40", twin_of(20, 19));
}

TEST_P(SelectionTwinTest, H2oOracleKeepsTheHighestColumnsOfTheWholeMatrix) {
  for (const char* aggregate : {"sum", "mean", "max"}) {
    expect_kept(fmt::format("h2o/oracle:budget=31,group_agg={}", aggregate),
                [&](int layer) { return h2o_twin(twin(), layer, 15, 16, aggregate, prefix + steps); });
  }
}

TEST_P(SelectionTwinTest, TovaKeepsWhatTheLastQueryAttendsToInTheMeanOfAllHeads) {
  for (const int budget : {1, 20, 100})
    expect_kept(fmt::format("tova:budget={}", budget),
                [&](int layer) { return tova_twin(twin(), layer, budget); });
}

TEST_P(SelectionTwinTest, SnapkvKeepsPooledColumnsOfTheWindowQueriesAndTheWindow) {
  const std::string policy = "snapkv:budget=56";
  expect_kept(policy, [&](int layer) { return SnapkvTwin{}.snapkv(twin(), layer, 56); });
  expect_kept(policy + ",pool=max,kernel=7,observe=16", [&](int layer) {
    return SnapkvTwin{.observe = 16, .kernel = 7, .max = true}.snapkv(twin(), layer, 56);
  });
  for (const char* aggregate : {"max", "sum", "query-head"}) {
    expect_kept(fmt::format("{},observe=8,group_agg={}", policy, aggregate), [&](int layer) {
      return SnapkvTwin{.observe = 8, .aggregate = aggregate}.snapkv(twin(), layer, 56);
    });
  }
}

TEST_P(SelectionTwinTest, PyramidkvSharesTheBudgetLinearlyOverLayers) {
  expect_kept("pyramidkv:budget=56,observe=8",
              [&](int layer) { return SnapkvTwin{.observe = 8}.pyramidkv(twin(), layer, 56, 20); });
  expect_kept("pyramidkv:budget=57,observe=16,beta=3",
              [&](int layer) { return SnapkvTwin{.observe = 16}.pyramidkv(twin(), layer, 57, 3); });
}

TEST_P(SelectionTwinTest, AdakvSharesALayersBudgetByTheBestScoresOfAllHeads) {
  expect_kept("adakv:budget=56,observe=8",
              [&](int layer) { return SnapkvTwin{.observe = 8}.adakv(twin(), layer, 56, 2); });
  expect_kept("adakv:budget=48,observe=16,floor=0.5,pool=max,kernel=7", [&](int layer) {
    return SnapkvTwin{.observe = 16, .kernel = 7, .max = true}.adakv(twin(), layer, 48, 5);
  });
}

TEST_P(SelectionTwinTest, DuoKeepsItsHeadsWholeAndSinksAndRecentInTheOthers) {
  expect_kept(fmt::format("duo:sinks=6,recent=30,{}", world().heads),
              [&](int layer) { return window_twin(twin(), layer, 6, 30, protected_heads); });
}

TEST_P(SelectionTwinTest, RazorFoldsWhatLeavesTheWindowOfUnprotectedHeads) {
  std::vector<std::string> variants = {"none"};
  if (rope())
    variants.insert(variants.end(),
                    {"weighted", "unweighted", "variance", "clusters", "chunks", "covariance"});
  if (GetParam() == Kind::model) variants.emplace_back("weighted");
  for (const std::string& variant : variants) {
    for (const char* window : {"recent=28", "ratio=5,min=3"}) {  // floor(144 / 5) = 28
      const std::string policy = fmt::format("razor/{}:sinks=4,{},{}", variant, window, world().heads);
      expect_kept(policy, [&](int layer) { return window_twin(twin(), layer, 4, 28, protected_heads); });
      const SelectionContext context{.shape = world().trace.shape(), .prefix = prefix};
      const auto selection = Policy::parse(policy).make_selection(context);
      for (int layer = 0; layer < twin().shape().layers; ++layer) {
        LayerView view{.layer = layer, .tokens = prefix};
        view.held.resize(static_cast<size_t>(twin().shape().kv_heads));
        const LayerPlan plan = selection->plan(view);
        const TwinLayer heads = window_twin(twin(), layer, 4, 28, protected_heads);
        for (size_t h = 0; h < heads.size(); ++h) {
          Positions folded;
          const Positions all = TraceTwin::all(prefix);
          std::set_difference(all.begin(), all.end(), heads[h].kept.begin(), heads[h].kept.end(),
                              std::back_inserter(folded));
          EXPECT_EQ(plan[h].dropped, folded);
          EXPECT_TRUE(folded.empty() || plan[h].fold == (variant != "none"));
        }
      }
    }
  }
}

TEST_P(SelectionTwinTest, RazorScopeKeepsTheLastTokensThatBoundAndSlopeAskFor) {
  if (rope()) GTEST_SKIP() << "ALiBi alone";
  const Numbers calibrated = calibrated_twin(twin());
  expect_kept("razor/scope:epsilon=0.05",
              [&](int layer) { return scope_twin(twin(), layer, calibrated, 0.05); });
  expect_kept("razor/scope:epsilon=0.3,form=tail,alpha=2",
              [&](int layer) { return scope_twin(twin(), layer, calibrated, 0.3, 2, true); });
  const ScoreBounds& stored = twin().bounds();
  if (GetParam() == Kind::alibi) {
    expect_kept("razor/scope:bound=norm-bound,epsilon=0.01",
                [&](int layer) { return scope_twin(twin(), layer, stored.norm_bound, 0.01); });
    expect_kept("razor/scope:bound=paper,epsilon=0.01",
                [&](int layer) { return scope_twin(twin(), layer, stored.paper, 0.01); });
    return;
  }
  // A trained model's provable bound is far above what occurs: too far to drop anything of so short a text.
  const ReplayResult provable = run("razor/scope:bound=norm-bound,epsilon=0.01");
  for (int layer = 0; layer < twin().shape().layers; ++layer)
    EXPECT_EQ(provable.kept[static_cast<size_t>(layer)],
              kept_of(scope_twin(twin(), layer, stored.norm_bound, 0.01)));
  for (size_t i = 0; i < calibrated.size(); ++i) EXPECT_GE(stored.norm_bound[i], calibrated[i]);
}

TEST_P(SelectionTwinTest, OccamSharesWhatProtectedHeadsLeave) {
  const int budget = GetParam() == Kind::model ? 40 : 76;
  for (const int observe : {0, 16}) {
    for (const int heavy_tenths : {5, 2, 10, 0}) {
      const std::string policy = fmt::format("occam:budget={},sinks=3,heavy={},observe={},{}", budget,
                                             heavy_tenths / 10.0, observe, world().heads);
      expect_kept(policy, [&](int layer) {
        return occam_twin(twin(), layer, budget, protected_heads, 3, heavy_tenths, observe);
      });
    }
  }
  if (!rope()) return;
  expect_kept(fmt::format("occam:budget={},compensation=clusters,slots=3,{}", budget, world().heads),
              [&](int layer) { return occam_twin(twin(), layer, budget, protected_heads, 4, 5, 0, 3); });
}

TEST_P(SelectionTwinTest, KnormKeepsTheSmallestKeys) {
  // In a model's layer 0 keys follow from the token alone, so that equal tokens tie.
  expect_kept(
      "knorm:budget=40", [&](int layer) { return knorm_twin(twin(), layer, 40); },
      GetParam() == Kind::model ? 1 : 0);
}

TEST_P(SelectionTwinTest, KeydiffKeepsTheKeysLeastLikeTheMeanDirection) {
  expect_kept(
      "keydiff:budget=40", [&](int layer) { return keydiff_twin(twin(), layer, 40); },
      GetParam() == Kind::model ? 1 : 0);
}

TEST_P(SelectionTwinTest, LagkvRanksWithinPartitionsByTheNextOne) {
  for (const auto& [budget, sinks, lag] :
       {std::tuple(60, 4, 16), std::tuple(100, 4, 33), std::tuple(40, 0, 9)}) {
    expect_kept(fmt::format("lagkv:budget={},sinks={},lag={}", budget, sinks, lag),
                [&](int layer) { return lagkv_twin(twin(), layer, budget, sinks, lag); });
  }
}

TEST_P(SelectionTwinTest, ExpectedKeepsWhatQueriesToComeAreExpectedToUse) {
  expect_kept("expected:budget=40",
              [&](int layer) { return ExpectedTwin(twin(), layer, 4, 512, 0.01).keep(40); });
  for (const char* aggregate : {"max", "query-head"}) {
    expect_kept(fmt::format("expected:budget=40,sinks=2,future=30,eps=0,group_agg={}", aggregate),
                [&](int layer) { return ExpectedTwin(twin(), layer, 2, 30, 0.0).keep(40, aggregate); });
  }
}

TEST_P(SelectionTwinTest, BeladyKeepsWhatTheStepsWillUseMost) {
  expect_kept("oracle/belady:budget=40", [&](int layer) { return belady_twin(twin(), layer, 40); });
}

TEST_P(SelectionTwinTest, RandomKeepsAsManyByItsSeedAlone) {
  const ReplayResult first = run("random:budget=40");
  std::set<Positions> sets;
  for (const auto& layer : first.kept) {
    for (const Positions& head : layer) {
      EXPECT_EQ(head.size(), 40U);
      sets.insert(head);
    }
  }
  EXPECT_EQ(std::ssize(sets), twin().shape().layers * twin().shape().kv_heads) << "every head draws anew";
  EXPECT_EQ(run("random:budget=40,seed=1").kept, first.kept);
  const ReplayResult other = run("random:budget=40,seed=2");
  for (size_t layer = 0; layer < first.kept.size(); ++layer) {
    for (size_t h = 0; h < first.kept[layer].size(); ++h)
      EXPECT_NE(other.kept[layer][h], first.kept[layer][h]);
  }
}

// Errors of what was kept

TEST_P(SelectionTwinTest, ErrorsOfFrozenSetsAreThoseOfTheTwin) {
  const auto frozen = [&](const std::string& policy, const Twin& kept) {
    expect_errors(run(policy + "+f32"),
                  [&](int layer) { return errors_twin(twin(), layer, kept_of(kept(layer))); });
  };
  frozen("snapkv:budget=40,observe=8",
         [&](int layer) { return SnapkvTwin{.observe = 8}.snapkv(twin(), layer, 40); });
  const int budget = GetParam() == Kind::model ? 40 : 76;
  frozen(fmt::format("occam:budget={},{}", budget, world().heads),
         [&](int layer) { return occam_twin(twin(), layer, budget, protected_heads, 4, 5, 0); });
  frozen("oracle/belady:budget=24", [&](int layer) { return belady_twin(twin(), layer, 24); });
}

TEST_P(SelectionTwinTest, ErrorsOfEvictionInDecodeAreThoseOfTheTwin) {
  expect_errors(run("h2o/paper:heavy=10,recent=8+f32"), [&](int layer) {
    H2oDecodeTwin decode(twin(), layer, 10, 8);
    return errors_twin(twin(), layer, kept_of(h2o_twin(twin(), layer, 10, 8)),
                       [&](int position, std::vector<Positions>& held) { decode.evict(position, held); });
  });
  expect_errors(run("tova:budget=20+f32"), [&](int layer) {
    return errors_twin(
        twin(), layer, kept_of(tova_twin(twin(), layer, 20)),
        [&](int position, std::vector<Positions>& held) { tova_evict(twin(), layer, 20, position, held); });
  });
}

INSTANTIATE_TEST_SUITE_P(Traces, SelectionTwinTest, ::testing::Values(Kind::model, Kind::rope, Kind::alibi),
                         [](const auto& kind) {
                           return kind.param == Kind::model  ? std::string("RecordedAlibi")
                                  : kind.param == Kind::rope ? std::string("RandomRopeGroups")
                                                             : std::string("RandomAlibiGroups");
                         });

}  // namespace
}  // namespace razorscope
