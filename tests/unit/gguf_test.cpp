#include "models/language/gguf.hpp"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "models/base/error.hpp"
#include "models/language/model_file.hpp"
#include "policies/cache/exact_memory.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/omp_threads.hpp"
#include "tests/support/random_model.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::GgufWriter;
using testing::random_model;
using testing::RandomModel;
using testing::RandomModelOptions;
using testing::TemporaryFolder;

// A file by hand, for what the writer cannot write.
template <typename T>
std::string number(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}
std::string u32(uint32_t value) { return number(value); }
std::string u64(uint64_t value) { return number(value); }
std::string text(const std::string& value) { return u64(value.size()) + value; }
std::string start(uint64_t tensors, uint64_t keys) { return "GGUF" + u32(3) + u64(tensors) + u64(keys); }
std::string u32_key(const std::string& key, uint32_t value) {
  return text(key) + u32(GgufWriter::u32) + u32(value);
}
std::string tensor(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type,
                   uint64_t offset) {
  std::string bytes = text(name) + u32(static_cast<uint32_t>(dims.size()));
  for (const uint64_t dim : dims) bytes += u64(dim);
  return bytes + u32(type) + u64(offset);
}
std::string with_data(std::string header, size_t data_bytes, size_t alignment = 32) {
  header.resize((header.size() + alignment - 1) / alignment * alignment);
  return header + std::string(data_bytes, '\0');
}

constexpr uint64_t half_of_all = uint64_t{1} << 63U;
constexpr uint64_t all = std::numeric_limits<uint64_t>::max();
constexpr uint32_t f32 = 0;

class GgufTest : public ::testing::Test {
 protected:
  /// The file must be refused with its path and every fragment.
  void expect_refused(const std::string& bytes, std::vector<std::string> fragments) const {
    const auto path = folder_.write("hostile.gguf", bytes);
    fragments.push_back(path.string() + ": ");
    expect_input_error([&] { const GgufFile file(path); }, fragments);
  }

  TemporaryFolder folder_;
};

TEST_F(GgufTest, ReadsWhatTheWriterWrote) {
  const std::vector<float> values = {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F};
  GgufWriter writer;
  writer.add_u32("a.u32", 4000000000U)
      .add_i32("a.i32", -5)
      .add_u64("a.u64", all)
      .add_f32("a.f32", 0.5F)
      .add_bool("a.bool", true)
      .add_string("a.text", "naïve")
      .add_string("a.empty", "")
      .add_strings("a.texts", {"x", "", "yz"})
      .add_i32s("a.i32s", {1, -2})
      .add_raw("a.u8", GgufWriter::u8, number(uint8_t{200}))
      .add_raw("a.i8", GgufWriter::i8, number(int8_t{-100}))
      .add_raw("a.u16", GgufWriter::u16, number(uint16_t{60000}))
      .add_raw("a.i16", GgufWriter::i16, number(int16_t{-30000}))
      .add_raw("a.i64", GgufWriter::i64, number(std::numeric_limits<int64_t>::min()))
      .add_raw("a.f64", GgufWriter::f64, number(1e300))
      .add_raw("a.u8s", GgufWriter::array, u32(GgufWriter::u8) + u64(2) + "\x01\xff")
      .add_raw("a.none", GgufWriter::array, u32(GgufWriter::i64) + u64(0))
      .add_tensor("m", {3, 2}, values)
      .add_tensor("v", {1}, std::span(values).first(1));
  const auto path = folder_.write("good.gguf", writer.bytes());
  const GgufFile file(path);
  constexpr int64_t most = std::numeric_limits<int64_t>::max();
  constexpr int64_t least = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(file.bytes().size(), std::filesystem::file_size(path));
  EXPECT_EQ(file.integer("a.u32", 0, most), 4000000000);
  EXPECT_EQ(file.integer("a.i32", -5, -5), -5);
  EXPECT_EQ(file.integer("a.u8", 0, 255), 200);
  EXPECT_EQ(file.integer("a.i8", -128, 127), -100);
  EXPECT_EQ(file.integer("a.u16", 0, 65535), 60000);
  EXPECT_EQ(file.integer("a.i16", -32768, 0), -30000);
  EXPECT_EQ(file.integer("a.i64", least, most), least);
  EXPECT_EQ(file.real("a.f32"), 0.5);
  EXPECT_EQ(file.real("a.f64"), 1e300);
  EXPECT_TRUE(file.boolean("a.bool", false));
  EXPECT_EQ(file.text("a.text"), "naïve");
  EXPECT_EQ(file.text("a.empty"), "");
  EXPECT_EQ(file.texts("a.texts"), (std::vector<std::string>{"x", "", "yz"}));
  EXPECT_EQ(file.integers("a.i32s"), (std::vector<int64_t>{1, -2}));
  EXPECT_EQ(file.integers("a.u8s"), (std::vector<int64_t>{1, 255}));
  EXPECT_TRUE(file.integers("a.none").empty());
  EXPECT_TRUE(file.has("a.u32"));
  EXPECT_FALSE(file.has("b"));

  ASSERT_EQ(file.tensors().size(), 2U);
  const GgufTensor* matrix = file.find_tensor("m");
  ASSERT_NE(matrix, nullptr);
  EXPECT_EQ(matrix->columns(), 3U);
  EXPECT_EQ(matrix->rows(), 2U);
  EXPECT_EQ(matrix->elements(), 6U);
  EXPECT_EQ(matrix->type, TensorType::f32);
  ASSERT_EQ(matrix->data.size(), 24U);
  EXPECT_EQ(std::memcmp(matrix->data.data(), values.data(), 24), 0);
  EXPECT_EQ(file.find_tensor("v")->rows(), 1U);
  EXPECT_EQ(file.find_tensor("w"), nullptr);
}

TEST_F(GgufTest, FallsBackOnlyWhereAKeyIsMissing) {
  const GgufFile file(folder_.write("keys.gguf", GgufWriter().add_u32("n", 3).add_f32("x", 2.0F).bytes()));
  EXPECT_EQ(file.integer("none", 0, 9, 7), 7);
  EXPECT_EQ(file.real("none", 1.5), 1.5);
  EXPECT_EQ(file.text("none", "t"), "t");
  EXPECT_TRUE(file.boolean("none", true));
  EXPECT_EQ(file.integer("n", 0, 9, 7), 3);
  expect_input_error([&] { file.text("n", "t"); }, {"keys.gguf: ", "n: ", "is not a text"});
}

TEST_F(GgufTest, NamesFileAndKeyOfAMissingUnfitOrMistypedValue) {
  GgufWriter writer;
  writer.add_u32("int", 10)
      .add_i32("negative", -1)
      .add_u64("huge", all)
      .add_f32("real", 1.0F)
      .add_f32("nan", NAN)
      .add_f32("inf", INFINITY)
      .add_bool("flag", true)
      .add_string("text", "t")
      .add_strings("texts", {"t"})
      .add_i32s("ints", {1})
      .add_f32s("reals", {1.0F});
  const GgufFile file(folder_.write("keys.gguf", writer.bytes()));
  const auto refused = [](const auto& action, const std::string& key, const std::string& problem) {
    expect_input_error(action, {"keys.gguf: ", key + ": ", problem});
  };
  for (const char* key : {"real", "flag", "text", "texts", "ints", "reals"}) {
    refused([&] { file.integer(key, 0, 1); }, key, "is not an integer");
  }
  for (const char* key : {"int", "flag", "text", "ints"}) {
    refused([&] { file.real(key); }, key, "is not a floating-point number");
  }
  for (const char* key : {"int", "real", "text"}) {
    refused([&] { file.boolean(key, false); }, key, "is not a boolean");
  }
  for (const char* key : {"int", "real", "flag", "texts"})
    refused([&] { file.text(key); }, key, "is not a text");
  for (const char* key : {"int", "text", "ints"})
    refused([&] { file.texts(key); }, key, "is not an array of texts");
  for (const char* key : {"int", "texts", "reals"}) {
    refused([&] { file.integers(key); }, key, "is not an array of integers");
  }
  refused([&] { file.real("nan"); }, "nan", "is not finite");
  refused([&] { file.real("inf"); }, "inf", "is not finite");
  refused([&] { file.integer("int", 11, 20); }, "int", "10 is out of range; allowed: 11 to 20");
  refused([&] { file.integer("int", 0, 9); }, "int", "10 is out of range; allowed: 0 to 9");
  refused([&] { file.integer("int", -9, -1); }, "int", "10 is out of range; allowed: -9 to -1");
  refused([&] { file.integer("negative", 0, 9); }, "negative", "-1 is out of range");
  refused([&] { file.integer("huge", -1, std::numeric_limits<int64_t>::max()); }, "huge",
          "18446744073709551615");
  for (const auto& action : std::vector<std::function<void()>>{
           [&] { file.integer("none", 0, 1); }, [&] { file.real("none"); }, [&] { file.text("none"); },
           [&] { file.texts("none"); }, [&] { file.integers("none"); }}) {
    refused(action, "none", "is missing");
  }
}

TEST_F(GgufTest, RefusesWhatIsNoFileOfThisKind) {
  expect_refused("", {"is empty"});
  expect_refused("GGU", {"magic"});
  expect_refused("ggml" + u32(3) + u64(0) + u64(0), {"magic", "GGUF"});
  expect_refused("GGUF" + u32(2) + u64(0) + u64(0), {"version", "2 is not read; allowed: 3"});
  expect_refused("GGUF" + u32(4) + u64(0) + u64(0), {"version", "4"});
  expect_refused("GGUF" + u32(0) + u64(0) + u64(0), {"version", "0"});
  expect_refused("GGUF" + u32(3U << 24U) + u64(0) + u64(0), {"version", "big-endian"});
  expect_input_error([&] { const GgufFile file(folder_.path()); },
                     {folder_.path().string(), "not a regular file"});
  expect_input_error([&] { const GgufFile file(folder_ / "none.gguf"); }, {"none.gguf: ", "No such file"});
  EXPECT_NO_THROW(GgufFile(folder_.write("nothing.gguf", start(0, 0))));
}

TEST_F(GgufTest, RefusesTheFileCutAtEveryByte) {
  const std::vector<float> values(13, 1.0F);
  GgufWriter writer;
  writer.add_u32("int", 1)
      .add_string("text", "abc")
      .add_strings("texts", {"a", "bc"})
      .add_f32s("reals", {1.0F, 2.0F})
      .add_bool("flag", true)
      .add_tensor("one", {4, 2}, std::span(values).first(8))
      .add_tensor("two", {13}, values);
  const std::string bytes = writer.bytes();
  const size_t needed = bytes.size() - 12;  // 13 floats take 52 bytes of 64: what follows is padding
  const auto path = folder_.write("cut.gguf", bytes);
  for (size_t size = bytes.size(); size-- > 0;) {
    std::filesystem::resize_file(path, size);
    if (size >= needed) {
      ASSERT_NO_THROW(GgufFile{path}) << "only padding is missing at " << size;
      continue;
    }
    try {
      const GgufFile file(path);
      FAIL() << "accepted when cut to " << size << " of " << bytes.size();
    } catch (const InputError& error) {
      const std::string message = error.what();
      ASSERT_TRUE(message.starts_with(path.string() + ": ")) << message;
    }
  }
}

TEST_F(GgufTest, RefusesAbsurdCountsWithoutTakingMemoryForThem) {
  for (const uint64_t count : {half_of_all, all, uint64_t{1} << 32U, uint64_t{1000}}) {
    const std::string shown = std::to_string(count);
    expect_refused(start(count, 0), {"tensor_count", shown});
    expect_refused(start(0, count), {"metadata_kv_count", shown});
    expect_refused(start(0, 1) + u64(count) + std::string(64, 'k'), {"metadata key 0", shown});
    const std::string texts = text("s") + u32(GgufWriter::text) + u64(count) + std::string(64, 'v');
    expect_refused(start(0, 1) + texts, {"s: ", shown});
    for (uint32_t element = 0; element <= GgufWriter::f64; ++element) {
      if (element == GgufWriter::array) continue;
      const std::string array =
          text("list") + u32(GgufWriter::array) + u32(element) + u64(count) + std::string(64, 'v');
      expect_refused(start(0, 1) + array, {"list: ", shown});
    }
    expect_refused(start(1, 0) + u64(count) + std::string(64, 'n'), {"tensor 0 name", shown});
  }
  // A text inside an array whose own length is absurd.
  const std::string inner = text("list") + u32(GgufWriter::array) + u32(GgufWriter::text) + u64(1) + u64(all);
  expect_refused(start(0, 1) + inner + std::string(64, 'v'), {"list: ", std::to_string(all)});
}

TEST_F(GgufTest, RefusesUnknownValueTypesAndNestedArrays) {
  const std::string rest(64, '\0');
  expect_refused(start(0, 1) + text("k") + u32(13) + rest, {"k: unknown value type 13"});
  expect_refused(start(0, 1) + text("k") + u32(0xffffffffU) + rest, {"k: unknown value type 4294967295"});
  expect_refused(start(0, 1) + text("k") + u32(GgufWriter::array) + u32(13) + u64(1) + rest,
                 {"k: unknown element type 13"});
  const std::string nested = text("k") + u32(GgufWriter::array) + u32(GgufWriter::array) + u64(1);
  expect_refused(start(0, 1) + nested + u32(GgufWriter::u8) + u64(1) + rest, {"k: arrays of arrays"});
}

TEST_F(GgufTest, RefusesFaultyNames) {
  const std::string data(64, '\0');
  expect_refused(start(0, 2) + u32_key("k", 1) + u32_key("k", 1), {"k: the key occurs twice"});
  expect_refused(start(0, 1) + u32_key("", 1), {"metadata key 0", "empty"});
  expect_refused(start(0, 1) + u32_key(std::string(2000, 'k'), 1), {"metadata key 0", "long"});
  const std::string twice = start(2, 0) + tensor("t", {1}, f32, 0) + tensor("t", {1}, f32, 32);
  expect_refused(with_data(twice, 64), {"t: the tensor occurs twice"});
  expect_refused(with_data(start(1, 0) + tensor("", {1}, f32, 0), 64), {"tensor 0", "empty"});
  expect_refused(with_data(start(1, 0) + tensor(std::string(2000, 't'), {1}, f32, 0), 64),
                 {"tensor 0", "long"});
  // What a terminal would take as a command is not shown as it is.
  expect_refused(start(0, 2) + u32_key("k\x1b[2J", 1) + u32_key("k\x1b[2J", 1),
                 {"k?[2J: the key occurs twice"});
}

TEST_F(GgufTest, RefusesFaultyShapesAndTypes) {
  const auto refused = [&](const std::vector<uint64_t>& dims, uint32_t type,
                           const std::vector<std::string>& fragments) {
    expect_refused(with_data(start(1, 0) + tensor("t", dims, type, 0), 256), fragments);
  };
  refused({}, f32, {"t: ", "0 dimensions; allowed: 1 to 4"});
  refused({1, 1, 1, 1, 1}, f32, {"t: ", "5 dimensions; allowed: 1 to 4"});
  refused({0}, f32, {"t: ", "dimension 0 is 0"});
  refused({4, 0}, f32, {"t: ", "dimension 1 is 0"});
  refused({all}, f32, {"t: ", std::to_string(all)});
  refused({uint64_t{1} << 32U, uint64_t{1} << 32U}, f32, {"t: ", "dimension 1"});
  refused({uint64_t{1} << 31U, 4, uint64_t{1} << 31U, 4}, f32, {"t: ", "dimension 2"});
  refused({uint64_t{1} << 47U}, f32, {"t: ", "past the end"});
  refused({32}, 12, {"t: ", "tensor type 12 is not read; allowed: F32, F16, BF16, Q8_0, Q4_0, Q4_1"});
  refused({32}, 0xffffffffU, {"t: ", "tensor type 4294967295"});
  refused({33}, 8, {"t: ", "rows of 33 elements are not whole Q8_0 blocks of 32"});
  refused({16, 2}, 2, {"t: ", "rows of 16 elements are not whole Q4_0"});
}

TEST_F(GgufTest, RefusesDataThatLieOutsideTheFileOrOnEachOther) {
  const auto one = [](uint64_t offset) { return with_data(start(1, 0) + tensor("t", {8}, f32, offset), 64); };
  EXPECT_NO_THROW(GgufFile(folder_.write("good.gguf", one(32))));
  expect_refused(one(64), {"t: ", "offset 64", "past the end"});
  expect_refused(one(uint64_t{1} << 40U), {"t: ", "past the end"});
  expect_refused(one(all - 31), {"t: ", "past the end"});
  expect_refused(one(half_of_all), {"t: ", "past the end"});
  expect_refused(one(4), {"t: ", "offset 4 is not a multiple of the alignment 32"});
  const auto two = [](uint64_t size, uint64_t offset) {
    return with_data(start(2, 0) + tensor("b", {8}, f32, offset) + tensor("a", {size}, f32, 0), 256);
  };
  EXPECT_NO_THROW(GgufFile(folder_.write("good.gguf", two(16, 64))));
  expect_refused(two(17, 64), {"b: ", "overlap", "a"});
  expect_refused(two(8, 0), {"overlap"});
  expect_refused(start(1, 0) + tensor("t", {8}, f32, 0), {"t: ", "past the end", "0 data bytes"});
}

TEST_F(GgufTest, RefusesAlignmentsThatAreNone) {
  const auto aligned = [](uint32_t alignment, size_t data_alignment = 32) {
    const std::string header =
        start(1, 1) + u32_key("general.alignment", alignment) + tensor("t", {8}, f32, 0);
    return with_data(header, 64, data_alignment);
  };
  for (const uint32_t alignment : {0U, 3U, 48U, (1U << 20U) + 1, 1U << 21U, 0xffffffffU}) {
    expect_refused(aligned(alignment), {"general.alignment"});
  }
  expect_refused(aligned(1U << 20U), {"t: ", "past the end"});
  const std::string typed = start(0, 1) + text("general.alignment") + u32(GgufWriter::text) + text("32");
  expect_refused(typed, {"general.alignment", "is not an integer"});
  for (const uint32_t alignment : {1U, 8U, 64U, 4096U}) {
    EXPECT_NO_THROW(GgufFile(folder_.write("good.gguf", aligned(alignment, alignment)))) << alignment;
  }
}

/// Model files: what GgufFile accepts and the architectures then refuse.
class ModelFileTest : public ::testing::Test {
 protected:
  static RandomModelOptions options(const std::string& architecture) {
    RandomModelOptions options;
    options.architecture = architecture;
    options.layers = 1;
    return options;
  }
  void load(const RandomModel& model) const {
    folder_.write("model.gguf", model.bytes());
    ModelFile(folder_ / "model.gguf").load();
  }
  void expect_refused(const RandomModel& model, std::vector<std::string> fragments) const {
    fragments.insert(fragments.begin(), (folder_ / "model.gguf").string() + ": ");
    expect_input_error([&] { load(model); }, fragments);
  }

  testing::OmpThreads threads_{1};
  TemporaryFolder folder_;
};

TEST_F(ModelFileTest, ReadsTheShapeOfALlama) {
  RandomModelOptions o;
  o.head_size = 8;
  o.rope_dimensions = 6;
  o.rope_theta = 500.0F;
  o.rope_linear_scaling = 4.0F;
  o.rope_frequency_factors = true;
  const ModelFile model(write_random_model(folder_ / "m.gguf", o));
  const Shape& shape = model.shape();
  EXPECT_EQ(shape.architecture, "llama");
  EXPECT_EQ(shape.name, "random-llama");
  EXPECT_EQ(shape.layers, 2);
  EXPECT_EQ(shape.query_heads, 4);
  EXPECT_EQ(shape.kv_heads, 2);
  EXPECT_EQ(shape.group_size(), 2);
  EXPECT_EQ(shape.head_size, 8);
  EXPECT_EQ(shape.hidden, 64);
  EXPECT_EQ(shape.feed_forward, 96);
  EXPECT_EQ(shape.vocabulary, testing::random_model_vocabulary);
  EXPECT_EQ(shape.context, 1024);
  EXPECT_FLOAT_EQ(shape.norm_epsilon, 1e-5F);
  EXPECT_FLOAT_EQ(shape.score_scale, 0.35355339F);
  EXPECT_EQ(shape.norm, NormKind::rms);
  EXPECT_EQ(shape.mlp, MlpKind::swiglu);
  EXPECT_EQ(shape.position, PositionScheme::rope);
  EXPECT_EQ(shape.rope.dimensions, 6);
  EXPECT_EQ(shape.rope.theta, 500.0F);
  EXPECT_EQ(shape.rope.linear_scaling, 4.0F);
  EXPECT_EQ(shape.rope.frequency_factors.size(), 3U);
  EXPECT_EQ(shape.rope.pairing, RopePairing::half);
  EXPECT_EQ(shape.kv_bytes_per_token(16.0), 2 * 2 * 16 * 2);
  const Transformer transformer = model.load();
  const Weights& weights = transformer.weights();
  const Matrix head = weights.head.unpacked();
  ASSERT_EQ(head.rows, weights.embedding.rows);
  EXPECT_TRUE(std::equal(head.data(), head.data() + head.values.size(), weights.embedding.data()));
  EXPECT_EQ(transformer.weights().layers.size(), 2U);
  EXPECT_EQ(model.tokenizer().bos(), testing::random_model_bos);
  EXPECT_EQ(model.sha256(), sha256_hex(testing::read_bytes(folder_ / "m.gguf")));
}

TEST_F(ModelFileTest, ReadsTheShapeOfAnMpt) {
  RandomModelOptions o = options("mpt");
  o.kv_heads = 4;
  o.untied_output = true;
  const ModelFile model(write_random_model(folder_ / "m.gguf", o));
  const Shape& shape = model.shape();
  EXPECT_EQ(shape.architecture, "mpt");
  EXPECT_EQ(shape.head_size, 16);
  EXPECT_EQ(shape.norm, NormKind::layer);
  EXPECT_EQ(shape.mlp, MlpKind::gelu);
  EXPECT_EQ(shape.position, PositionScheme::alibi);
  EXPECT_EQ(shape.alibi_slopes, (std::vector<float>{0.25F, 0.0625F, 0.015625F, 0.00390625F}));
  EXPECT_EQ(model.load().weights().head.rows(), static_cast<size_t>(testing::random_model_vocabulary));
}

TEST_F(ModelFileTest, TakesTheKvHeadsForTheQueryHeadsAndTheNameFromTheFileWhereNoKeySaysOtherwise) {
  RandomModelOptions o = options("mpt");
  o.kv_heads = 4;
  RandomModel model = random_model(o);
  model.metadata.remove("mpt.attention.head_count_kv").remove("general.name");
  model.write(folder_ / "some-model.gguf");
  const ModelFile file(folder_ / "some-model.gguf");
  EXPECT_EQ(file.shape().kv_heads, 4);
  EXPECT_EQ(file.shape().name, "some-model");
}

TEST_F(ModelFileTest, DequantisesEveryTensorType) {
  for (const TensorType type : {TensorType::f32, TensorType::f16, TensorType::bf16, TensorType::q8_0,
                                TensorType::q4_0, TensorType::q4_1}) {
    RandomModelOptions o = options("llama");
    o.matrix_type = type;
    const RandomModel model = random_model(o);
    model.write(folder_ / "m.gguf");
    const Transformer transformer = ModelFile(folder_ / "m.gguf").load();
    const Matrix down = transformer.weights().layers[0].down.unpacked();
    const std::vector<std::byte> stored =
        testing::encode(type, RandomModel(model).tensor("blk.0.ffn_down.weight").values);
    std::vector<float> expected(down.rows * down.columns);
    dequantise(type, stored, expected);
    ASSERT_EQ(down.rows, 64U);
    ASSERT_EQ(down.columns, 96U);
    EXPECT_EQ(std::memcmp(down.data(), expected.data(), expected.size() * sizeof(float)), 0)
        << traits_of(type).name;
  }
}

TEST_F(ModelFileTest, PutsQueriesKeysAndValuesOfALlamaUnderEachOther) {
  RandomModel model = random_model(options("llama"));
  model.write(folder_ / "m.gguf");
  const Transformer transformer = ModelFile(folder_ / "m.gguf").load();
  const LayerWeights& layer = transformer.weights().layers[0];
  const Matrix qkv = layer.qkv.unpacked();
  ASSERT_EQ(qkv.rows, 128U);
  const auto is = [&](const Matrix& matrix, size_t first_row, const char* name) {
    const std::vector<float>& values = model.tensor(name).values;
    return std::memcmp(matrix.row(first_row), values.data(), values.size() * sizeof(float)) == 0;
  };
  // Rows of channels that turn together, side by side in the file, lie half the rotated channels apart.
  const Shape& shape = transformer.shape();
  const auto d = static_cast<size_t>(shape.head_size);
  const auto pairs = static_cast<size_t>(shape.rope.dimensions) / 2;
  const auto is_separated = [&](size_t first_row, const char* name) {
    const std::vector<float>& values = model.tensor(name).values;
    bool same = true;
    for (size_t row = 0; row < values.size() / qkv.columns; ++row) {
      const size_t channel = row % d;
      const size_t from = row - channel +
                          (channel < pairs       ? 2 * channel
                           : channel < 2 * pairs ? 2 * (channel - pairs) + 1
                                                 : channel);
      same = same && std::equal(qkv.row(first_row + row), qkv.row(first_row + row + 1),
                                values.data() + from * qkv.columns);
    }
    return same;
  };
  EXPECT_TRUE(is_separated(0, "blk.0.attn_q.weight"));
  EXPECT_TRUE(is_separated(64, "blk.0.attn_k.weight"));
  EXPECT_TRUE(is(qkv, 96, "blk.0.attn_v.weight"));
  EXPECT_TRUE(is(layer.gate.unpacked(), 0, "blk.0.ffn_gate.weight"));
  EXPECT_TRUE(is(layer.up.unpacked(), 0, "blk.0.ffn_up.weight"));
}

TEST_F(ModelFileTest, RefusesUnknownArchitecturesWithTheNearestName) {
  RandomModel model = random_model(options("llama"));
  model.metadata.add_string("general.architecture", "llma");
  expect_refused(model, {"general.architecture: ", "'llma'", "did you mean 'llama'", "llama, mpt"});
  model.metadata.add_string("general.architecture", "bert");
  expect_refused(model, {"general.architecture: ", "'bert'", "llama, mpt"});
  model.metadata.add_u32("general.architecture", 1);
  expect_refused(model, {"general.architecture: is not a text"});
  model.metadata.remove("general.architecture");
  expect_refused(model, {"general.architecture: ", "missing"});
}

TEST_F(ModelFileTest, RefusesMissingMistypedAndAbsurdCounts) {
  for (const std::string architecture : {"llama", "mpt"}) {
    for (const char* suffix : {".block_count", ".embedding_length", ".feed_forward_length", ".context_length",
                               ".attention.head_count"}) {
      const std::string key = architecture + suffix;
      RandomModel model = random_model(options(architecture));
      model.metadata.add_string(key, "4");
      expect_refused(model, {key + ": ", "is not an integer"});
      model.metadata.add_f32(key, 4.0F);
      expect_refused(model, {key + ": ", "is not an integer"});
      model.metadata.add_u32(key, 0);
      expect_refused(model, {key + ": ", "0 is out of range; allowed: 1 to"});
      model.metadata.add_i32(key, -1);
      expect_refused(model, {key + ": ", "-1 is out of range"});
      model.metadata.add_u32(key, 0xffffffffU);
      expect_refused(model, {key + ": ", "4294967295 is out of range"});
      model.metadata.remove(key);
      expect_refused(model, {key + ": ", "missing"});
    }
  }
}

TEST_F(ModelFileTest, RefusesHeadsThatDoNotDivide) {
  RandomModel model = random_model(options("llama"));
  model.metadata.add_u32("llama.attention.head_count_kv", 3);
  expect_refused(model, {"llama.attention.head_count_kv: ", "3 KV heads do not divide 4 query heads"});
  model.metadata.add_u32("llama.attention.head_count_kv", 8);
  expect_refused(model, {"llama.attention.head_count_kv: ", "8 KV heads do not divide 4"});
  model.metadata.add_u32("llama.attention.head_count_kv", 0);
  expect_refused(model, {"llama.attention.head_count_kv: ", "0 is out of range"});
  // Per-layer counts, as some files have them.
  model.metadata.add_i32s("llama.attention.head_count_kv", {2});
  expect_refused(model, {"llama.attention.head_count_kv: ", "is not an integer"});
  model = random_model(options("llama"));
  model.metadata.add_u32("llama.attention.head_count", 5).add_u32("llama.attention.head_count_kv", 5);
  expect_refused(model, {"llama.attention.head_count: ", "5 heads do not divide the embedding length 64"});
  model = random_model(options("llama"));
  model.metadata.add_u32("llama.attention.value_length", 8);
  expect_refused(model, {"llama.attention.value_length: ", "different sizes"});
  model.metadata.add_u32("llama.attention.key_length", 5000);
  expect_refused(model, {"llama.attention.key_length: ", "5000 is out of range"});
}

TEST_F(ModelFileTest, RefusesFaultyPositionAndNormKeys) {
  const auto refused = [&](const std::string& architecture, const std::string& key, float value,
                           const std::string& problem) {
    RandomModel model = random_model(options(architecture));
    model.metadata.add_f32(key, value);
    expect_refused(model, {key + ": ", problem});
  };
  for (const float value : {0.0F, -1.0F, 2.0F}) {
    refused("llama", "llama.attention.layer_norm_rms_epsilon", value, "above 0, at most 1");
    refused("mpt", "mpt.attention.layer_norm_epsilon", value, "above 0, at most 1");
  }
  refused("llama", "llama.attention.layer_norm_rms_epsilon", NAN, "is not finite");
  for (const float value : {1.0F, 0.0F, -10000.0F})
    refused("llama", "llama.rope.freq_base", value, "above 1");
  refused("llama", "llama.rope.freq_base", INFINITY, "is not finite");
  for (const float value : {0.0F, -8.0F, 65.0F})
    refused("mpt", "mpt.attention.max_alibi_bias", value, "above 0, at most 64");
  refused("mpt", "mpt.attention.clamp_kqv", 6.0F, "not supported");

  RandomModel model = random_model(options("mpt"));
  model.metadata.remove("mpt.attention.max_alibi_bias");
  expect_refused(model, {"mpt.attention.max_alibi_bias: ", "missing"});

  model = random_model(options("llama"));
  model.metadata.add_u32("llama.rope.dimension_count", 7);
  expect_refused(model, {"llama.rope.dimension_count: ", "even"});
  for (const uint32_t dimensions : {0U, 1U, 18U}) {
    model.metadata.add_u32("llama.rope.dimension_count", dimensions);
    expect_refused(model, {"llama.rope.dimension_count: ", "allowed: 2 to 16"});
  }
  model = random_model(options("llama"));
  model.metadata.add_string("llama.rope.scaling.type", "yarn");
  expect_refused(model, {"llama.rope.scaling.type: ", "'yarn'", "none, linear"});
  model.metadata.add_string("llama.rope.scaling.type", "linear");
  expect_refused(model, {"llama.rope.scaling.factor: ", "missing"});
  model.metadata.add_f32("llama.rope.scaling.factor", 0.0F);
  expect_refused(model, {"llama.rope.scaling.factor: ", "0 is out of range"});
}

TEST_F(ModelFileTest, RefusesMissingMisshapenAndUnusedTensors) {
  for (const std::string architecture : {"llama", "mpt"}) {
    const RandomModel sound = random_model(options(architecture));
    for (const testing::RandomTensor& tensor : sound.tensors) {
      RandomModel model = sound;
      model.remove_tensor(tensor.name);
      expect_refused(model, {tensor.name + ": ", "missing"});
      // One row, or one element, more than the metadata ask for.
      model = sound;
      testing::RandomTensor& grown = model.tensor(tensor.name);
      grown.dims.back() += 1;
      grown.values.resize(grown.dims.size() == 1 ? grown.dims[0] : grown.dims[0] * grown.dims[1], 0.5F);
      // The embedding says how large the vocabulary is: there it is the columns that must fit.
      if (tensor.name == "token_embd.weight") {
        grown.dims = {tensor.dims[0] * 2, tensor.dims[1] / 2};
        grown.values.resize(grown.dims[0] * grown.dims[1]);
      }
      expect_refused(model, {tensor.name + ": ", "has the shape [", "fastest dimension first"});
    }
    RandomModel model = sound;
    model.tensors.push_back({"blk.0.attn_q.bias", {64}, TensorType::f32, std::vector<float>(64, 0.0F)});
    expect_refused(model, {"blk.0.attn_q.bias: ", architecture, "does not use this tensor"});
  }
  // A transposed matrix has as many elements.
  RandomModel model = random_model(options("llama"));
  std::swap(model.tensor("blk.0.ffn_down.weight").dims[0], model.tensor("blk.0.ffn_down.weight").dims[1]);
  expect_refused(model, {"blk.0.ffn_down.weight: ", "[64, 96]", "[96, 64]"});
  // A layer more than there are tensors for, and one less.
  model = random_model(options("llama"));
  model.metadata.add_u32("llama.block_count", 2);
  expect_refused(model, {"blk.1.attn_norm.weight: ", "missing"});
  RandomModelOptions deeper = options("llama");
  deeper.layers = 2;
  model = random_model(deeper);
  model.metadata.add_u32("llama.block_count", 1);
  expect_refused(model, {"blk.1.attn_norm.weight: ", "does not use"});
}

TEST_F(ModelFileTest, RefusesWeightsThatAreNoNumbers) {
  for (const std::string architecture : {"llama", "mpt"}) {
    for (const TensorType type : {TensorType::f32, TensorType::f16, TensorType::bf16}) {
      for (const float value : {static_cast<float>(NAN), static_cast<float>(-INFINITY)}) {
        RandomModelOptions o = options(architecture);
        o.matrix_type = type;
        RandomModel model = random_model(o);
        model.tensor("blk.0.ffn_up.weight").values[3 * 64 + 17] = value;
        expect_refused(model, {"blk.0.ffn_up.weight: ", "not finite"});
      }
    }
    RandomModel model = random_model(options(architecture));
    model.tensor("output_norm.weight").values.back() = NAN;
    expect_refused(model, {"output_norm.weight: ", "not finite"});
  }
  // A block whose scale is infinite.
  RandomModelOptions o = options("llama");
  o.matrix_type = TensorType::q8_0;
  RandomModel model = random_model(o);
  model.tensor("token_embd.weight").values[1000] = 1e30F;
  expect_refused(model, {"token_embd.weight: ", "not finite"});
  o.rope_frequency_factors = true;
  model = random_model(o);
  model.tensor("rope_freqs.weight").values[1] = -1.0F;
  expect_refused(model, {"rope_freqs.weight: ", "not positive"});
  model.tensor("rope_freqs.weight").values[1] = NAN;
  expect_refused(model, {"rope_freqs.weight: ", "not finite"});
}

TEST_F(ModelFileTest, RefusesAModelCutAnywhere) {
  RandomModelOptions o = options("llama");
  o.matrix_type = TensorType::q4_0;
  o.hidden = 32;
  o.query_heads = 2;
  o.kv_heads = 1;
  o.feed_forward = 32;
  const std::string bytes = random_model(o).bytes();
  const auto path = folder_.write("cut.gguf", bytes);
  // The last tensor is a norm of 32 floats, so that there is no padding after it.
  size_t step = 1;
  for (size_t size = bytes.size() - 1; size > 0; size -= std::min(size, step)) {
    step = size % 3 == 0 ? 53 : 1;
    std::filesystem::resize_file(path, size);
    ASSERT_THROW(ModelFile{path}, InputError) << size;
  }
}

/// Whatever bytes of a model file are changed: it works, or InputError, or no memory for what it asks for.
void load_and_run(const std::filesystem::path& path) {
  const ModelFile file(path);
  const Transformer transformer = file.load();
  const Tokenizer tokenizer = file.tokenizer();
  std::vector<int32_t> ids = tokenizer.encode("the lamp and", 6);
  if (tokenizer.bos() >= 0) ids.insert(ids.begin(), tokenizer.bos());
  ExactMemory memory(file.shape(), static_cast<int>(ids.size()));
  SequenceInput sequence;
  sequence.tokens = ids;
  sequence.memory = &memory;
  transformer.forward({&sequence, 1});
}

void expect_mutations_to_be_harmless(const RandomModelOptions& options, uint64_t seed, int rounds) {
  const testing::OmpThreads threads(1);
  const TemporaryFolder folder;
  const std::string sound = random_model(options).bytes();
  const auto path = folder.write("mutated.gguf", sound);
  ASSERT_NO_THROW(load_and_run(path));
  const size_t keys_end = sound.find("tokenizer.ggml.tokens");
  const size_t tensors_begin = sound.find("token_embd.weight") - 8;
  const size_t tensors_end = sound.find("output_norm.weight") + 64;
  std::mt19937_64 random(seed);
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = sound;
    const auto below = [&](size_t limit) { return static_cast<size_t>(random() % limit); };
    for (size_t changes = 1 + below(3); changes > 0; --changes) {
      // Mostly where counts, lengths, types and offsets are.
      const size_t kind = below(8);
      const size_t at = kind < 3   ? below(keys_end)
                        : kind < 6 ? tensors_begin + below(tensors_end - tensors_begin)
                                   : below(bytes.size());
      if (below(2) == 0) {
        bytes[at] = static_cast<char>(random());
      } else {
        bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ 1U << below(8));
      }
    }
    folder.write("mutated.gguf", bytes);
    try {
      load_and_run(path);
    } catch (const InputError& error) {
      ++refused;
    } catch (const std::bad_alloc&) {
      ++refused;
    } catch (const std::exception& error) {
      FAIL() << "round " << round << " of seed " << seed << ": " << error.what();
    }
  }
  EXPECT_GT(refused, rounds / 4) << "the mutations do not reach what is checked";
  EXPECT_GT(rounds - refused, rounds / 10) << "the mutations do not get past what is checked";
}

TEST(GgufMutationTest, AChangedLlamaWorksOrIsRefused) {
  RandomModelOptions options;
  options.layers = 1;
  options.hidden = 32;
  options.head_size = 8;
  options.feed_forward = 32;
  options.matrix_type = TensorType::q8_0;
  options.rope_linear_scaling = 2.0F;
  options.rope_frequency_factors = true;
  expect_mutations_to_be_harmless(options, 1, 5000);
}

TEST(GgufMutationTest, AChangedMptWorksOrIsRefused) {
  RandomModelOptions options;
  options.architecture = "mpt";
  options.layers = 1;
  options.hidden = 32;
  options.head_size = 8;
  options.feed_forward = 32;
  options.matrix_type = TensorType::q4_1;
  options.untied_output = true;
  expect_mutations_to_be_harmless(options, 2, 5000);
}

TEST(FindModelTest, TakesPathsAndKnownNames) {
  const TemporaryFolder folder;
  const auto path = testing::write_random_model(folder / "m.gguf");
  EXPECT_EQ(find_model(path.string()), path);
  EXPECT_TRUE(std::filesystem::exists(find_model("tiny-alibi")));
}

TEST(FindModelTest, NamesTheModelsThereAreWhereNoneFits) {
  expect_input_error([] { find_model("tiny-alibo"); },
                     {"--model: ", "no such file", "did you mean 'tiny-alibi'", "smollm2-135m, tiny-alibi"});
  expect_input_error([] { find_model("/nowhere/x.gguf"); },
                     {"--model: ", "no such file", "smollm2-135m, tiny-alibi"});
}

}  // namespace
}  // namespace razorscope
