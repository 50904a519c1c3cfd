// Sizing policies to a number of bytes.
#include "sim/equal_bytes.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "policies/cache/layer_cache.hpp"
#include "sim/replay/calibrated_bounds.hpp"
#include "sim/replay/context.hpp"
#include "sim/replay/replay.hpp"
#include "tests/sim/random_trace.hpp"
#include "tests/sim/trace_bytes.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::full_f16_bytes;
using testing::PlainTrace;
using testing::solve_equal_bytes;
using testing::TemporaryFolder;

constexpr int prefix = 200;

class EqualBytesTest : public ::testing::Test {
 protected:
  EqualBytesTest()
      : trace_(PlainTrace({.layers = 2, .kv_heads = 2, .group = 1, .head_size = 16, .tokens = 210, .seed = 9})
                   .write(folder_ / "t.safetensors")) {}

  size_t bytes_of(const Policy& policy) const {
    const TraceBounds bounds(trace_, prefix);
    return PolicyRun(policy, selection_context(trace_, prefix, bounds)).predicted_bytes(prefix);
  }
  Policy solve(const std::string& policy, size_t bytes) const {
    return solve_equal_bytes(trace_, prefix, Policy::parse_list(policy), bytes).front();
  }
  std::string heads() const {
    return "heads=\"" + folder_.write("heads.json", R"({"retrieval_kv_heads": [[1, 1]]})").string() + "\"";
  }

  TemporaryFolder folder_;
  Trace trace_;
};

TEST_F(EqualBytesTest, FullIsTheSumOfItsBlocks) {
  EXPECT_EQ(full_f16_bytes(trace_, prefix), size_t{2} * 2 * 2 * 208 * 16 * 2);
}

TEST_F(EqualBytesTest, AsManyTokensAsFitAndNoMore) {
  const size_t full = full_f16_bytes(trace_, prefix);
  for (const std::string& policy :
       {std::string("window+f16"), std::string("window:sinks=0,recent=3+f32"),
        "razor/none:recent=5," + heads(),
        "razor/weighted:recent=5,sinks=7," + heads() + "+protected=f32+others=f16"}) {
    for (const size_t percent : {60, 65, 75, 80, 90}) {
      SCOPED_TRACE(policy + " at " + std::to_string(percent) + " %");
      const size_t bytes = full * percent / 100;
      const Policy solved = solve(policy, bytes);
      const int size = solved.values().integer("recent");
      EXPECT_EQ(solved, Policy::parse(policy).with_size(size)) << "nothing else is changed";
      EXPECT_LE(bytes_of(solved), bytes);
      EXPECT_GT(bytes_of(solved.with_size(size + 1)), bytes);
    }
  }
}

TEST_F(EqualBytesTest, TheReplayTakesThePredictedBytes) {
  const size_t bytes = full_f16_bytes(trace_, prefix) / 2;
  NoProgress progress;
  const std::vector<Policy> solved = solve_equal_bytes(
      trace_, prefix, Policy::parse_list("window;window+f32;razor:recent=1," + heads()), bytes);
  ASSERT_EQ(solved.size(), 3U);
  for (const ReplayResult& result :
       replay(trace_, {.prefix = prefix, .steps = 10, .policies = solved}, progress)) {
    EXPECT_LE(result.compressed.physical(), bytes) << result.policy;
    EXPECT_GE(static_cast<double>(result.compressed.physical()), 0.85 * static_cast<double>(bytes))
        << result.policy;
  }
}

TEST_F(EqualBytesTest, SlotsOfDroppedTokensCount) {
  const size_t bytes = full_f16_bytes(trace_, prefix) * 6 / 10;
  NoProgress progress;
  const std::vector<Policy> solved = solve_equal_bytes(
      trace_, prefix, Policy::parse_list("occam:compensation=clusters,slots=16," + heads()), bytes);
  const auto results = replay(trace_, {.prefix = prefix, .steps = 2, .policies = solved}, progress);
  EXPECT_LE(results.front().compressed.physical(), bytes);
}

TEST_F(EqualBytesTest, MoreThanEverythingKeepsEverything) {
  for (const std::string& policy :
       {std::string("window"), "razor/none:recent=5," + heads(), "razor/weighted:recent=5," + heads()}) {
    const Policy solved = solve(policy, 2 * full_f16_bytes(trace_, prefix));
    EXPECT_EQ(bytes_of(solved), full_f16_bytes(trace_, prefix)) << policy;
  }
}

TEST_F(EqualBytesTest, ExactlyTheBytesOfFullKeepEverything) {
  for (const std::string& policy :
       {std::string("window"), "razor/none:recent=5," + heads(), "razor/weighted:recent=5," + heads()}) {
    const Policy solved = solve(policy, full_f16_bytes(trace_, prefix));
    EXPECT_EQ(bytes_of(solved), full_f16_bytes(trace_, prefix)) << solved.name();
  }
}

TEST_F(EqualBytesTest, TooFewBytesAreAnErrorThatNamesTheLeast) {
  expect_input_error([&] { solve("window", 100); },
                     {"--equal-bytes", "window/original-positions", "takes at least", "recent=1", "100 B"});
}

TEST_F(EqualBytesTest, PoliciesOfFixedSizeStayAsTheyAreWhereTheyFit) {
  EXPECT_EQ(solve("full+q4_0", full_f16_bytes(trace_, prefix)).name(), Policy::parse("full+q4_0").name());
  expect_input_error([&] { solve("full", 1 << 10); },
                     {"--equal-bytes", "the size of full is fixed", "full+f16 takes 52.0 KiB", "1.0 KiB"});
}

TEST_F(EqualBytesTest, EachPolicyFitsOrSaysWhyNot) {
  const TraceBounds bounds(trace_, prefix);
  const SelectionContext context = selection_context(trace_, prefix, bounds);
  const size_t full = full_f16_bytes(trace_, prefix);
  const auto sized = [&](const std::string& policy, size_t bytes) {
    const SizedPolicy result = size_policy(context, Policy::parse(policy), bytes);
    EXPECT_EQ(result.policy.has_value(), result.reason.empty()) << result.reason;
    return result;
  };
  for (const std::string fixed : {"full", "full+q4_0", "full+kivi4:residual=32"}) {
    const Policy policy = Policy::parse(fixed);
    ASSERT_FALSE(policy.has_size(nullptr)) << fixed;
    const size_t taken = bytes_of(policy);
    EXPECT_EQ(*sized(fixed, taken).policy, policy) << "left as it is";
    EXPECT_EQ(*sized(fixed, 2 * full).policy, policy);
    EXPECT_NE(sized(fixed, taken - 1).reason.find("is fixed"), std::string::npos);
  }
  EXPECT_NE(sized("window", 100).reason.find("takes at least"), std::string::npos);
  // The protected head alone takes a quarter of everything.
  EXPECT_NE(sized("occam:" + heads(), full / 8).reason.find("takes at least"), std::string::npos);
}

RC_GTEST_FIXTURE_PROP(EqualBytesTest, NoSelectionTakesMoreThanTheBytesAskedFor, ()) {
  static const std::vector<std::string> with_sizes = [] {
    std::vector<std::string> all;
    for (const SelectionEntry& entry : selection_registry()) {
      for (const std::string& variant :
           entry.variants.empty() ? std::vector<std::string>{""} : entry.variants) {
        const std::string name = variant.empty() ? entry.name : entry.name + "/" + variant;
        if (Policy::parse(name).has_size(nullptr)) all.push_back(name);
      }
    }
    return all;
  }();
  const std::string name = *rc::gen::elementOf(with_sizes);
  const std::string codec = *rc::gen::element<std::string>(
      "f16", "f32", "q8_0", "q4_0:residual=8", "kivi4:residual=32", "kivi2/chunk:residual=32",
      "k=q8_0+v=q4_0", "int8-token", "fp8-e4m3:rotate=yes");
  const int percent = *rc::gen::inRange(1, 130);
  std::string text = name;
  if (find_selection("", name.substr(0, name.find('/'))).protects_heads) text += ":" + heads();
  text += "+" + codec;
  const size_t bytes = full_f16_bytes(trace_, prefix) * static_cast<size_t>(percent) / 100;
  const TraceBounds bounds(trace_, prefix);
  const SelectionContext context = selection_context(trace_, prefix, bounds);
  RC_LOG() << text << " at " << bytes << " bytes" << std::endl;
  const SizedPolicy sized = size_policy(context, Policy::parse(text), bytes);
  RC_ASSERT(sized.policy.has_value() == sized.reason.empty());
  if (!sized.policy) return;
  RC_ASSERT(bytes_of(*sized.policy) <= bytes);
  NoProgress progress;
  const ReplayResult result =
      replay(trace_, {.prefix = prefix, .steps = 1, .policies = {*sized.policy}}, progress).front();
  RC_ASSERT(result.compressed.physical() <= bytes);
}

}  // namespace
}  // namespace razorscope
