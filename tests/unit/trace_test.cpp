#include "models/trace/trace.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "models/base/error.hpp"
#include "models/language/model_file.hpp"
#include "models/trace/recorder.hpp"
#include "policies/cache/exact_memory.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/omp_threads.hpp"
#include "tests/support/random_model.hpp"
#include "tests/support/safetensors_bytes.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/tensor_encoder.hpp"

namespace razorscope {
namespace {

using nlohmann::json;
using testing::expect_input_error;
using testing::RandomFloats;
using testing::RandomModelOptions;
using testing::RawTensor;
using testing::TemporaryFolder;

template <typename T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

TensorType type_of(const std::string& dtype) {
  return dtype == "F16" ? TensorType::f16 : dtype == "BF16" ? TensorType::bf16 : TensorType::f32;
}

RawTensor tensor_of(const std::string& dtype, const std::vector<uint64_t>& dims,
                    const std::vector<float>& values) {
  const std::vector<std::byte> bytes = testing::encode(type_of(dtype), values);
  return {dtype, dims, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
}

/// A sound trace of 2 layers, 5 tokens, 4 query heads on 2 KV heads of size 3, as its tensors and metadata.
struct RawTrace {
  std::map<std::string, RawTensor> tensors;
  std::map<std::string, std::string> metadata = {{"format", "razorscope-trace-1"}};

  explicit RawTrace(const std::string& dtype = "F32") {
    RandomFloats random(5);
    tensors["tokens"] = {"I64", {5}, raw(std::vector<int64_t>{1, 0, 7, 2147483647, 7})};
    for (const std::string layer : {"0", "1"}) {
      tensors["q." + layer] = tensor_of(dtype, {5, 4, 3}, random.vector(60, 2.0F));
      tensors["k." + layer] = tensor_of(dtype, {5, 2, 3}, random.vector(30, 2.0F));
      tensors["v." + layer] = tensor_of(dtype, {5, 2, 3}, random.vector(30, 2.0F));
    }
  }
  std::string bytes() const { return testing::safetensors_bytes(tensors, metadata); }
};

json probe_json() {
  return {{"layers", 2},
          {"query_heads", 4},
          {"kv_heads", 2},
          {"block", 20},
          {"repeats", 4},
          {"seed", 1},
          {"variant", "sum-prior"},
          {"token_source", "vocabulary"},
          {"echo", {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8}},
          {"induction", {0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1}}};
}

class TraceTest : public ::testing::Test {
 protected:
  Trace open(const RawTrace& raw_trace) const {
    return Trace(folder_.write("good.safetensors", raw_trace.bytes()));
  }
  void expect_refused(const RawTrace& raw_trace, std::vector<std::string> fragments) const {
    const auto path = folder_.write("hostile.safetensors", raw_trace.bytes());
    fragments.push_back(path.string() + ": ");
    expect_input_error([&] { const Trace trace(path); }, fragments);
  }
  void expect_metadata_refused(const std::string& key, const std::string& value,
                               const std::vector<std::string>& fragments) const {
    RawTrace changed;
    changed.metadata[key] = value;
    expect_refused(changed, fragments);
  }

  TemporaryFolder folder_;
};

TEST_F(TraceTest, ReadsATraceWithNothingButTheFormatInItsMetadata) {
  for (const std::string dtype : {"F16", "BF16", "F32"}) {
    const RawTrace raw_trace(dtype);
    const Trace trace = open(raw_trace);
    EXPECT_EQ(trace.tokens(), 5);
    EXPECT_EQ(trace.ids(), (std::vector<int32_t>{1, 0, 7, 2147483647, 7}));
    EXPECT_EQ(trace.shape().layers, 2);
    EXPECT_EQ(trace.shape().query_heads, 4);
    EXPECT_EQ(trace.shape().kv_heads, 2);
    EXPECT_EQ(trace.shape().head_size, 3);
    EXPECT_EQ(trace.shape().hidden, 0);
    EXPECT_EQ(trace.shape().vocabulary, 0);
    EXPECT_EQ(trace.shape().context, 0);
    EXPECT_EQ(trace.shape().position, PositionScheme::rope);
    EXPECT_FLOAT_EQ(trace.shape().score_scale, 0.57735027F);
    EXPECT_EQ(trace.metadata("model"), "");
    EXPECT_FALSE(trace.probe());
    EXPECT_FALSE(trace.score_bounds());
    const LayerTrace layer = trace.layer(1);
    ASSERT_EQ(layer.q.rows, 5U);
    ASSERT_EQ(layer.q.columns, 12U);
    ASSERT_EQ(layer.k.columns, 6U);
    EXPECT_TRUE(layer.output_weight.empty());
    // What the file's elements stand for, read here.
    const std::string& data = raw_trace.tensors.at("v.1").data;
    for (size_t i = 0; i < 30; ++i) {
      double expected = 0.0;
      if (dtype == "F32") {
        float value = 0.0F;
        std::memcpy(&value, data.data() + 4 * i, 4);
        expected = static_cast<double>(value);
      } else {
        uint16_t bits = 0;
        std::memcpy(&bits, data.data() + 2 * i, 2);
        expected = dtype == "F16" ? testing::from_f16(bits) : testing::from_bf16(bits);
      }
      ASSERT_EQ(static_cast<double>(layer.v.data()[i]), expected) << dtype << " " << i;
    }
  }
}

TEST_F(TraceTest, ReadsTokensOfEveryIntegerTypeThatMakesSense) {
  RawTrace raw_trace;
  raw_trace.tensors["tokens"] = {"I32", {5}, raw(std::vector<int32_t>{1, 2, 3, 4, 5})};
  EXPECT_EQ(open(raw_trace).ids(), (std::vector<int32_t>{1, 2, 3, 4, 5}));
  raw_trace.tensors["tokens"] = {"U32", {5}, raw(std::vector<uint32_t>{1, 2, 3, 4, 5})};
  EXPECT_EQ(open(raw_trace).ids(), (std::vector<int32_t>{1, 2, 3, 4, 5}));
}

TEST_F(TraceTest, ReadsEveryKeyOfItsMetadata) {
  RawTrace raw_trace;
  raw_trace.tensors["wo.0"] = tensor_of("F32", {7, 12}, RandomFloats(1).vector(84, 1.0F));
  raw_trace.tensors["wo.1"] = tensor_of("F32", {7, 12}, RandomFloats(2).vector(84, 1.0F));
  raw_trace.metadata["model"] = "some model";
  raw_trace.metadata["architecture"] = "mpt";
  raw_trace.metadata["context"] = "4096";
  raw_trace.metadata["score_scale"] = "0.25";
  raw_trace.metadata["slopes"] = "[0.5, 0.25, 0.125, 0.0625]";
  raw_trace.metadata["probe"] = probe_json().dump();
  raw_trace.metadata["score_bounds"] =
      json({{"norm_bound", std::vector<double>(8, 3.0)}, {"paper", std::vector<double>(8, 1.0)}}).dump();
  const Trace trace = open(raw_trace);
  EXPECT_EQ(trace.shape().name, "some model");
  EXPECT_EQ(trace.shape().architecture, "mpt");
  EXPECT_EQ(trace.shape().context, 4096);
  EXPECT_EQ(trace.shape().hidden, 7);
  EXPECT_EQ(trace.shape().score_scale, 0.25F);
  EXPECT_EQ(trace.shape().position, PositionScheme::alibi);
  EXPECT_EQ(trace.shape().alibi_slopes, (std::vector<float>{0.5F, 0.25F, 0.125F, 0.0625F}));
  ASSERT_TRUE(trace.probe());
  EXPECT_EQ(trace.probe()->echo, (std::vector<double>{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8}));
  EXPECT_EQ(trace.probe()->kv_echo(), (std::vector<double>{0.2, 0.4, 0.6, 0.8}));
  EXPECT_EQ(trace.probe()->kv_induction(), (std::vector<double>{0.8, 0.6, 0.4, 0.2}));
  ASSERT_TRUE(trace.score_bounds());
  EXPECT_EQ(trace.score_bounds()->norm_bound, std::vector<double>(8, 3.0));
  EXPECT_EQ(trace.score_bounds()->paper, std::vector<double>(8, 1.0));
  EXPECT_EQ(trace.layer(0).output_weight.rows, 7U);
  EXPECT_EQ(trace.layer(0).output_weight.columns, 12U);

  RawTrace rope;
  rope.metadata["rope_theta"] = "500000.0";
  rope.metadata["rope_dim"] = "2";
  rope.metadata["rope_pairing"] = "half";
  EXPECT_EQ(open(rope).shape().rope.theta, 500000.0F);
  EXPECT_EQ(open(rope).shape().rope.dimensions, 2);
  EXPECT_EQ(open(rope).shape().rope.pairing, RopePairing::half);
}

TEST_F(TraceTest, HasAHashThatDependsOnEveryByte) {
  const RawTrace raw_trace;
  const std::string hash = open(raw_trace).content_hash();
  EXPECT_EQ(hash.size(), 32U);
  EXPECT_EQ(open(raw_trace).content_hash(), hash);
  RawTrace other;
  other.tensors["v.1"].data.back() = static_cast<char>(other.tensors["v.1"].data.back() ^ 1);
  EXPECT_NE(open(other).content_hash(), hash);
}

TEST_F(TraceTest, RefusesOtherFormats) {
  RawTrace changed;
  changed.metadata["format"] = "razorscope-trace-9";
  expect_refused(changed,
                 {"__metadata__.format", "'razorscope-trace-9' is not read; allowed: razorscope-trace-1"});
  changed.metadata = {{"format", "pt"}};
  expect_refused(changed, {"__metadata__.format", "'pt'"});
  changed.metadata.clear();
  expect_refused(changed, {"__metadata__.format", "is missing", "razorscope-trace-1"});
}

TEST_F(TraceTest, RefusesMissingTensors) {
  RawTrace changed;
  changed.tensors.erase("tokens");
  expect_refused(changed, {"tokens: ", "missing"});
  for (const std::string name : {"k.0", "v.0", "k.1", "v.1", "q.0"}) {
    changed = RawTrace();
    changed.tensors.erase(name);
    expect_refused(changed, {std::string(name) + ": ", "missing"});
  }
  changed = RawTrace();
  changed.tensors.clear();
  changed.tensors["tokens"] = RawTrace().tensors["tokens"];
  expect_refused(changed, {"q.0: ", "missing"});
}

TEST_F(TraceTest, RefusesShapesThatDisagree) {
  const auto refused = [&](const std::string& name, const std::vector<uint64_t>& dims,
                           const std::vector<std::string>& fragments) {
    RawTrace changed;
    uint64_t elements = 1;
    for (const uint64_t dim : dims) elements *= dim;
    changed.tensors[name] = tensor_of("F32", dims, std::vector<float>(elements, 1.0F));
    expect_refused(changed, fragments);
  };
  refused("q.0", {5, 12}, {"q.0: ", "[tokens, query heads, head size]"});
  refused("k.0", {5, 6}, {"k.0: ", "[tokens, KV heads, head size]"});
  refused("k.0", {30}, {"k.0: "});
  refused("q.0", {5, 4, 3, 1}, {"q.0: "});
  refused("q.0", {4, 4, 3}, {"q.0: ", "[4, 4, 3]", "[5, 4, 3]"});
  refused("k.0", {5, 3, 3}, {"k.0: ", "3 KV heads do not divide 4 query heads"});
  refused("k.0", {5, 8, 3}, {"k.0: ", "8 KV heads do not divide 4 query heads"});
  refused("k.0", {5, 2, 4}, {"k.0: ", "[5, 2, 4]", "[5, 2, 3]"});
  refused("v.0", {5, 2, 4}, {"v.0: ", "[5, 2, 4]"});
  refused("v.0", {5, 4, 3}, {"v.0: ", "[5, 4, 3]"});
  refused("v.1", {6, 2, 3}, {"v.1: ", "[6, 2, 3]"});
  refused("q.1", {5, 2, 3}, {"q.1: ", "[5, 2, 3]", "[5, 4, 3]"});
  refused("k.1", {5, 1, 3}, {"k.1: ", "[5, 1, 3]"});
  refused("q.2", {5, 4, 3}, {"k.2: ", "missing"});
  refused("wo.0", {84}, {"wo.0: ", "[hidden, query heads x head size]"});
  refused("wo.1", {7, 11}, {"wo.1: ", "[7, 11]", "[7, 12]"});
  refused("q.0", {1, 70000, 1}, {"70000"});
}

TEST_F(TraceTest, RefusesFaultyTokens) {
  const auto refused = [&](const RawTensor& tokens, const std::vector<std::string>& fragments) {
    RawTrace changed;
    changed.tensors["tokens"] = tokens;
    expect_refused(changed, fragments);
  };
  refused({"F32", {5}, std::string(20, '\0')}, {"tokens: ", "dtype F32 is not read; allowed: I32, I64, U32"});
  refused({"I64", {5, 1}, std::string(40, '\0')}, {"tokens: ", "2 dimensions; allowed: 1"});
  refused({"I64", {5}, raw(std::vector<int64_t>{1, 2, -3, 4, 5})}, {"tokens: ", "-3 is not a token id"});
  refused({"I64", {5}, raw(std::vector<int64_t>{1, 2, int64_t{1} << 31U, 4, 5})},
          {"tokens: ", "2147483648 is not a token id"});
  refused({"U32", {5}, raw(std::vector<uint32_t>{1, 2, 4000000000U, 4, 5})},
          {"tokens: ", "4000000000 is not a token id"});
  refused({"I64", {4}, std::string(32, '\0')}, {"q.0: ", "[5, 4, 3]", "[4, 4, 3]"});
}

TEST_F(TraceTest, RefusesTypesAndValuesThatAreNoNumbers) {
  RawTrace changed;
  changed.tensors["v.1"] = {"F64", {5, 2, 3}, std::string(240, '\0')};
  expect_refused(changed, {"v.1: ", "dtype F64 is not read; allowed: F32, F16, BF16"});
  changed.tensors["v.1"] = {"I32", {5, 2, 3}, std::string(120, '\0')};
  expect_refused(changed, {"v.1: ", "dtype I32"});
  for (const float value :
       {static_cast<float>(NAN), static_cast<float>(INFINITY), -static_cast<float>(INFINITY)}) {
    for (const std::string dtype : {"F32", "F16", "BF16"}) {
      for (const std::string name : {"q.1", "k.1", "v.1"}) {
        RawTrace with_value(dtype);
        RawTensor& tensor = with_value.tensors[name];
        const std::string element = tensor_of(dtype, {1}, {value}).data;
        tensor.data.replace(element.size() * 7, element.size(), element);
        const Trace trace = open(with_value);
        EXPECT_NO_THROW(trace.layer(0));
        expect_input_error([&] { trace.layer(1); },
                           {"good.safetensors: ", std::string(name) + ": ", "not finite"});
      }
    }
  }
}

TEST_F(TraceTest, RefusesFaultyNumbersInMetadata) {
  for (const char* key : {"score_scale", "context", "rope_theta"}) {
    for (const char* value : {"x", "[1]", "\"1\"", "1 2", "1e999", "nan", "null", "{}"}) {
      expect_metadata_refused(key, value, {std::string("__metadata__.") + key});
    }
  }
  expect_metadata_refused("score_scale", "0", {"__metadata__.score_scale", "above 0"});
  expect_metadata_refused("score_scale", "-0.1", {"__metadata__.score_scale", "above 0"});
  expect_metadata_refused("context", "-1", {"__metadata__.context", "out of range"});
  expect_metadata_refused("context", "1e30", {"__metadata__.context", "out of range"});
}

TEST_F(TraceTest, RefusesFaultySlopes) {
  for (const char* value : {"x", "0.5", "{}", "[0.5,0.25,0.125]", "[0.5,0.25,0.125,0.1,0.1]",
                            "[0.5,0.25,0.125,\"x\"]", "[0.5,0.25,0.125,null]", "[0.5,0.25,0.125,1e999]"}) {
    expect_metadata_refused("slopes", value, {"__metadata__.slopes"});
  }
  expect_metadata_refused("slopes", "[0.5,0.25,0.125,0]", {"__metadata__.slopes", "out of range"});
  expect_metadata_refused("slopes", "[0.5,0.25,0.125,-0.1]", {"__metadata__.slopes", "out of range"});
}

TEST_F(TraceTest, RefusesFaultyProbes) {
  const auto refused = [&](const json& probe, const std::string& problem) {
    expect_metadata_refused("probe", probe.dump(), {"__metadata__.probe", problem});
  };
  expect_metadata_refused("probe", "{", {"__metadata__.probe", "is not valid JSON"});
  refused(json::array(), "is not a JSON object");
  for (const char* key :
       {"layers", "query_heads", "kv_heads", "block", "repeats", "seed", "variant", "echo", "induction"}) {
    json probe = probe_json();
    probe.erase(key);
    refused(probe, std::string(key) + " is missing");
    probe = probe_json();
    probe[key] = json::object();
    refused(probe, std::string(key) + " has the wrong type");
  }
  const auto changed = [](const char* key, const json& value) {
    json probe = probe_json();
    probe[key] = value;
    return probe;
  };
  refused(changed("token_source", 5), "token_source");
  refused(changed("echo", {0.1, "x"}), "echo");
  refused(changed("echo", {0.1, 0.2}), "one score per query head");
  refused(changed("kv_heads", 0), "head counts");
  refused(changed("kv_heads", 3), "head counts");
  refused(changed("layers", -2), "head counts");
  refused(changed("kv_heads", 4), "other head counts");
  refused(changed("layers", 1), "");
  json larger = changed("layers", 4);
  larger["echo"] = larger["induction"] = std::vector<double>(16, 0.5);
  refused(larger, "other head counts");
}

TEST_F(TraceTest, RefusesFaultyScoreBounds) {
  const std::vector<double> eight(8, 1.0);
  for (const json& bounds : {json::array(), json(3)}) {
    expect_metadata_refused("score_bounds", bounds.dump(),
                            {"__metadata__.score_bounds", "is not a JSON object"});
  }
  expect_metadata_refused("score_bounds", "{\"", {"__metadata__.score_bounds", "is not valid JSON"});
  expect_metadata_refused("score_bounds", json({{"norm_bound", eight}}).dump(),
                          {"__metadata__.score_bounds.paper", "8 finite numbers"});
  expect_metadata_refused("score_bounds", json({{"paper", eight}}).dump(),
                          {"__metadata__.score_bounds.norm_bound"});
  expect_metadata_refused("score_bounds", json({{"paper", eight}, {"norm_bound", {1.0}}}).dump(),
                          {"__metadata__.score_bounds.norm_bound", "8"});
  expect_metadata_refused("score_bounds", json({{"paper", "x"}, {"norm_bound", eight}}).dump(),
                          {"__metadata__.score_bounds.paper"});
}

TEST_F(TraceTest, SurvivesDeepNestingInMetadata) {
  constexpr size_t depth = 100000;
  const std::string nested = std::string(depth, '[') + std::string(depth, ']');
  expect_metadata_refused("probe", nested, {"__metadata__.probe"});
  expect_metadata_refused("slopes", nested, {"__metadata__.slopes"});
  expect_metadata_refused("context", nested, {"__metadata__.context"});
  expect_metadata_refused("score_bounds", nested, {"__metadata__.score_bounds"});
  expect_metadata_refused("probe", "{\"layers\":" + nested + "}", {"__metadata__.probe"});
  expect_metadata_refused("score_bounds", "{\"norm_bound\":" + nested + "}",
                          {"__metadata__.score_bounds.norm_bound"});
}

TEST_F(TraceTest, RefusesTheFileCutAnywhere) {
  const std::string bytes = RawTrace().bytes();
  const auto path = folder_.write("cut.safetensors", bytes);
  for (size_t size = bytes.size(); size-- > 0;) {
    std::filesystem::resize_file(path, size);
    ASSERT_THROW(Trace{path}, InputError) << size;
  }
}

TEST_F(TraceTest, ChangedAnywhereItWorksOrIsRefused) {
  RawTrace raw_trace;
  raw_trace.metadata["slopes"] = "[0.5,0.25,0.125,0.1]";
  raw_trace.metadata["probe"] = probe_json().dump();
  raw_trace.metadata["score_bounds"] =
      json({{"norm_bound", std::vector<double>(8, 3.0)}, {"paper", std::vector<double>(8, 1.0)}}).dump();
  const std::string sound = raw_trace.bytes();
  const size_t header = sound.size() - 2 * 4 * (60 + 30 + 30) - 40;
  std::mt19937_64 random(11);
  constexpr int rounds = 6000;
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = sound;
    for (size_t changes = 1 + random() % 2; changes > 0; --changes) {
      // Digits and letters keep more of the JSON valid than any bytes would.
      constexpr std::string_view likely = "0123456789-.eE[]{},:\"abkqvF";
      bytes[random() % header] =
          random() % 4 == 0 ? static_cast<char>(random()) : likely[random() % likely.size()];
    }
    const auto path = folder_.write("changed.safetensors", bytes);
    try {
      const Trace trace(path);
      for (int layer = 0; layer < trace.shape().layers; ++layer) trace.layer(layer);
    } catch (const InputError&) {
      ++refused;
    } catch (const std::exception& error) {
      FAIL() << "round " << round << ": " << error.what() << "\n" << bytes.substr(8, header - 8);
    }
  }
  EXPECT_GT(refused, rounds / 4);
  EXPECT_GT(rounds - refused, rounds / 20);
}

TEST(HeadScoresTest, SurvivesJson) {
  const HeadScores scores = head_scores_from_json(probe_json());
  EXPECT_EQ(to_json(scores), probe_json());
  EXPECT_EQ(scores.seed, 1U);
  json without_source = probe_json();
  without_source.erase("token_source");
  EXPECT_EQ(head_scores_from_json(without_source).token_source, "ids");
  json seeded = probe_json();
  seeded["seed"] = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(to_json(head_scores_from_json(seeded)), seeded);
}

/// Keeps q, k and v of every layer.
class Collector final : public ForwardObserver {
 public:
  explicit Collector(const Shape& shape) : shape_(shape), layers(static_cast<size_t>(shape.layers)) {}
  void attention(int layer, const QueriesKeysValues& block) override {
    for (int t = 0; t < block.tokens; ++t) {
      auto& into = layers[static_cast<size_t>(layer)];
      const auto append = [&](std::vector<float>& values, const float* from, int width) {
        const float* begin = from + static_cast<size_t>(t) * block.stride;
        values.insert(values.end(), begin, begin + width);
      };
      append(into[0], block.q, shape_.query_width());
      append(into[1], block.k, shape_.kv_width());
      append(into[2], block.v, shape_.kv_width());
    }
  }

 private:
  Shape shape_;

 public:
  std::vector<std::array<std::vector<float>, 3>> layers;
};

class RecorderTest : public ::testing::Test {
 protected:
  static void run(const Transformer& transformer, const std::vector<int32_t>& ids,
                  ForwardObserver& observer) {
    ExactMemory memory(transformer.shape(), static_cast<int>(ids.size()));
    const std::span<const int32_t> all(ids);
    for (const auto& [first, count] : {std::pair<size_t, size_t>{0, 20}, {20, 1}, {21, ids.size() - 21}}) {
      SequenceInput sequence;
      sequence.tokens = all.subspan(first, count);
      sequence.first_position = static_cast<int>(first);
      sequence.memory = &memory;
      sequence.observer = &observer;
      transformer.forward({&sequence, 1});
    }
  }

  testing::OmpThreads threads_{1};
  TemporaryFolder folder_;
};

TEST_F(RecorderTest, WritesATraceThatReadsAsWhatTheModelComputed) {
  const std::vector<int32_t> ids = testing::random_ids(50);
  for (const char* architecture : {"llama", "mpt"}) {
    RandomModelOptions options;
    options.architecture = architecture;
    options.head_size = 10;
    options.query_heads = 6;
    options.kv_heads = 3;
    const Transformer transformer = ModelFile(write_random_model(folder_ / "model.gguf", options)).load();
    const Shape& shape = transformer.shape();
    Collector collector(shape);
    run(transformer, ids, collector);
    for (const auto& [dtype, type] : {std::pair{TraceDtype::f32, TensorType::f32},
                                      {TraceDtype::f16, TensorType::f16},
                                      {TraceDtype::bf16, TensorType::bf16}}) {
      TraceOrigin origin;
      origin.model = "a \"model\"";
      origin.model_sha256 = "abc";
      origin.text = "text.txt";
      origin.text_sha256 = "def";
      origin.text_offsets = {-1, 0, 3};
      origin.bos = testing::random_model_bos;
      origin.probe = head_scores_from_json({{"layers", 2},
                                            {"query_heads", 6},
                                            {"kv_heads", 3},
                                            {"block", 20},
                                            {"repeats", 4},
                                            {"seed", 1},
                                            {"variant", "sum-prior"},
                                            {"echo", std::vector<double>(12, 0.1)},
                                            {"induction", std::vector<double>(12, 1.0 / 3.0)}});
      origin.score_bounds = ScoreBounds{std::vector<double>(12, 1.0 / 7.0), std::vector<double>(12, 2.0)};
      const auto path = folder_ / "out.safetensors";
      TraceRecorder recorder(path, transformer, ids, origin, dtype);
      run(transformer, ids, recorder);
      recorder.commit();

      const uint64_t header =
          std::filesystem::file_size(path) - TraceRecorder::file_bytes(shape, ids.size(), dtype);
      EXPECT_LT(header, 8192U);
      const Trace trace(path);
      EXPECT_EQ(trace.ids(), ids);
      EXPECT_EQ(trace.shape().name, "a \"model\"");
      EXPECT_EQ(trace.shape().architecture, architecture);
      EXPECT_EQ(trace.shape().layers, 2);
      EXPECT_EQ(trace.shape().query_heads, 6);
      EXPECT_EQ(trace.shape().kv_heads, 3);
      EXPECT_EQ(trace.shape().head_size, 10);
      EXPECT_EQ(trace.shape().hidden, 64);
      EXPECT_EQ(trace.shape().context, 1024);
      EXPECT_EQ(trace.shape().score_scale, shape.score_scale);
      EXPECT_EQ(trace.shape().position, shape.position);
      EXPECT_EQ(trace.shape().alibi_slopes, shape.alibi_slopes);
      if (shape.position == PositionScheme::rope) {
        EXPECT_EQ(trace.shape().rope.theta, shape.rope.theta);
        EXPECT_EQ(trace.shape().rope.dimensions, shape.rope.dimensions);
        EXPECT_EQ(trace.shape().rope.pairing, shape.rope.pairing);
      }
      EXPECT_EQ(trace.metadata("model_sha256"), "abc");
      EXPECT_EQ(trace.metadata("text"), "text.txt");
      EXPECT_EQ(trace.metadata("text_sha256"), "def");
      EXPECT_EQ(trace.metadata("text_offsets"), "[-1,0,3]");
      EXPECT_EQ(trace.metadata("bos"), std::to_string(testing::random_model_bos));
      ASSERT_TRUE(trace.probe());
      EXPECT_EQ(trace.probe()->induction, origin.probe->induction) << "to the last bit";
      ASSERT_TRUE(trace.score_bounds());
      EXPECT_EQ(trace.score_bounds()->norm_bound, origin.score_bounds->norm_bound);

      const auto is = [type = type](const Matrix& read, const float* values, size_t rows, size_t columns) {
        if (read.rows != rows || read.columns != columns) return false;
        std::vector<float> expected(rows * columns);
        dequantise(type, testing::encode(type, {values, expected.size()}), expected);
        return std::memcmp(read.data(), expected.data(), expected.size() * sizeof(float)) == 0;
      };
      for (int i = 0; i < 2; ++i) {
        const LayerTrace layer = trace.layer(i);
        const auto& computed = collector.layers[static_cast<size_t>(i)];
        EXPECT_TRUE(is(layer.q, computed[0].data(), 50, 60));
        EXPECT_TRUE(is(layer.k, computed[1].data(), 50, 30));
        EXPECT_TRUE(is(layer.v, computed[2].data(), 50, 30));
        const Matrix weight = transformer.weights().layers[static_cast<size_t>(i)].attention_out.unpacked();
        EXPECT_TRUE(is(layer.output_weight, weight.data(), 64, 60));
      }
    }
  }
}

TEST_F(RecorderTest, LeavesNothingWhereItIsAbandoned) {
  const Transformer transformer = ModelFile(testing::write_random_model(folder_ / "model.gguf")).load();
  const std::vector<int32_t> ids = testing::random_ids(30);
  {
    TraceRecorder recorder(folder_ / "out.safetensors", transformer, ids, {}, TraceDtype::f32);
    run(transformer, ids, recorder);
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out.safetensors"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.safetensors.part"));
}

}  // namespace
}  // namespace razorscope
