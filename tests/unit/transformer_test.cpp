#include "models/language/transformer.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "models/base/error.hpp"
#include "models/language/linear.hpp"
#include "models/language/model_file.hpp"
#include "models/language/rope.hpp"
#include "policies/cache/exact_memory.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/omp_threads.hpp"
#include "tests/support/random_model.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::OmpThreads;
using testing::random_ids;
using testing::RandomFloats;
using testing::RandomModelOptions;
using testing::TemporaryFolder;

using Ids = std::vector<int32_t>;
using Row = std::vector<double>;
using Rows = std::vector<Row>;

/// The models once more: slow, plain, in double precision, sharing nothing with the engine but the file's
/// bytes.
class Twin {
 public:
  explicit Twin(const std::filesystem::path& path)
      : file_(path), family_(file_.text("general.architecture")) {}

  /// Q, K and V of a layer, after the position scheme: one row per token.
  struct Layer {
    Rows q;
    Rows k;
    Rows v;
  };
  struct Result {
    Rows logits;
    std::vector<Layer> layers;
  };

  Result run(const Ids& ids) const {
    const bool is_llama = family_ == "llama";
    const Rows embedding = matrix("token_embd.weight");
    Rows x;
    for (const int32_t id : ids) x.push_back(embedding[static_cast<size_t>(id)]);
    Result result;
    for (size_t i = 0; i < count("block_count"); ++i) {
      const std::string block = fmt::format("blk.{}.", i);
      const Rows normal = normalised(x, vector(block + "attn_norm.weight"));
      Layer layer = is_llama ? projected(normal, block) : projected_by_one_matrix(normal, block);
      if (is_llama) {
        for (size_t t = 0; t < ids.size(); ++t) {
          rotate(layer.q[t], t);
          rotate(layer.k[t], t);
        }
      }
      add(x, times(attention(layer), matrix(block + "attn_output.weight")));
      const Rows up =
          times(normalised(x, vector(block + "ffn_norm.weight")), matrix(block + "ffn_up.weight"));
      Rows active = up;
      if (is_llama) {
        const Rows gate =
            times(normalised(x, vector(block + "ffn_norm.weight")), matrix(block + "ffn_gate.weight"));
        for (size_t t = 0; t < up.size(); ++t) {
          for (size_t j = 0; j < up[t].size(); ++j)
            active[t][j] *= gate[t][j] / (1.0 + std::exp(-gate[t][j]));
        }
      } else {
        for (Row& row : active) {
          for (double& a : row) a *= 0.5 * std::erfc(-a / std::sqrt(2.0));
        }
      }
      add(x, times(active, matrix(block + "ffn_down.weight")));
      result.layers.push_back(std::move(layer));
    }
    const bool untied = file_.find_tensor("output.weight") != nullptr;
    result.logits =
        times(normalised(x, vector("output_norm.weight")), untied ? matrix("output.weight") : embedding);
    return result;
  }

 private:
  size_t count(const std::string& key) const {
    return static_cast<size_t>(file_.integer(family_ + "." + key, 1, 1 << 20));
  }
  size_t query_heads() const { return count("attention.head_count"); }
  size_t kv_heads() const { return count("attention.head_count_kv"); }
  size_t head_size() const {
    return file_.has(family_ + ".attention.key_length") ? count("attention.key_length")
                                                        : count("embedding_length") / query_heads();
  }

  Row vector(const std::string& name) const {
    const GgufTensor& tensor = *file_.find_tensor(name);
    std::vector<float> values(tensor.elements());
    dequantise(tensor.type, tensor.data, values);
    return {values.begin(), values.end()};
  }
  Rows matrix(const std::string& name) const {
    const Row values = vector(name);
    const auto columns = static_cast<ptrdiff_t>(file_.find_tensor(name)->dims[0]);
    Rows rows;
    for (auto at = values.begin(); at != values.end(); at += columns) rows.emplace_back(at, at + columns);
    return rows;
  }

  /// Every row of x against every row of w.
  static Rows times(const Rows& x, const Rows& w) {
    Rows y;
    for (const Row& in : x) {
      Row& out = y.emplace_back();
      for (const Row& weights : w)
        out.push_back(std::inner_product(in.begin(), in.end(), weights.begin(), 0.0));
    }
    return y;
  }
  static void add(Rows& x, const Rows& y) {
    for (size_t t = 0; t < x.size(); ++t) {
      for (size_t i = 0; i < x[t].size(); ++i) x[t][i] += y[t][i];
    }
  }

  Rows normalised(const Rows& x, const Row& gain) const {
    const bool centred = family_ == "mpt";
    const double epsilon =
        file_.real(centred ? "mpt.attention.layer_norm_epsilon" : "llama.attention.layer_norm_rms_epsilon");
    Rows y = x;
    for (Row& row : y) {
      const auto n = static_cast<double>(row.size());
      const double mean = centred ? std::accumulate(row.begin(), row.end(), 0.0) / n : 0.0;
      for (double& a : row) a -= mean;
      const double power = std::inner_product(row.begin(), row.end(), row.begin(), 0.0) / n;
      for (size_t i = 0; i < row.size(); ++i) row[i] *= gain[i] / std::sqrt(power + epsilon);
    }
    return y;
  }

  Layer projected(const Rows& x, const std::string& block) const {
    return {times(x, matrix(block + "attn_q.weight")), times(x, matrix(block + "attn_k.weight")),
            times(x, matrix(block + "attn_v.weight"))};
  }
  Layer projected_by_one_matrix(const Rows& x, const std::string& block) const {
    const Rows fused = matrix(block + "attn_qkv.weight");
    const auto keys = fused.begin() + static_cast<ptrdiff_t>(query_heads() * head_size());
    const auto values = keys + static_cast<ptrdiff_t>(kv_heads() * head_size());
    return {times(x, Rows(fused.begin(), keys)), times(x, Rows(keys, values)),
            times(x, Rows(values, fused.end()))};
  }

  /// Turns the channel pairs (2i, 2i + 1) of every head in a row of the token at `position`.
  void rotate(Row& row, size_t position) const {
    const double theta = file_.real("llama.rope.freq_base");
    const size_t dimensions = count("rope.dimension_count");
    const bool scaled = file_.has("llama.rope.scaling.type");
    const double factor = scaled ? file_.real("llama.rope.scaling.factor") : 1.0;
    const bool has_factors = file_.find_tensor("rope_freqs.weight") != nullptr;
    const Row factors = has_factors ? vector("rope_freqs.weight") : Row(dimensions / 2, 1.0);
    for (size_t head = 0; head < row.size(); head += head_size()) {
      for (size_t i = 0; i < dimensions / 2; ++i) {
        const double share = 2.0 * static_cast<double>(i) / static_cast<double>(dimensions);
        const double angle = static_cast<double>(position) / factor / factors[i] * std::pow(theta, -share);
        const double a = row[head + 2 * i];
        const double b = row[head + 2 * i + 1];
        row[head + 2 * i] = std::cos(angle) * a - std::sin(angle) * b;
        row[head + 2 * i + 1] = std::sin(angle) * a + std::cos(angle) * b;
      }
    }
  }

  double slope(size_t head) const {
    if (family_ != "mpt") return 0.0;
    const double bias = file_.real("mpt.attention.max_alibi_bias");
    size_t whole = 1;
    while (2 * whole <= query_heads()) whole *= 2;
    const double step =
        head < whole ? static_cast<double>(head + 1) / static_cast<double>(whole)
                     : (2.0 * static_cast<double>(head - whole) + 1.0) / (2.0 * static_cast<double>(whole));
    return std::pow(2.0, -bias * step);
  }

  Rows attention(const Layer& layer) const {
    const size_t d = head_size();
    Rows out(layer.q.size(), Row(query_heads() * d, 0.0));
    for (size_t head = 0; head < query_heads(); ++head) {
      const size_t kv = head / (query_heads() / kv_heads()) * d;
      for (size_t m = 0; m < out.size(); ++m) {
        Row weights;
        for (size_t n = 0; n <= m; ++n) {
          double score = 0.0;
          for (size_t c = 0; c < d; ++c) score += layer.q[m][head * d + c] * layer.k[n][kv + c];
          weights.push_back(score / std::sqrt(static_cast<double>(d)) -
                            slope(head) * static_cast<double>(m - n));
        }
        const double largest = *std::max_element(weights.begin(), weights.end());
        double sum = 0.0;
        for (double& w : weights) sum += w = std::exp(w - largest);
        for (size_t n = 0; n <= m; ++n) {
          for (size_t c = 0; c < d; ++c) out[m][head * d + c] += weights[n] / sum * layer.v[n][kv + c];
        }
      }
    }
    return out;
  }

  GgufFile file_;
  std::string family_;
};

/// Keeps everything a pass shows.
class Collector final : public ForwardObserver {
 public:
  explicit Collector(const Shape& shape) : layers(static_cast<size_t>(shape.layers)), shape_(shape) {}

  void attention(int layer, const QueriesKeysValues& block) override {
    Twin::Layer& into = layers.at(static_cast<size_t>(layer));
    EXPECT_EQ(static_cast<size_t>(block.first_position), into.q.size()) << "positions go on where they ended";
    for (int t = 0; t < block.tokens; ++t) {
      const auto row = [&](const float* from, int width) {
        const float* begin = from + static_cast<size_t>(t) * block.stride;
        return Row(begin, begin + width);
      };
      into.q.push_back(row(block.q, shape_.query_width()));
      into.k.push_back(row(block.k, shape_.kv_width()));
      into.v.push_back(row(block.v, shape_.kv_width()));
    }
  }
  void logits(int first_position, int rows, const float* values) override {
    for (int r = 0; r < rows; ++r, values += shape_.vocabulary) {
      positions.push_back(first_position + r);
      logit_rows.emplace_back(values, values + shape_.vocabulary);
    }
  }

  std::vector<Twin::Layer> layers;
  std::vector<int> positions;
  Rows logit_rows;

 private:
  Shape shape_;
};

/// The largest difference, as a share of the expected row's root mean square.
double relative_difference(const Row& got, const Row& expected) {
  if (got.size() != expected.size()) return INFINITY;
  double largest = 0.0;
  double squares = 0.0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(got[i] - expected[i]);
    if (!(difference <= largest)) largest = difference;  // NaN too
    squares += expected[i] * expected[i];
  }
  return largest / std::sqrt(squares / static_cast<double>(expected.size()));
}

void expect_close(const Rows& got, const Rows& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (size_t t = 0; t < got.size(); ++t) {
    ASSERT_LE(relative_difference(got[t], expected[t]), tolerance) << what << " at token " << t;
  }
}

/// One sequence that grows by calls of forward.
class Runner {
 public:
  Runner(const Transformer& transformer, int capacity)
      : collector(transformer.shape()), transformer_(transformer), memory_(transformer.shape(), capacity) {}

  SequenceInput input(std::span<const int32_t> ids, LogitsWanted wanted = LogitsWanted::all) {
    SequenceInput sequence;
    sequence.tokens = ids;
    sequence.first_position = position;
    sequence.memory = &memory_;
    sequence.observer = &collector;
    sequence.logits = wanted;
    return sequence;
  }
  void append(std::span<const int32_t> ids, LogitsWanted wanted = LogitsWanted::all) {
    const SequenceInput sequence = input(ids, wanted);
    transformer_.forward({&sequence, 1});
    position += static_cast<int>(ids.size());
  }

  Collector collector;
  int position = 0;

 private:
  const Transformer& transformer_;
  ExactMemory memory_;
};

struct NamedModel {
  const char* name;
  RandomModelOptions options;
};
void PrintTo(const NamedModel& model, std::ostream* out) { *out << model.name; }

RandomModelOptions llama() { return {}; }
RandomModelOptions mpt() {
  RandomModelOptions options;
  options.architecture = "mpt";
  options.kv_heads = 4;
  return options;
}
template <typename Change>
RandomModelOptions with(RandomModelOptions options, const Change& change) {
  change(options);
  return options;
}
using Options = RandomModelOptions;

std::vector<NamedModel> models() {
  std::vector<NamedModel> all = {
      {"Llama", llama()},
      {"LlamaWithoutGroups", with(llama(), [](Options& o) { o.kv_heads = o.query_heads; })},
      {"LlamaWithOneKvHead", with(llama(), [](Options& o) { o.kv_heads = 1; })},
      {"LlamaUntied", with(llama(), [](Options& o) { o.untied_output = true; })},
      {"LlamaWithScaledPositions", with(llama(), [](Options& o) { o.rope_linear_scaling = 4.0F; })},
      {"LlamaWithFrequencyFactors", with(llama(), [](Options& o) { o.rope_frequency_factors = true; })},
      {"LlamaTurningHalfAHead", with(llama(), [](Options& o) { o.rope_dimensions = 8; })},
      {"LlamaOfLargeTheta", with(llama(), [](Options& o) { o.rope_theta = 1e6F; })},
      {"LlamaWithOtherHeadSize", with(llama(), [](Options& o) { o.head_size = 24; })},
      {"LlamaOfOddWidths", with(llama(),
                                [](Options& o) {
                                  o.query_heads = 3;
                                  o.kv_heads = 1;
                                  o.hidden = 45;
                                  o.head_size = 10;
                                  o.feed_forward = 77;
                                })},
      {"LlamaOfPeakedAttention", with(llama(), [](Options& o) { o.attention_gain = 4.0F; })},
      {"Mpt", mpt()},
      {"MptOf12Heads", with(mpt(),
                            [](Options& o) {
                              o.query_heads = o.kv_heads = 12;
                              o.head_size = 8;
                              o.hidden = 96;
                            })},
      {"MptOf5HeadsInOneGroup", with(mpt(),
                                     [](Options& o) {
                                       o.query_heads = 5;
                                       o.kv_heads = 1;
                                     })},
      {"MptWithGroups", with(mpt(), [](Options& o) { o.kv_heads = 2; })},
      {"MptUntied", with(mpt(), [](Options& o) { o.untied_output = true; })},
      {"MptOfPeakedAttention", with(mpt(), [](Options& o) { o.attention_gain = 4.0F; })},
  };
  const std::vector<std::pair<const char*, TensorType>> types = {{"F16", TensorType::f16},
                                                                 {"BF16", TensorType::bf16},
                                                                 {"Q8", TensorType::q8_0},
                                                                 {"Q4", TensorType::q4_0},
                                                                 {"Q4WithMinimum", TensorType::q4_1}};
  for (const auto& [name, type] : types) {
    all.push_back({name, with(llama(), [type = type](Options& o) { o.matrix_type = type; })});
  }
  all.push_back({"MptQ8", with(mpt(), [](Options& o) { o.matrix_type = TensorType::q8_0; })});
  return all;
}

class TransformerTwinTest : public ::testing::TestWithParam<NamedModel> {
 protected:
  static constexpr double tolerance = 1e-4;
  static constexpr size_t tokens = 150;  // prefill takes queries 64 at a time

  /// The engine keeps the channels of Q and K in the order of published weights: those that turn together,
  /// which the file has side by side, lie half the rotated channels apart.
  static Rows in_published_order(Rows rows, const Shape& shape) {
    if (shape.position != PositionScheme::rope) return rows;
    const auto d = static_cast<size_t>(shape.head_size);
    const auto pairs = static_cast<size_t>(shape.rope.dimensions) / 2;
    for (Row& row : rows) {
      const Row from = row;
      for (size_t head = 0; head < row.size(); head += d) {
        for (size_t i = 0; i < pairs; ++i) {
          row[head + i] = from[head + 2 * i];
          row[head + i + pairs] = from[head + 2 * i + 1];
        }
      }
    }
    return rows;
  }

  static void expect_as_twin(const Collector& got, const Twin::Result& expected, const Shape& shape) {
    expect_close(got.logit_rows, expected.logits, tolerance, "logits");
    for (size_t i = 0; i < expected.layers.size(); ++i) {
      expect_close(got.layers[i].q, in_published_order(expected.layers[i].q, shape), tolerance,
                   fmt::format("q of layer {}", i));
      expect_close(got.layers[i].k, in_published_order(expected.layers[i].k, shape), tolerance,
                   fmt::format("k of layer {}", i));
      expect_close(got.layers[i].v, expected.layers[i].v, tolerance, fmt::format("v of layer {}", i));
    }
  }

  OmpThreads threads_{1};
  TemporaryFolder folder_;
};

TEST_P(TransformerTwinTest, IsMatchedInOnePrefillInChunksAndInSteps) {
  const auto path = write_random_model(folder_ / "model.gguf", GetParam().options);
  const Ids ids = random_ids(tokens);
  const Twin::Result expected = Twin(path).run(ids);
  const Transformer transformer = ModelFile(path).load();
  const std::vector<std::pair<const char*, std::vector<size_t>>> schedules = {
      {"one prefill", {tokens}},
      {"uneven chunks", {1, 1, 2, 61, 65, 20}},
      {"a prefill, then steps", {130, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
  };
  for (const auto& [name, chunks] : schedules) {
    SCOPED_TRACE(name);
    Runner runner(transformer, static_cast<int>(tokens));
    std::span<const int32_t> left = ids;
    for (const size_t chunk : chunks) {
      runner.append(left.first(chunk));
      left = left.subspan(chunk);
    }
    ASSERT_TRUE(left.empty());
    expect_as_twin(runner.collector, expected, transformer.shape());
    std::vector<int> positions(tokens);
    std::iota(positions.begin(), positions.end(), 0);
    EXPECT_EQ(runner.collector.positions, positions);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TransformerTwinTest, ::testing::ValuesIn(models()),
                         [](const auto& model) { return model.param.name; });

class TransformerTest : public ::testing::Test {
 protected:
  Transformer load(const RandomModelOptions& options) const {
    return ModelFile(write_random_model(folder_ / "model.gguf", options)).load();
  }
  std::vector<Transformer> both() const {
    std::vector<Transformer> models;
    models.push_back(load(llama()));
    models.push_back(load(mpt()));
    return models;
  }

  OmpThreads threads_{1};
  TemporaryFolder folder_;
};

TEST_F(TransformerTest, RunsSequencesOfABatchAsEachAlone) {
  for (const Transformer& transformer : both()) {
    const std::vector<size_t> lengths = {70, 1, 3, 128, 20};
    std::vector<Ids> ids;
    std::vector<Runner> batched;
    std::vector<Runner> alone;
    for (size_t i = 0; i < lengths.size(); ++i) {
      ids.push_back(random_ids(lengths[i] + 3, 10 + i));
      batched.emplace_back(transformer, 200);
      alone.emplace_back(transformer, 200);
    }
    // The first call prefills all, the others step the odd sequences while the even ones get two tokens or
    // none.
    std::vector<size_t> done(lengths.size(), 0);
    for (int call = 0; call < 3; ++call) {
      std::vector<SequenceInput> batch;
      for (size_t i = 0; i < lengths.size(); ++i) {
        const size_t count = call == 0 ? lengths[i] : i % 2 == 1 ? 1 : call == 1 ? 2 : 0;
        const auto next = std::span<const int32_t>(ids[i]).subspan(done[i], count);
        batch.push_back(batched[i].input(next));
        batched[i].position += static_cast<int>(count);
        if (count > 0) alone[i].append(next);
        done[i] += count;
      }
      transformer.forward(batch);
    }
    for (size_t i = 0; i < lengths.size(); ++i) {
      const std::string what = fmt::format("{}, sequence {}", transformer.shape().name, i);
      expect_close(batched[i].collector.logit_rows, alone[i].collector.logit_rows, 1e-5, what);
      EXPECT_EQ(batched[i].collector.positions, alone[i].collector.positions) << what;
      for (size_t layer = 0; layer < 2; ++layer) {
        expect_close(batched[i].collector.layers[layer].k, alone[i].collector.layers[layer].k, 1e-5, what);
      }
    }
  }
}

TEST_F(TransformerTest, GivesTheLogitsThatAreWanted) {
  const Transformer transformer = load(llama());
  const Ids ids = random_ids(100);
  Runner every(transformer, 100);
  Runner last(transformer, 100);
  Runner none(transformer, 100);
  every.append(ids);
  last.append(ids, LogitsWanted::last);
  none.append(ids, LogitsWanted::none);
  EXPECT_EQ(every.collector.logit_rows.size(), 100U);
  EXPECT_EQ(last.collector.positions, std::vector<int>{99});
  ASSERT_EQ(last.collector.logit_rows.size(), 1U);
  EXPECT_LE(relative_difference(last.collector.logit_rows[0], every.collector.logit_rows[99]), 1e-5);
  EXPECT_TRUE(none.collector.logit_rows.empty());
  EXPECT_EQ(none.collector.layers[1].k, every.collector.layers[1].k)
      << "the observer sees attention all the same";
}

TEST_F(TransformerTest, NeedsNoObserverWhereNoLogitsAreWanted) {
  const Transformer transformer = load(llama());
  const Ids ids = random_ids(3);
  ExactMemory memory(transformer.shape(), 3);
  SequenceInput sequence;
  sequence.tokens = ids;
  sequence.memory = &memory;
  EXPECT_NO_THROW(transformer.forward({&sequence, 1}));
}

TEST_F(TransformerTest, SeesNothingOfTokensToCome) {
  for (const Transformer& transformer : both()) {
    Ids ids = random_ids(80);
    Runner first(transformer, 80);
    first.append(ids);
    ids[70] = ids[70] == 5 ? 6 : 5;
    Runner second(transformer, 80);
    second.append(ids);
    for (size_t t = 0; t < 70; ++t) {
      ASSERT_EQ(first.collector.logit_rows[t], second.collector.logit_rows[t]) << t;
    }
    EXPECT_GT(relative_difference(first.collector.logit_rows[79], second.collector.logit_rows[79]), 1e-4);
  }
}

TEST_F(TransformerTest, RefusesIdsOutOfTheVocabulary) {
  const Transformer transformer = load(mpt());
  for (const int32_t id : {-1, testing::random_model_vocabulary, std::numeric_limits<int32_t>::max(),
                           std::numeric_limits<int32_t>::min()}) {
    Runner runner(transformer, 10);
    const Ids ids = {1, 2, id};
    expect_input_error([&] { runner.append(ids); },
                       {"random-mpt: ", fmt::format("token id {}", id), "vocabulary of 265"});
    EXPECT_TRUE(runner.collector.layers[0].q.empty()) << "nothing was computed";
  }
}

TEST_F(TransformerTest, RefusesPositionsBeyondTheContext) {
  RandomModelOptions options;
  options.context = 20;
  const Transformer transformer = load(options);
  Runner runner(transformer, 40);
  expect_input_error([&] { runner.append(random_ids(21)); },
                     {"random-llama: ", "21 tokens", "context of 20"});
  runner.append(random_ids(20));
  expect_input_error([&] { runner.append(random_ids(1)); }, {"random-llama: ", "21 tokens", "context of 20"});
}

TEST_F(TransformerTest, LeavesEverySequenceAloneWhereOneOfTheBatchIsRefused) {
  const Transformer transformer = load(llama());
  Runner good(transformer, 10);
  Runner bad(transformer, 10);
  const Ids fine = {1, 2, 3};
  const Ids faulty = {1, 9999};
  const std::vector<SequenceInput> batch = {good.input(fine), bad.input(faulty)};
  EXPECT_THROW(transformer.forward(batch), InputError);
  EXPECT_TRUE(good.collector.layers[0].q.empty());
}

/// Counts what is reported.
class Reports final : public Progress {
 public:
  void begin(std::string_view phase, double total, std::string_view unit) override {
    begun.push_back(fmt::format("{}: {} {}", phase, total, unit));
  }
  void advance(double done) override { advanced.push_back(done); }
  std::vector<std::string> begun;
  std::vector<double> advanced;
};

TEST_F(TransformerTest, PrefillsInChunksAndReportsThem) {
  RandomModelOptions options;
  options.context = 2000;
  options.layers = 1;
  const Transformer transformer = load(options);
  const Ids ids = random_ids(2 * prefill_chunk + 7);
  Runner whole(transformer, 2000);
  whole.append(ids);
  for (const LogitsWanted wanted : {LogitsWanted::all, LogitsWanted::last, LogitsWanted::none}) {
    Runner chunked(transformer, 2000);
    Reports reports;
    prefill(transformer, chunked.input(ids, wanted), reports, "reading");
    EXPECT_EQ(reports.begun, std::vector<std::string>{"reading: 1031 tokens"});
    EXPECT_EQ(reports.advanced, (std::vector<double>{512, 1024, 1031}));
    expect_close(chunked.collector.layers[0].v, whole.collector.layers[0].v, 1e-5, "v");
    if (wanted == LogitsWanted::all) {
      expect_close(chunked.collector.logit_rows, whole.collector.logit_rows, 1e-5, "logits");
    } else if (wanted == LogitsWanted::last) {
      ASSERT_EQ(chunked.collector.positions, std::vector<int>{1030});
      EXPECT_LE(relative_difference(chunked.collector.logit_rows[0], whole.collector.logit_rows[1030]), 1e-5);
    } else {
      EXPECT_TRUE(chunked.collector.logit_rows.empty());
    }
  }
}

/// The outputs of ExactMemory for random queries, keys and values: a prefill, then steps.
std::vector<float> attended(const Shape& shape, int prefix, int steps, int threads) {
  const OmpThreads scope(threads);
  const auto stride = static_cast<size_t>(shape.query_width() + 2 * shape.kv_width());
  const auto rows = static_cast<size_t>(prefix + steps);
  const std::vector<float> qkv = RandomFloats(3).vector(rows * stride, 2.0F);
  const auto width = static_cast<size_t>(shape.query_width());
  std::vector<float> out(rows * width);
  ExactMemory memory(shape, prefix + steps);
  const auto block = [&](int first, int tokens) {
    const float* q = qkv.data() + static_cast<size_t>(first) * stride;
    return QueriesKeysValues{first, tokens, stride, q, q + width, q + width + shape.kv_width()};
  };
  memory.prefill(0, block(0, prefix), out.data());
  for (int t = prefix; t < prefix + steps; ++t)
    memory.step(0, block(t, 1), out.data() + static_cast<size_t>(t) * width);
  return out;
}

TEST_F(TransformerTest, AttendsWithTheSameBitsOnOneThreadAndOnTwo) {
  for (const Transformer& transformer : both()) {
    const Shape& shape = transformer.shape();
    EXPECT_EQ(attended(shape, 200, 20, 1), attended(shape, 200, 20, 2)) << shape.name;
  }
}

TEST_F(TransformerTest, GivesTheSameLogitsOnOneThreadAndOnTwoUpToRounding) {
  for (const Transformer& transformer : both()) {
    const Ids ids = random_ids(80);
    std::vector<Rows> logits;
    for (const int threads : {1, 2}) {
      const OmpThreads scope(threads);
      Runner runner(transformer, 80);
      runner.append(std::span(ids).first(76));
      for (size_t t = 76; t < 80; ++t) runner.append(std::span(ids).subspan(t, 1));
      logits.push_back(runner.collector.logit_rows);
    }
    expect_close(logits[1], logits[0], 1e-5, transformer.shape().name);
  }
}

TEST(AlibiTest, HasTheSlopesOfThePaperFor8Heads) {
  const std::vector<float> slopes = alibi_slopes(8, 8.0F);
  ASSERT_EQ(slopes.size(), 8U);
  for (size_t h = 0; h < 8; ++h) EXPECT_EQ(slopes[h], std::ldexp(1.0F, -static_cast<int>(h) - 1));
}

TEST(AlibiTest, TakesEveryOtherSlopeOfTwiceAsManyHeadsBeyondAPowerOfTwo) {
  const std::vector<float> slopes = alibi_slopes(12, 8.0F);
  const std::vector<double> expected = {0.5,        0.25,       0.125,      0.0625,
                                        0.03125,    0.015625,   0.0078125,  0.00390625,
                                        0.70710678, 0.35355339, 0.17677670, 0.08838835};
  ASSERT_EQ(slopes.size(), expected.size());
  for (size_t h = 0; h < expected.size(); ++h) EXPECT_NEAR(slopes[h], expected[h], 1e-7) << h;
}

TEST(AlibiTest, ScalesWithTheLargestBias) {
  EXPECT_EQ(alibi_slopes(4, 16.0F), (std::vector<float>{0x1p-4F, 0x1p-8F, 0x1p-12F, 0x1p-16F}));
  EXPECT_EQ(alibi_slopes(1, 8.0F), std::vector<float>{0x1p-8F});
  EXPECT_EQ(alibi_slopes(3, 8.0F), (std::vector<float>{0x1p-4F, 0x1p-8F, 0x1p-2F}));
}

RopeScheme rope_scheme(int dimensions, RopePairing pairing) {
  RopeScheme scheme;
  scheme.dimensions = dimensions;
  scheme.pairing = pairing;
  return scheme;
}

TEST(RopeTest, PairsNeighboursOrHalves) {
  constexpr int d = 6;
  const std::vector<float> head = {1.0F, 2.0F, 3.0F, 4.0F,
                                   5.0F, 6.0F, 7.0F, 8.0F};  // the last two do not turn
  for (const RopePairing pairing : {RopePairing::interleaved, RopePairing::half}) {
    const Rope rope(rope_scheme(d, pairing), 8);
    const Matrix angles = rope.angles(5, 3);
    ASSERT_EQ(angles.rows, 3U);
    ASSERT_EQ(angles.columns, static_cast<size_t>(d));
    std::vector<float> turned = head;
    turned.insert(turned.end(), head.begin(), head.end());  // two heads
    rope.rotate(turned.data(), 2, angles.row(2));
    for (int i = 0; i < d / 2; ++i) {
      const bool neighbours = pairing == RopePairing::interleaved;
      const auto a = static_cast<size_t>(neighbours ? 2 * i : i);
      const auto b = static_cast<size_t>(neighbours ? 2 * i + 1 : i + d / 2);
      const double angle = 7.0 * std::pow(10000.0, -2.0 * i / d);
      for (const size_t begin : {size_t{0}, size_t{8}}) {
        EXPECT_NEAR(turned[begin + a], head[a] * std::cos(angle) - head[b] * std::sin(angle), 1e-5);
        EXPECT_NEAR(turned[begin + b], head[a] * std::sin(angle) + head[b] * std::cos(angle), 1e-5);
      }
    }
    for (const size_t i : {6U, 7U, 14U, 15U}) EXPECT_EQ(turned[i], head[i % 8]);
  }
}

TEST(RopeTest, LeavesTheFirstPositionAndMakesScoresDependOnDistance) {
  const Rope rope(rope_scheme(16, RopePairing::half), 16);
  const std::vector<float> q = RandomFloats(1).vector(16, 1.0F);
  const std::vector<float> k = RandomFloats(2).vector(16, 1.0F);
  std::vector<float> still = q;
  rope.rotate(still.data(), 1, rope.angles(0, 1).row(0));
  EXPECT_EQ(still, q);
  const auto score = [&](int m, int n) {
    std::vector<float> turned_q = q;
    std::vector<float> turned_k = k;
    rope.rotate(turned_q.data(), 1, rope.angles(m, 1).row(0));
    rope.rotate(turned_k.data(), 1, rope.angles(n, 1).row(0));
    return std::inner_product(turned_q.begin(), turned_q.end(), turned_k.begin(), 0.0);
  };
  EXPECT_NEAR(score(10, 3), score(507, 500), 1e-4);
  EXPECT_GT(std::abs(score(10, 3) - score(10, 9)), 1e-3);
}

TEST(RopeTest, DividesPositionsAndFrequencies) {
  RopeScheme scheme = rope_scheme(4, RopePairing::half);
  scheme.linear_scaling = 2.0F;
  scheme.frequency_factors = {1.0F, 8.0F};
  const Matrix angles = Rope(scheme, 4).angles(6, 1);
  EXPECT_NEAR(angles.row(0)[0], std::cos(3.0), 1e-6);
  EXPECT_NEAR(angles.row(0)[1], std::sin(3.0), 1e-6);
  EXPECT_NEAR(angles.row(0)[2], std::cos(6.0 / 100 / 8 / 2), 1e-6);
  EXPECT_NEAR(angles.row(0)[3], std::sin(6.0 / 100 / 8 / 2), 1e-6);
}

TEST(LinearTest, MultipliesAsThePlainSumsDo) {
  constexpr size_t m = 7;
  constexpr size_t n = 5;
  constexpr size_t k = 11;
  constexpr size_t lda = 13;
  constexpr size_t ldc = 9;
  RandomFloats random(4);
  const std::vector<float> a = random.vector(m * lda, 1.0F);
  const auto fill = [&](Matrix& matrix) {
    for (size_t i = 0; i < matrix.values.size(); ++i) matrix.values[i] = random.next();
  };
  Matrix b(n, k);
  Matrix plain(k, n);
  fill(b);
  fill(plain);
  std::vector<float> c(m * ldc, 99.0F);
  multiply_transposed(m, n, k, 0.5F, a.data(), lda, b.data(), k, c.data(), ldc);
  std::vector<float> c_plain(m * ldc, 99.0F);
  multiply_plain(m, n, k, a.data(), lda, plain.data(), n, c_plain.data(), ldc);
  std::vector<float> tight(m * k);
  for (size_t i = 0; i < m; ++i)
    std::copy_n(a.begin() + static_cast<ptrdiff_t>(i * lda), k,
                tight.begin() + static_cast<ptrdiff_t>(i * k));
  std::vector<float> y(m * n, 99.0F);
  multiply(tight.data(), m, b, y.data());
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j) {
      double dot = 0.0;
      double dot_plain = 0.0;
      for (size_t l = 0; l < k; ++l) {
        dot += static_cast<double>(a[i * lda + l]) * static_cast<double>(b.row(j)[l]);
        dot_plain += static_cast<double>(a[i * lda + l]) * static_cast<double>(plain.row(l)[j]);
      }
      EXPECT_NEAR(c[i * ldc + j], 0.5 * dot, 1e-5);
      EXPECT_NEAR(c_plain[i * ldc + j], dot_plain, 1e-5);
      EXPECT_NEAR(y[i * n + j], dot, 1e-5);
    }
    for (size_t j = n; j < ldc; ++j)
      EXPECT_EQ(c[i * ldc + j], 99.0F) << "what lies between rows is not touched";
  }
}

}  // namespace
}  // namespace razorscope
