// What every selection promises, whatever the shape, the budget and the text: shown by replays of random
// traces.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <functional>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <set>

#include "policies/cache_buffer.hpp"
#include "sim/replay/replay.hpp"
#include "tests/sim/random_trace.hpp"
#include "tests/support/omp_threads.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::OmpThreads;
using testing::PlainLayer;
using testing::PlainTrace;
using testing::TemporaryFolder;
using testing::TraceOptions;

using Kept = std::vector<std::vector<std::vector<int32_t>>>;

/// A random trace, how much of it is prefix, and a table of protected heads (never all of them).
struct World {
  explicit World(int most_layers = 3) {
    options.layers = *rc::gen::inRange(1, most_layers + 1);
    options.kv_heads = *rc::gen::inRange(1, 4);
    options.group = *rc::gen::inRange(1, 4);
    options.head_size = *rc::gen::element(8, 13, 16, 32);
    options.alibi = *rc::gen::arbitrary<bool>();
    options.spread = *rc::gen::element(0.5F, 1.0F, 3.0F);
    options.seed = *rc::gen::arbitrary<uint32_t>();
    options.tokens = *rc::gen::inRange(20, 121);
    steps = *rc::gen::inRange(1, 13);
    prefix = options.tokens - steps - *rc::gen::inRange(0, 4);
    nlohmann::json list = nlohmann::json::array();
    for (int i = 0; i + 1 < heads(); ++i) {
      if (*rc::gen::inRange(0, 3) > 0) continue;
      protected_heads.insert({i / options.kv_heads, i % options.kv_heads});
      list.push_back({i / options.kv_heads, i % options.kv_heads});
    }
    const std::string name = fmt::format("heads {}.json", fmt::join(protected_heads, " "));
    std::filesystem::path path = folder() / name;
    if (!std::filesystem::exists(path))
      path = folder().write(name, nlohmann::json({{"retrieval_kv_heads", list}}).dump());
    table = fmt::format("heads=\"{}\"", path.string());
  }

  /// One for all cases: some file systems wait for the disk when files go.
  static const TemporaryFolder& folder() {
    static const TemporaryFolder all;
    return all;
  }
  int heads() const { return options.layers * options.kv_heads; }
  bool slots_make_sense() const { return !options.alibi; }
  PlainTrace plain() const { return PlainTrace(options); }
  Trace trace() const { return plain().write(folder() / "t.safetensors"); }
  ReplayResult run(const Trace& trace, const std::string& policy) const {
    NoProgress progress;
    return replay(trace,
                  {.prefix = prefix, .steps = steps, .policies = {Policy::parse(policy)}, .want_kept = true},
                  progress)
        .front();
  }

  TraceOptions options;
  int prefix = 0;
  int steps = 0;
  std::set<std::pair<int, int>> protected_heads;
  std::string table;
};

/// A policy's selection as text, and what it promises.
struct Subject {
  std::string text;
  bool every_step = false;
  bool looks_ahead = false;  // an oracle
  int budget = 0;            // tokens a head, in the mean over the heads that `shared` names; 0: it has none
  enum class Shared { no, layer, all } shared = Shared::no;
  int slots = 0;   // compensation slots that count as tokens of unprotected heads
  int sinks = 0;   // always held
  int recent = 0;  // always held
  bool protects = false;
};

int integer(int from, int to) { return *rc::gen::inRange(from, to + 1); }

/// A budget of tokens or of a share of the prefix, and what it stands for.
std::pair<std::string, int> random_budget(const World& world) {
  if (integer(0, 1) == 0) {
    const int tokens = integer(1, world.prefix + 5);
    return {fmt::format("{}", tokens), tokens};
  }
  const int eighths = integer(1, 8);
  const auto floored = static_cast<int>(world.prefix * eighths / 8);
  return {fmt::format("{:.3f}", eighths / 8.0), std::max(1, floored)};
}

std::string when(bool every_step) { return every_step ? "when=every-step" : "when=after-prefill"; }

Subject windowed(const World& world) {
  Subject subject;
  std::vector<std::string> kinds = {"window", "duo", "razor/none"};
  if (world.slots_make_sense()) {
    kinds.insert(kinds.end(), {"window/slot-positions", "razor/weighted", "razor/unweighted",
                               "razor/variance", "razor/clusters", "razor/chunks", "razor/covariance"});
  } else {
    kinds.emplace_back("razor/scope");
    if (world.options.group == 1) kinds.emplace_back("razor/weighted");
  }
  const std::string kind = *rc::gen::elementOf(kinds);
  subject.every_step = integer(0, 1) == 0;
  subject.sinks = integer(0, 12);
  subject.text = fmt::format("{}:sinks={},{}", kind, subject.sinks, when(subject.every_step));
  if (kind == "razor/scope") {
    subject.text += fmt::format(",epsilon={}", *rc::gen::element(0.5, 0.1, 1e-5));
    subject.recent = 1;
    return subject;
  }
  subject.recent = integer(0, 60);
  subject.text += fmt::format(",recent={}", subject.recent);
  subject.protects = !kind.starts_with("window");
  if (subject.protects) subject.text += "," + world.table;
  subject.budget = subject.sinks + subject.recent;
  return subject;
}

Subject occam(const World& world) {
  Subject subject;
  subject.shared = Subject::Shared::all;
  subject.protects = true;
  subject.every_step = integer(0, 1) == 0;
  subject.sinks = integer(0, 6);
  const std::string compensation =
      world.slots_make_sense() ? *rc::gen::element<std::string>("none", "weighted", "clusters") : "none";
  subject.slots = compensation == "none" ? 0 : compensation == "weighted" ? 1 : 3;
  const auto whole = static_cast<int>(world.protected_heads.size());
  const int others = world.heads() - whole;
  const int least = (whole * world.prefix + others * (subject.sinks + subject.slots + 1)) / world.heads() + 1;
  subject.budget = integer(least, std::max(least, world.prefix) + 5);
  subject.text = fmt::format("occam:budget={},sinks={},heavy={},observe={},compensation={},{},{}",
                             subject.budget, subject.sinks, *rc::gen::element(0.0, 0.25, 0.5, 1.0),
                             *rc::gen::element(0, 16), compensation, when(subject.every_step), world.table);
  if (subject.slots == 3) subject.text += ",slots=3";
  return subject;
}

Subject ranked(const World& world) {
  Subject subject;
  const auto [text, tokens] = random_budget(world);
  subject.budget = tokens;
  const std::string group_agg = *rc::gen::element<std::string>("mean", "max", "sum");
  const std::string kind = *rc::gen::element<std::string>(
      "h2o/paper", "h2o/flexgen", "h2o/mask", "h2o/oracle", "tova", "snapkv", "pyramidkv", "adakv", "knorm",
      "expected", "keydiff", "lagkv", "random", "oracle/belady");
  subject.text = fmt::format("{}:budget={}", kind, text);
  if (kind.starts_with("h2o")) {
    subject.recent = kind == "h2o/flexgen" ? std::max(0, tokens / 2 - 1) : tokens - tokens / 2;
    subject.text += ",group_agg=" + group_agg;
  }
  if (kind == "h2o/paper" || kind == "h2o/flexgen" || kind == "tova") {
    subject.every_step = integer(0, 1) == 0;
    subject.text += "," + when(subject.every_step);
  }
  subject.every_step = subject.every_step || kind == "h2o/mask";
  subject.looks_ahead = kind == "h2o/oracle" || kind == "oracle/belady";
  if (kind == "snapkv" || kind == "pyramidkv" || kind == "adakv") {
    const int observe = integer(1, 40);
    subject.recent = std::min(observe, tokens);
    subject.text +=
        fmt::format(",observe={},kernel={},pool={},group_agg={}", observe, *rc::gen::element(1, 5, 7),
                    *rc::gen::element<std::string>("avg", "max"), group_agg);
    if (kind == "pyramidkv") subject.shared = Subject::Shared::all;
    if (kind == "adakv") subject.shared = Subject::Shared::layer;
  }
  if (kind == "expected" || kind == "lagkv") {
    const int sinks = integer(0, 6);
    subject.sinks = std::min(sinks, tokens);
    subject.text += fmt::format(",sinks={}", sinks);
    subject.text +=
        kind == "lagkv" ? fmt::format(",lag={}", integer(2, 20)) : ",future=16,group_agg=" + group_agg;
  }
  if (kind == "random") subject.text += fmt::format(",seed={}", integer(0, 9));
  return subject;
}

Subject random_subject(const World& world) {
  const int lot = integer(0, 9);
  const Subject subject = lot < 2 ? windowed(world) : lot < 4 ? occam(world) : ranked(world);
  RC_LOG() << subject.text << ", prefix " << world.prefix << ", steps " << world.steps << ", heads "
           << world.options.layers << "x" << world.options.kv_heads << "x" << world.options.group
           << std::endl;
  return subject;
}

bool same_bits(const ReplayResult& a, const ReplayResult& b) {
  const auto same = [](const HeadErrors& x, const HeadErrors& y) {
    return x.relative_error == y.relative_error && x.relative_error_max == y.relative_error_max &&
           x.lost_mass == y.lost_mass && x.lost_mass_max == y.lost_mass_max &&
           x.largest_dropped_weight == y.largest_dropped_weight && x.kl == y.kl;
  };
  return std::equal(a.heads.begin(), a.heads.end(), b.heads.begin(), b.heads.end(), same);
}

/// What is held beyond the budget of a head, or of the heads that share one.
void check_budget(const World& world, const Subject& subject, const Kept& kept) {
  int all = 0;
  for (int layer = 0; layer < world.options.layers; ++layer) {
    int of_layer = 0;
    for (int h = 0; h < world.options.kv_heads; ++h) {
      const bool whole = subject.protects && world.protected_heads.contains({layer, h});
      const auto held = static_cast<int>(kept[static_cast<size_t>(layer)][static_cast<size_t>(h)].size());
      if (subject.shared == Subject::Shared::no) RC_ASSERT(whole || held <= subject.budget);
      of_layer += held + (whole || held == world.prefix ? 0 : subject.slots);
    }
    if (subject.shared == Subject::Shared::layer)
      RC_ASSERT(of_layer <= subject.budget * world.options.kv_heads);
    all += of_layer;
  }
  if (subject.shared == Subject::Shared::all) RC_ASSERT(all <= subject.budget * world.heads());
}

RC_GTEST_PROP(SelectionPropertiesTest, BudgetsAreNeverExceededAtTheEndOfThePrefixOrAfterAStep, ()) {
  const World world;
  const Subject subject = random_subject(world);
  const ReplayResult result = world.run(world.trace(), subject.text + "+f32");
  if (subject.budget == 0) return;
  check_budget(world, subject, result.kept);
  if (!subject.every_step) return;
  // After the last step: rows that are stored, protected heads' apart.
  const auto whole = subject.protects ? static_cast<int>(world.protected_heads.size()) : 0;
  const auto row_bytes = static_cast<size_t>(world.options.head_size) * sizeof(float);
  const auto stored = static_cast<int>(result.at_end.keys / row_bytes) - whole * (world.prefix + world.steps);
  const int of_others = subject.shared == Subject::Shared::no
                            ? subject.budget * (world.heads() - whole)
                            : std::max(subject.budget * world.heads() - whole * world.prefix, 0);
  RC_ASSERT(result.at_end.keys % row_bytes == 0U);
  RC_ASSERT(stored <= of_others);
}

/// Of the selections that give every head the same; blocks and alignment are in it.
RC_GTEST_PROP(SelectionPropertiesTest, BudgetsInBytesAreNeverExceeded, ()) {
  const World world;
  const std::string codec = *rc::gen::element<std::string>("f32", "f16", "q8_0");
  const double row = codec == "f32" ? 4.0 : codec == "f16" ? 2.0 : 8.5 / 8.0;
  const int width = codec == "q8_0" ? (world.options.head_size + 31) / 32 * 32 : world.options.head_size;
  // From a block of every head on.
  const auto least = static_cast<int>(world.heads() * (block_tokens * (2.0 * width * row + 8.0) + 256.0)) + 1;
  const int bytes = integer(least, 8 * least);
  const std::string selection = *rc::gen::element<std::string>(
      "h2o/paper:when=after-prefill,", "h2o/flexgen:", "tova:", "snapkv:observe=4,",
      "knorm:", "expected:future=16,", "keydiff:", "lagkv:lag=8,",
      "random:", "oracle/belady:", "h2o/oracle:");
  const std::string policy = fmt::format("{}budget={}B+{}", selection, bytes, codec);
  RC_LOG() << policy << ", prefix " << world.prefix << std::endl;
  const ReplayResult result = world.run(world.trace(), policy);
  RC_ASSERT(result.compressed.physical() <= static_cast<size_t>(bytes));
}

RC_GTEST_PROP(SelectionPropertiesTest, KeptIsASetOfThePrefixWithSinksAndTheLatest, ()) {
  const World world;
  const Subject subject = random_subject(world);
  const ReplayResult result = world.run(world.trace(), subject.text + "+f32");
  RC_ASSERT(static_cast<int>(result.kept.size()) == world.options.layers);
  for (int layer = 0; layer < world.options.layers; ++layer) {
    RC_ASSERT(static_cast<int>(result.kept[static_cast<size_t>(layer)].size()) == world.options.kv_heads);
    for (int h = 0; h < world.options.kv_heads; ++h) {
      const std::vector<int32_t>& kept = result.kept[static_cast<size_t>(layer)][static_cast<size_t>(h)];
      RC_ASSERT(std::is_sorted(kept.begin(), kept.end(), std::less_equal<>()));
      RC_ASSERT((kept.empty() || (kept.front() >= 0 && kept.back() < world.prefix)));
      if (subject.protects && world.protected_heads.contains({layer, h}))
        RC_ASSERT(static_cast<int>(kept.size()) == world.prefix);
      for (int32_t n = 0; n < world.prefix; ++n) {
        if (n < subject.sinks || n >= world.prefix - subject.recent)
          RC_ASSERT(std::binary_search(kept.begin(), kept.end(), n));
      }
    }
  }
}

RC_GTEST_PROP(SelectionPropertiesTest, NothingButOraclesLooksBeyondThePrefix, ()) {
  const World world;
  const Subject subject = random_subject(world);
  if (subject.looks_ahead) return;
  const ReplayResult before = world.run(world.trace(), subject.text);
  PlainTrace changed = world.plain();
  for (PlainLayer& layer : changed.layers) {
    const auto change = [&](std::vector<float>& rows, int width) {
      for (size_t i = static_cast<size_t>(world.prefix * width); i < rows.size(); ++i)
        rows[i] = 20.0F * rows[i] - 1.0F;
    };
    change(layer.q, changed.query_width());
    change(layer.k, changed.kv_width());
    change(layer.v, changed.kv_width());
  }
  const ReplayResult after = world.run(changed.write(World::folder() / "changed.safetensors"), subject.text);
  RC_ASSERT(after.kept == before.kept);
  RC_ASSERT(after.compressed.physical() == before.compressed.physical());
}

TEST(SelectionPropertiesTest, OraclesDoLookBeyondThePrefix) {
  constexpr int prefix = 60;
  const TemporaryFolder folder;
  PlainTrace plain({.tokens = prefix + 8, .spread = 3.0F, .seed = 3});
  const Trace first = plain.write(folder / "first.safetensors");
  std::vector<float>& q = plain.layers.front().q;
  for (auto i = static_cast<size_t>(prefix * plain.query_width()); i < q.size(); ++i) q[i] = -2.0F * q[i];
  const Trace second = plain.write(folder / "second.safetensors");
  NoProgress progress;
  for (const char* policy : {"oracle/belady:budget=12", "h2o/oracle:budget=12"}) {
    const auto kept = [&](const Trace& trace) {
      const ReplayRequest request = {
          .prefix = prefix, .steps = 8, .policies = {Policy::parse(policy)}, .want_kept = true};
      return replay(trace, request, progress).front().kept;
    };
    EXPECT_NE(kept(first), kept(second)) << policy;
  }
}

/// As many tokens as there are, or more, in every selection's own words. slot-positions turns keys anew, and
/// is left out.
std::string with_room_for_all(const World& world) {
  const int all = world.prefix + world.steps;
  const int most = *rc::gen::element(all, all + 1, 100000);
  std::vector<std::string> selections = {
      fmt::format("window:sinks=2,recent={}", most),
      fmt::format("duo:recent={},{}", most, world.table),
      fmt::format("razor/none:recent={},{}", most, world.table),
      fmt::format("h2o/flexgen:budget={}", most + 2),
      "razor/none:" + world.table,
  };
  for (const char* every_step : {"h2o/paper", "h2o/mask", "tova"})
    selections.push_back(fmt::format("{}:budget={}", every_step, most));
  selections.push_back(fmt::format("occam:when=every-step,budget={},{}", most, world.table));
  for (const char* once : {"h2o/oracle:", "snapkv:", "pyramidkv:observe=8,", "adakv:", "knorm:",
                           "expected:future=16,", "keydiff:", "lagkv:lag=8,", "random:", "oracle/belady:"}) {
    selections.push_back(fmt::format("{}budget=1.0", once));
    selections.push_back(fmt::format("{}budget={}", once, world.prefix));
    selections.push_back(fmt::format("{}budget={}", once, most));
  }
  selections.push_back(fmt::format("oracle/topk:budget={}", most));
  selections.push_back(fmt::format("occam:budget=1.0,{}", world.table));
  if (world.slots_make_sense()) {
    selections.push_back(fmt::format("razor/weighted:recent={},{}", most, world.table));
    selections.push_back(fmt::format("razor/chunks:recent={},{}", most, world.table));
    selections.push_back(fmt::format("occam:budget=1.0,compensation=weighted,{}", world.table));
    selections.push_back(fmt::format("occam:budget={},compensation=clusters,{}", world.prefix, world.table));
  } else {
    selections.push_back(fmt::format("razor/scope:alpha={}", most));
  }
  return *rc::gen::elementOf(selections);
}

RC_GTEST_PROP(SelectionPropertiesTest, WithRoomForAllEverySelectionIsFullWithTheSameCodec, ()) {
  const World world;
  const std::string selection = with_room_for_all(world);
  const std::string codec = *rc::gen::element<std::string>("f32", "f16", "q8_0", "q4_0:residual=8", "kivi4",
                                                           "int8-token", "fp8-e4m3", "q4_0/prefix");
  RC_LOG() << selection << "+" << codec << ", prefix " << world.prefix << std::endl;
  const Trace trace = world.trace();
  const ReplayResult full = world.run(trace, "full+" + codec);
  const ReplayResult result = world.run(trace, selection + "+" + codec);
  RC_ASSERT(result.dropped_nothing);
  RC_ASSERT(result.kept == full.kept);
  RC_ASSERT(same_bits(result, full));
  RC_ASSERT(result.relative_error_mean == full.relative_error_mean);
  RC_ASSERT(result.lost_mass_mean == 0.0);
}

RC_GTEST_PROP(SelectionPropertiesTest, TheThreadCountChangesNoKeptSetAndNoBit, ()) {
  const World world(1);  // threads wait for each other in every layer
  const Subject subject = random_subject(world);
  const Trace trace = world.trace();
  const std::string policy = subject.text + *rc::gen::element<std::string>("+f32", "+q8_0", "+kivi2");
  const auto with_threads = [&](int count) {
    const OmpThreads threads(count);
    return world.run(trace, policy);
  };
  const ReplayResult one = with_threads(1);
  const ReplayResult two = with_threads(2);
  RC_ASSERT(one.kept == two.kept);
  RC_ASSERT(same_bits(one, two));
  RC_ASSERT(one.regret_mean == two.regret_mean);
  RC_ASSERT(one.compressed.physical() == two.compressed.physical());
  RC_ASSERT(one.at_end.physical() == two.at_end.physical());
}

}  // namespace
}  // namespace razorscope
