// Every selection, in every variant, with every codec: finite results within the budget, or an error that
// says why the pair makes no sense.
#include <cmath>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>

#include "models/base/error.hpp"
#include "sim/replay/replay.hpp"
#include "tests/sim/random_trace.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::PlainTrace;
using testing::TemporaryFolder;

constexpr int prefix = 52;
constexpr int steps = 8;

/// Parameters that make a selection drop something of so short a prefix, and the tokens that a KV head then
/// holds at most, on average.
struct Size {
  std::string parameters;
  int most = prefix;
};

const std::map<std::string, Size>& sizes() {
  static const std::map<std::string, Size> all = {
      {"full", {""}},
      {"window", {"sinks=2,recent=10", 12}},
      {"h2o", {"budget=16", 16}},
      {"tova", {"budget=16", 16}},
      {"snapkv", {"budget=16,observe=4", 16}},
      {"pyramidkv", {"budget=16,observe=4", 16}},
      {"adakv", {"budget=16,observe=4", 16}},
      {"duo", {"sinks=2,recent=10"}},
      {"razor", {"recent=10"}},
      {"razor/scope", {"epsilon=0.2"}},
      {"occam", {"budget=40", 40}},
      {"knorm", {"budget=16", 16}},
      {"expected", {"budget=16,future=8", 16}},
      {"keydiff", {"budget=16", 16}},
      {"lagkv", {"budget=16,lag=8", 16}},
      {"random", {"budget=16", 16}},
      {"oracle/belady", {"budget=16", 16}},
      {"oracle/topk", {"budget=16"}},
  };
  return all;
}

struct Subject {
  std::string selection;  // with its variant
  Size size;
};

/// All that there are, and the parameters that change how caches are laid out.
std::vector<Subject> subjects() {
  std::vector<Subject> all;
  for (const SelectionEntry& entry : selection_registry()) {
    for (const std::string& variant :
         entry.variants.empty() ? std::vector<std::string>{""} : entry.variants) {
      const std::string name = variant.empty() ? entry.name : entry.name + "/" + variant;
      const auto found = sizes().contains(name) ? sizes().find(name) : sizes().find(entry.name);
      if (found == sizes().end()) {
        ADD_FAILURE() << name << " is new: give it parameters above";
        continue;
      }
      all.push_back({name, found->second});
    }
  }
  for (const char* name : {"snapkv", "pyramidkv", "adakv", "expected", "h2o"}) {
    Size size = sizes().at(name);
    size.parameters += ",group_agg=query-head";
    all.push_back({name, size});
  }
  for (const char* name : {"window", "razor", "h2o", "tova"}) {
    Size size = sizes().at(name);
    size.parameters += ",when=every-chunk";
    all.push_back({name, size});
  }
  return all;
}

std::vector<std::string> codecs() {
  std::vector<std::string> all = {"q4_0:residual=8", "q8_0:rotate=yes",    "q4_0/prefix",
                                  "kivi4/chunk",     "kivi2/chunk/prefix", "kivi4:residual=32"};
  for (const CodecEntry& entry : codec_registry()) all.push_back(entry.name);
  return all;
}

/// What makes no sense, whatever the codec, and a word of the reason.
std::map<std::string, std::string> senseless(bool alibi) {
  if (!alibi) return {{"razor/scope", "RoPE"}};
  return {{"window/slot-positions", "ALiBi"}, {"razor/unweighted", "ALiBi"},
          {"razor/variance", "ALiBi"},        {"razor/clusters", "ALiBi"},
          {"razor/chunks", "ALiBi"},          {"razor/covariance", "ALiBi"},
          {"razor/weighted", "slope"},        {"razor", "slope"}};
}

HeadScores probe() {
  HeadScores scores;
  scores.layers = 2;
  scores.query_heads = 8;
  scores.kv_heads = 4;
  scores.variant = "sum-prior";
  for (int i = 0; i < 16; ++i) {
    scores.echo.push_back(i == 0 ? 0.9 : 0.01);
    scores.induction.push_back(i == 13 ? 0.8 : 0.02);
  }
  return scores;
}

class ProductTest : public ::testing::TestWithParam<bool> {};

TEST_P(ProductTest, EveryPairWorksOrSaysWhyNot) {
  const bool alibi = GetParam();
  const TemporaryFolder folder;
  const Trace trace = PlainTrace({.layers = 2,
                                  .kv_heads = 4,
                                  .group = 2,
                                  .head_size = 16,
                                  .tokens = prefix + steps,
                                  .alibi = alibi,
                                  .seed = 17,
                                  .probe = probe()})
                          .write(folder / "t.safetensors");
  const std::map<std::string, std::string> reasons = senseless(alibi);
  for (const Subject& subject : subjects()) {
    std::vector<Policy> policies;
    for (const std::string& codec : codecs()) {
      const std::string& parameters = subject.size.parameters;
      policies.push_back(Policy::parse(
          fmt::format("{}{}{}+{}", subject.selection, parameters.empty() ? "" : ":", parameters, codec)));
    }
    SCOPED_TRACE(policies.front().name());
    NoProgress progress;
    const auto reason = reasons.find(subject.selection);
    if (reason != reasons.end()) {
      for (const Policy& policy : policies) {
        try {
          replay(trace, {.prefix = prefix, .steps = steps, .policies = {policy}}, progress);
          ADD_FAILURE() << policy.name() << " is taken for sensible";
        } catch (const InputError& error) {
          EXPECT_NE(std::string(error.what()).find(reason->second), std::string::npos) << error.what();
        }
      }
      continue;
    }
    for (const ReplayResult& result :
         replay(trace, {.prefix = prefix, .steps = steps, .policies = policies}, progress)) {
      SCOPED_TRACE(result.policy);
      EXPECT_TRUE(std::isfinite(result.relative_error_max));
      EXPECT_TRUE(std::isfinite(result.kl_mean));
      EXPECT_GE(result.regret_mean, -1e-6);
      EXPECT_LE(result.kept_tokens_mean, subject.size.most);
      EXPECT_LE(result.compressed.logical(), result.compressed.physical());
      EXPECT_GT(result.compressed.physical(), 0U);
      EXPECT_FALSE(result.dropped_nothing && subject.size.most < prefix);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, ProductTest, ::testing::Bool(), [](const auto& scheme) {
  return scheme.param ? std::string("Alibi") : std::string("Rope");
});

}  // namespace
}  // namespace razorscope
