// Which heads a probe's scores make retrieval heads.
#include "policies/retrieval_heads.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <set>
#include <utility>
#include <vector>

#include "models/base/error.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::TemporaryFolder;
using Heads = std::vector<HeadId>;

/// Scores of a model whose query heads are its KV heads.
HeadScores scores_of(int layers, int heads, std::vector<double> induction, std::vector<double> echo) {
  HeadScores scores;
  scores.layers = layers;
  scores.query_heads = scores.kv_heads = heads;
  scores.induction = std::move(induction);
  scores.echo = std::move(echo);
  return scores;
}

HeadScores flat(int layers, int heads) {
  const std::vector<double> zeros(static_cast<size_t>(layers * heads), 0.0);
  return scores_of(layers, heads, zeros, zeros);
}

Heads paper(const HeadScores& scores, double induction, double echo) {
  return choose_retrieval_heads(scores, {HeadChoice::paper, induction, echo});
}

TEST(RetrievalHeadsTest, PaperTakesTheHighestShareOfEachScore) {
  const HeadScores scores =
      scores_of(2, 5, {.1, .9, .2, .3, .4, .8, .0, .7, .05, .6}, {.0, .0, .5, .0, .0, .0, .9, .0, .4, .0});
  EXPECT_EQ(paper(scores, 0.3, 0.2), (Heads{{0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}}));
  EXPECT_EQ(paper(scores, 0.1, 0.1), (Heads{{0, 1}, {1, 1}}));
}

TEST(RetrievalHeadsTest, AHeadThatIsHighInBothCountsOnce) {
  EXPECT_EQ(paper(scores_of(1, 4, {.1, .9, .2, .3}, {.0, .9, .5, .0}), 0.25, 0.25), (Heads{{0, 1}}));
}

TEST(RetrievalHeadsTest, PapersDefaultsAre14And1Percent) {
  HeadScores scores = flat(10, 10);
  for (size_t i = 0; i < 100; ++i) {
    scores.induction[i] = static_cast<double>(i);
    scores.echo[i] = -static_cast<double>(i);
  }
  const Heads heads = choose_retrieval_heads(scores, {});
  EXPECT_EQ(heads.size(), 15U);
  EXPECT_EQ(heads.front(), (HeadId{0, 0}));
  EXPECT_EQ(heads[1], (HeadId{8, 6}));
}

TEST(RetrievalHeadsTest, SharesRoundHalfUpAndGiveAtLeastOne) {
  const auto count = [](int heads, double share) {
    HeadScores scores = flat(1, heads);
    // Echo ranks as induction does, and takes one head: the union has the induction share's size.
    for (size_t i = 0; i < scores.induction.size(); ++i)
      scores.induction[i] = scores.echo[i] = -static_cast<double>(i);
    return paper(scores, share, 0.0).size();
  };
  EXPECT_EQ(count(10, 0.24), 2U);
  EXPECT_EQ(count(10, 0.25), 3U);
  EXPECT_EQ(count(10, 0.26), 3U);
  EXPECT_EQ(count(2, 0.25), 1U);
  EXPECT_EQ(count(90, 0.14), 13U);  // 12.6
  EXPECT_EQ(count(25, 0.14), 4U);   // 3.5
  EXPECT_EQ(count(10, 0.0), 1U);
  EXPECT_EQ(count(10, 0.01), 1U);
  EXPECT_EQ(count(10, 1.0), 10U);
  EXPECT_EQ(count(1, 0.14), 1U);
}

TEST(RetrievalHeadsTest, HalvesThatBinaryFractionsMissRoundUpToo) {
  HeadScores scores = flat(1, 90);
  for (size_t i = 0; i < 90; ++i) scores.induction[i] = scores.echo[i] = -static_cast<double>(i);
  EXPECT_EQ(paper(scores, 0.35, 0.0).size(), 32U) << "35 % of 90 is 31.5";
}

TEST(RetrievalHeadsTest, TiesGoToTheLowerLayerThenTheLowerHead) {
  EXPECT_EQ(paper(flat(3, 2), 0.5, 0.0), (Heads{{0, 0}, {0, 1}, {1, 0}}));
  EXPECT_EQ(rank_heads(flat(2, 2)), (Heads{{0, 0}, {0, 1}, {1, 0}, {1, 1}}));
}

TEST(RetrievalHeadsTest, AKvHeadHasTheLargestScoreOfItsGroup) {
  HeadScores scores;
  scores.layers = 1;
  scores.query_heads = 6;
  scores.kv_heads = 2;
  scores.induction = {.1, .1, .6, .3, .3, .3};
  scores.echo = {.2, .0, .0, .0, .9, .0};
  EXPECT_EQ(scores.kv_induction(), (std::vector<double>{.6, .3}));
  EXPECT_EQ(paper(scores, 0.5, 0.5), (Heads{{0, 0}, {0, 1}}));
  EXPECT_EQ(choose_retrieval_heads(scores, {HeadChoice::threshold, 0.5, 1.0}), (Heads{{0, 0}}));
}

TEST(RetrievalHeadsTest, ThresholdTakesScoresFromTheThresholdOn) {
  const HeadScores scores = scores_of(1, 4, {.1, .2, .3, .0}, {.0, .0, .0, .5});
  EXPECT_EQ(choose_retrieval_heads(scores, {HeadChoice::threshold, 0.2, 0.5}),
            (Heads{{0, 1}, {0, 2}, {0, 3}}));
  EXPECT_EQ(choose_retrieval_heads(scores, {HeadChoice::threshold, 0.21, 0.51}), (Heads{{0, 2}}));
  EXPECT_TRUE(choose_retrieval_heads(scores, {HeadChoice::threshold, 1.0, 1.0}).empty())
      << "none may qualify";
}

TEST(RetrievalHeadsTest, GapTakesAllAboveTheLargestGap) {
  const HeadScores scores = scores_of(1, 6, {.50, .05, .46, .29, .11, .41}, {.0, .9, .0, .0, .0, .0});
  // Sorted .50 .46 .41 .29 .11 .05: the largest gap is behind .29.
  EXPECT_EQ(choose_retrieval_heads(scores, {HeadChoice::gap}),
            (Heads{{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 5}}));
}

TEST(RetrievalHeadsTest, GapTakesTheFirstOfEqualGapsAndOneHeadWhereThereIsNoGap) {
  const HeadScores scores = scores_of(1, 4, {.75, .5, .25, .0}, {.75, .5, .25, .0});
  EXPECT_EQ(choose_retrieval_heads(scores, {HeadChoice::gap}), (Heads{{0, 0}}));
  EXPECT_EQ(choose_retrieval_heads(flat(2, 2), {HeadChoice::gap}), (Heads{{0, 0}}));
  EXPECT_EQ(choose_retrieval_heads(flat(1, 1), {HeadChoice::gap}), (Heads{{0, 0}}));
}

TEST(RetrievalHeadsTest, RankIsByTheLargerOfBothScores) {
  const HeadScores scores = scores_of(2, 2, {.1, .5, .2, .3}, {.4, .0, .9, .3});
  EXPECT_EQ(rank_heads(scores), (Heads{{1, 0}, {0, 1}, {0, 0}, {1, 1}}));
}

/// Every choice is a set of existing heads, ascending, and never takes a head while leaving one with a higher
/// score.
RC_GTEST_PROP(RetrievalHeadsTest, NoHeadIsTakenBeforeABetterOne, ()) {
  HeadScores scores;
  scores.layers = *rc::gen::inRange(1, 5);
  scores.kv_heads = *rc::gen::inRange(1, 5);
  scores.query_heads = scores.kv_heads * *rc::gen::inRange(1, 4);
  const auto count = static_cast<size_t>(scores.layers * scores.query_heads);
  const auto random_scores = [&] {
    std::vector<double> out;
    for (const int x : *rc::gen::container<std::vector<int>>(count, rc::gen::inRange(0, 20)))
      out.push_back(x / 20.0);
    return out;
  };
  scores.induction = random_scores();
  scores.echo = random_scores();
  HeadChoiceParameters parameters;
  parameters.choice = *rc::gen::element(HeadChoice::paper, HeadChoice::threshold, HeadChoice::gap);
  parameters.induction = *rc::gen::inRange(0, 21) / 20.0;
  parameters.echo = *rc::gen::inRange(0, 21) / 20.0;
  const Heads heads = choose_retrieval_heads(scores, parameters);
  RC_ASSERT(std::is_sorted(heads.begin(), heads.end()));
  RC_ASSERT(std::set<HeadId>(heads.begin(), heads.end()).size() == heads.size());
  RC_ASSERT(parameters.choice == HeadChoice::threshold || !heads.empty());
  const std::set<HeadId> chosen(heads.begin(), heads.end());
  const std::vector<double> induction = scores.kv_induction();
  const std::vector<double> echo = scores.kv_echo();
  for (const HeadId& head : heads) {
    RC_ASSERT(head.first >= 0 && head.first < scores.layers && head.second >= 0 &&
              head.second < scores.kv_heads);
  }
  for (int layer = 0; layer < scores.layers; ++layer) {
    for (int h = 0; h < scores.kv_heads; ++h) {
      const auto index = [&](const HeadId& head) {
        return static_cast<size_t>(head.first * scores.kv_heads + head.second);
      };
      if (parameters.choice == HeadChoice::threshold) {
        const bool qualifies = induction[index({layer, h})] >= parameters.induction ||
                               echo[index({layer, h})] >= parameters.echo;
        RC_ASSERT(chosen.contains({layer, h}) == qualifies);
        continue;
      }
      if (chosen.contains({layer, h})) continue;
      // A head left out is, for each kind, not above every head that was taken.
      const auto beats_all = [&](const std::vector<double>& kind) {
        return std::all_of(heads.begin(), heads.end(), [&](const HeadId& head) {
          return kind[index({layer, h})] > kind[index(head)];
        });
      };
      RC_ASSERT(!beats_all(induction) && !beats_all(echo));
    }
  }
}

// Head tables

class HeadTableTest : public ::testing::Test {
 protected:
  Heads read(const std::string& json) {
    Shape shape;
    shape.layers = 3;
    shape.query_heads = 4;
    shape.kv_heads = 2;
    return read_head_table(folder_.write("heads.json", json), shape);
  }
  void expect_error(const std::string& json, const std::vector<std::string>& fragments) {
    SCOPED_TRACE(json.substr(0, 100));
    expect_input_error([&] { read(json); }, fragments);
  }

  TemporaryFolder folder_;
};

TEST_F(HeadTableTest, IsUsedAsItIs) {
  EXPECT_EQ(read(R"({"retrieval_kv_heads": [[2, 1], [0, 0]], "comment": "more keys may stand beside"})"),
            (Heads{{0, 0}, {2, 1}}));
  EXPECT_EQ(read(R"({"retrieval_kv_heads": [[1, 1], [1, 1]]})"), (Heads{{1, 1}}));
  EXPECT_EQ(read(R"({"retrieval_kv_heads": []})"), Heads{});
}

TEST_F(HeadTableTest, FaultsNameFileKeyAndForm) {
  for (const char* json : {"[]", "{}", "7", "null", "not json", R"({"retrieval_heads": [[0, 0]]})",
                           R"({"retrieval_kv_heads": {"0": 0}})", R"({"retrieval_kv_heads": "all"})",
                           R"({"retrieval_kv_heads": [[0, 0])"}) {
    expect_error(json, {"heads.json", "retrieval_kv_heads", "is missing or not an array",
                        R"({"retrieval_kv_heads": [[layer, head], ...]})"});
  }
  for (const char* entry :
       {"1", "[]", "[0]", "[0, 0, 0]", "[0, 0.5]", "[\"0\", 0]", "[true, 0]", "null", "{\"layer\": 0}"}) {
    expect_error(fmt::format(R"({{"retrieval_kv_heads": [[0, 0], {}]}})", entry),
                 {"retrieval_kv_heads", "not a pair of integers"});
  }
}

TEST_F(HeadTableTest, HeadsThatDoNotExistAreErrors) {
  for (const char* entry :
       {"[3, 0]", "[0, 2]", "[-1, 0]", "[0, -1]", "[4294967296, 0]", "[0, 18446744073709551615]"}) {
    expect_error(fmt::format(R"({{"retrieval_kv_heads": [{}]}})", entry),
                 {"does not exist in a model of 3 layers with 2 KV heads"});
  }
}

TEST_F(HeadTableTest, FilesThatCannotBeReadAreErrors) {
  Shape shape;
  shape.layers = shape.kv_heads = shape.query_heads = 1;
  expect_input_error([&] { read_head_table(folder_ / "nothing.json", shape); }, {"nothing.json"});
  expect_input_error([&] { read_head_table(folder_.path(), shape); }, {"not a regular file"});
  expect_error("\xff{}", {"not valid UTF-8"});
  expect_input_error([&] { read(""); }, {"is empty"});
}

TEST_F(HeadTableTest, DeeplyNestedJsonIsAnErrorToo) {
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  expect_error(deep, {"is missing or not an array"});
  expect_error(R"({"retrieval_kv_heads": [)" + deep + "]}", {"not a pair of integers"});
}

}  // namespace
}  // namespace razorscope
