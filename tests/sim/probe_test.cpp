// The probe's scores against a twin in double precision, and its token blocks.
#include "sim/probe/probe.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <set>

#include "models/base/error.hpp"
#include "models/language/model_file.hpp"
#include "policies/cache/exact_memory.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/random_model.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::RandomModelOptions;
using testing::TemporaryFolder;

ModelFile random_file(const TemporaryFolder& folder, const RandomModelOptions& options = {}) {
  return ModelFile(testing::write_random_model(folder / "m.gguf", options));
}

/// Queries and keys of a whole sequence, as the transformer has them.
class Capture final : public ForwardObserver {
 public:
  explicit Capture(const Shape& shape) : shape_(shape), q(static_cast<size_t>(shape.layers)), k(q) {}
  void attention(int layer, const QueriesKeysValues& block) override {
    const auto i = static_cast<size_t>(layer);
    for (int t = 0; t < block.tokens; ++t) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(t) * static_cast<ptrdiff_t>(block.stride);
      q[i].insert(q[i].end(), block.q + row, block.q + row + shape_.query_width());
      k[i].insert(k[i].end(), block.k + row, block.k + row + shape_.kv_width());
    }
  }

 private:
  Shape shape_;

 public:
  std::vector<std::vector<float>> q;  // [layers][tokens, query_heads·head_size]
  std::vector<std::vector<float>> k;
};

struct TwinScores {
  std::vector<double> echo;
  std::vector<double> induction;
};

/// The definition: mean over the positions of blocks 2 .. R of the attention weight on the same token of
/// earlier blocks, and on the token that followed it.
TwinScores twin_scores(const Transformer& model, const std::vector<int32_t>& block, int repeats, int32_t bos,
                       bool sum_prior) {
  const Shape& shape = model.shape();
  std::vector<int32_t> ids;
  if (bos >= 0) ids.push_back(bos);
  const auto first = static_cast<int>(ids.size());
  const auto length = static_cast<int>(block.size());
  for (int i = 0; i < repeats; ++i) ids.insert(ids.end(), block.begin(), block.end());
  Capture capture(shape);
  ExactMemory memory(shape, static_cast<int>(ids.size()));
  SequenceInput sequence;
  sequence.tokens = ids;
  sequence.memory = &memory;
  sequence.observer = &capture;
  NoProgress progress;
  prefill(model, sequence, progress, "test");

  TwinScores scores;
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int head = 0; head < shape.query_heads; ++head) {
      const double slope = shape.alibi_slopes.empty() ? 0.0 : shape.alibi_slopes[static_cast<size_t>(head)];
      const float* queries = capture.q[static_cast<size_t>(layer)].data() + head * shape.head_size;
      const float* keys =
          capture.k[static_cast<size_t>(layer)].data() + head / shape.group_size() * shape.head_size;
      double echo = 0.0;
      double induction = 0.0;
      int echo_positions = 0;
      int induction_positions = 0;
      for (int m = first + length; m < static_cast<int>(ids.size()); ++m) {
        const int block_index = (m - first) / length;
        const int offset = (m - first) % length;
        std::vector<double> weights;
        double total = 0.0;
        for (int n = 0; n <= m; ++n) {
          double product = 0.0;
          for (int i = 0; i < shape.head_size; ++i) {
            product +=
                static_cast<double>(queries[m * shape.query_width() + i]) * keys[n * shape.kv_width() + i];
          }
          weights.push_back(std::exp(product * shape.score_scale - slope * (m - n)));
          total += weights.back();
        }
        const bool last_of_block = offset == length - 1;
        const int farthest = sum_prior ? block_index : 1;
        ++echo_positions;
        if (sum_prior || !last_of_block) ++induction_positions;
        for (int back = 1; back <= farthest; ++back) {
          const auto same = static_cast<size_t>(first + (block_index - back) * length + offset);
          echo += weights[same] / total;
          if (sum_prior || !last_of_block) induction += weights[same + 1] / total;
        }
      }
      scores.echo.push_back(echo / echo_positions);
      scores.induction.push_back(induction / induction_positions);
    }
  }
  return scores;
}

void expect_near(const std::vector<double>& ours, const std::vector<double>& twin) {
  ASSERT_EQ(ours.size(), twin.size());
  for (size_t i = 0; i < twin.size(); ++i) EXPECT_NEAR(ours[i], twin[i], 1e-6 + 1e-4 * twin[i]) << i;
}

TEST(ProbeTest, EqualsTheTwin) {
  for (const char* architecture : {"llama", "mpt"}) {
    for (const int kv_heads : {2, 4}) {
      const TemporaryFolder folder;
      const Transformer model =
          random_file(folder,
                      {.architecture = architecture, .kv_heads = kv_heads, .attention_gain = 2.0F, .seed = 4})
              .load();
      for (const auto& [length, repeats] : {std::pair{2, 2},
                                            {7, 4},
                                            {40, 3},
                                            {70, 2},
                                            {180, 3}}) {  // 180·3 is more than one chunk of a prefill
        if (length == 180 && kv_heads != 2) continue;
        const std::vector<int32_t> block = testing::random_ids(static_cast<size_t>(length), 9);
        for (const int32_t bos : {-1, testing::random_model_bos}) {
          for (const ProbeVariant variant : {ProbeVariant::sum_prior, ProbeVariant::last_prior}) {
            SCOPED_TRACE(::testing::Message()
                         << architecture << ", KV heads " << kv_heads << ", " << length << " x " << repeats
                         << ", bos " << bos << ", " << probe_variant_name(variant));
            NoProgress progress;
            const HeadScores scores = run_probe(model, block, repeats, bos, variant, progress);
            const TwinScores twin =
                twin_scores(model, block, repeats, bos, variant == ProbeVariant::sum_prior);
            expect_near(scores.echo, twin.echo);
            expect_near(scores.induction, twin.induction);
          }
        }
      }
    }
  }
}

TEST(ProbeTest, SaysWhatItDid) {
  const TemporaryFolder folder;
  const Transformer model = random_file(folder).load();
  NoProgress progress;
  const HeadScores scores =
      run_probe(model, {1, 2, 3}, 4, testing::random_model_bos, ProbeVariant::last_prior, progress);
  EXPECT_EQ(scores.layers, 2);
  EXPECT_EQ(scores.query_heads, 4);
  EXPECT_EQ(scores.kv_heads, 2);
  EXPECT_EQ(scores.block, 3);
  EXPECT_EQ(scores.repeats, 4);
  EXPECT_EQ(scores.variant, "last-prior");
  EXPECT_EQ(scores.echo.size(), 8U);
}

/// A model whose scores can be done by hand: with Q and K of zero every weight is 1 / (m + 1).
TEST(ProbeTest, UniformAttentionByHand) {
  const TemporaryFolder folder;
  const Transformer model = random_file(folder, {.attention_gain = 0.0F}).load();
  NoProgress progress;
  const HeadScores sum =
      run_probe(model, {5, 6, 7}, 3, testing::random_model_bos, ProbeVariant::sum_prior, progress);
  // Positions 4 .. 6 see one earlier occurrence, 7 .. 9 two.
  const double expected = (1.0 / 5 + 1.0 / 6 + 1.0 / 7 + 2.0 / 8 + 2.0 / 9 + 2.0 / 10) / 6;
  for (const double x : sum.echo) EXPECT_NEAR(x, expected, 1e-6);
  for (const double x : sum.induction) EXPECT_NEAR(x, expected, 1e-6);
  const HeadScores last = run_probe(model, {5, 6, 7}, 3, -1, ProbeVariant::last_prior, progress);
  // Without a BOS: positions 3 .. 5 and 6 .. 8; the third of each block has no successor.
  const double echo = (1.0 / 4 + 1.0 / 5 + 1.0 / 6 + 1.0 / 7 + 1.0 / 8 + 1.0 / 9) / 6;
  const double induction = (1.0 / 4 + 1.0 / 5 + 1.0 / 7 + 1.0 / 8) / 4;
  for (const double x : last.echo) EXPECT_NEAR(x, echo, 1e-6);
  for (const double x : last.induction) EXPECT_NEAR(x, induction, 1e-6);
}

TEST(ProbeTest, WhatDoesNotFitIsAnInputError) {
  const TemporaryFolder folder;
  const Transformer model = random_file(folder, {.context = 100}).load();
  NoProgress progress;
  const auto run = [&](size_t length, int repeats, int32_t bos) {
    return run_probe(model, std::vector<int32_t>(length, 3), repeats, bos, ProbeVariant::sum_prior, progress);
  };
  expect_input_error([&] { run(1, 4, -1); }, {"--block", "at least 2"});
  expect_input_error([&] { run(5, 1, -1); }, {"--repeats", "1 is too few"});
  expect_input_error([&] { run(25, 4, testing::random_model_bos); }, {"--block", "101", "context", "100"});
  EXPECT_NO_THROW(run(25, 4, -1));
  EXPECT_NO_THROW(run(24, 4, testing::random_model_bos));
  EXPECT_THROW(run_probe(model, {1, 100000}, 2, -1, ProbeVariant::sum_prior, progress), InputError);
}

TEST(ProbeTest, VariantsHaveNames) {
  for (const ProbeVariant variant : {ProbeVariant::sum_prior, ProbeVariant::last_prior}) {
    EXPECT_EQ(probe_variant(probe_variant_name(variant)), variant);
  }
  expect_input_error([] { probe_variant("sum-pior"); }, {"did you mean 'sum-prior'", "last-prior"});
}

TEST(ProbeTest, TheDefaultIs200TokensInFourCopiesOrWhatFits) {
  const TemporaryFolder folder;
  NoProgress progress;
  {
    const ModelFile file = random_file(folder, {.context = 1024});
    const HeadScores scores = run_default_probe(file.load(), file.tokenizer(), progress);
    EXPECT_EQ(scores.block, 200);
    EXPECT_EQ(scores.repeats, 4);
    EXPECT_EQ(scores.seed, 1U);
    EXPECT_EQ(scores.variant, "sum-prior");
    EXPECT_EQ(scores.token_source, "vocabulary");
  }
  const ModelFile file = random_file(folder, {.context = 101});
  EXPECT_EQ(run_default_probe(file.load(), file.tokenizer(), progress).block, 25);
}

// Random blocks

TEST(RandomBlockTest, IsTheSameEverywhere) {
  const Tokenizer tokenizer(GgufFile(RAZORSCOPE_SOURCE_DIR "/models/language/data/tiny-alibi.gguf"));
  EXPECT_EQ(random_block(tokenizer, 8, 1, "vocabulary"),
            (std::vector<int32_t>{1716, 1569, 599, 1878, 814, 1477, 1971, 286}));
  EXPECT_EQ(random_block(tokenizer, 8, 12345678901234567890U, "vocabulary"),
            (std::vector<int32_t>{1536, 1414, 1594, 566, 1685, 1438, 1615, 778}));
}

TEST(RandomBlockTest, DependsOnTheSeedAndNotOnTheLength) {
  const TemporaryFolder folder;
  const Tokenizer tokenizer = random_file(folder).tokenizer();
  const std::vector<int32_t> block = random_block(tokenizer, 100, 7, "vocabulary");
  EXPECT_EQ(random_block(tokenizer, 100, 7, "vocabulary"), block);
  EXPECT_NE(random_block(tokenizer, 100, 8, "vocabulary"), block);
  const std::vector<int32_t> longer = random_block(tokenizer, 150, 7, "vocabulary");
  EXPECT_TRUE(std::equal(block.begin(), block.end(), longer.begin()));
}

TEST(RandomBlockTest, IsUniformOverNormalTokensAlone) {
  const TemporaryFolder folder;
  const Tokenizer tokenizer = random_file(folder).tokenizer();
  std::map<int32_t, int> counts;
  for (const int32_t id : random_block(tokenizer, 263000, 3, "vocabulary")) ++counts[id];
  EXPECT_EQ(counts.size(), 263U) << "256 bytes and 7 merges; neither <s> nor </s>";
  for (const auto& [id, count] : counts) {
    EXPECT_TRUE(tokenizer.is_normal(id));
    EXPECT_NEAR(count, 1000, 200) << id;  // the standard deviation is 32
  }
}

TEST(RandomBlockTest, SourcesThatDoNotExistOrDoNotFitAreInputErrors) {
  const TemporaryFolder folder;
  const Tokenizer tokenizer = random_file(folder).tokenizer();
  expect_input_error([&] { random_block(tokenizer, 5, 1, "range"); },
                     {"--source", "10000 to 12500", "265 entries"});
  expect_input_error([&] { random_block(tokenizer, 5, 1, "vocabulray"); },
                     {"--source", "did you mean 'vocabulary'", "range"});
}

TEST(RandomBlockTest, ARangeStaysInTheRange) {
  const TemporaryFolder folder;
  auto model = testing::random_model();
  std::vector<std::string> tokens;
  for (int i = 0; i < 12501; ++i) tokens.push_back("t" + std::to_string(i));
  model.metadata.add_strings("tokenizer.ggml.tokens", tokens)
      .add_strings("tokenizer.ggml.merges", {})
      .remove("tokenizer.ggml.token_type");
  model.write(folder / "m.gguf");
  const std::vector<int32_t> block = random_block(Tokenizer(GgufFile(folder / "m.gguf")), 50000, 1, "range");
  const auto [least, most] = std::minmax_element(block.begin(), block.end());
  EXPECT_EQ(*least, 10000);
  EXPECT_EQ(*most, 12500);
}

}  // namespace
}  // namespace razorscope
