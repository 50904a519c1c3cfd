#include "models/trace/safetensors.hpp"

#include <array>
#include <filesystem>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "models/base/error.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/safetensors_bytes.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::RawTensor;
using testing::read_bytes;
using testing::safetensors_bytes;
using testing::TemporaryFolder;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class SafetensorsTest : public ::testing::Test {
 protected:
  void expect_refused(const std::string& bytes, std::vector<std::string> fragments) const {
    const auto path = folder_.write("hostile.safetensors", bytes);
    fragments.push_back(path.string() + ": ");
    expect_input_error([&] { const SafetensorsFile file(path); }, fragments);
  }
  /// A header with one tensor "t" of the given description, and 64 bytes of data.
  void expect_tensor_refused(const std::string& description,
                             const std::vector<std::string>& fragments) const {
    expect_refused(safetensors_bytes("{\"t\":" + description + "}", std::string(64, '\0')), fragments);
  }

  TemporaryFolder folder_;
};

TEST_F(SafetensorsTest, ReadsWhatItWrote) {
  const auto path = folder_ / "good.safetensors";
  const std::map<std::string, std::string> metadata = {{"format", "x"}, {"naïve \"key\"", "line\nline"}};
  SafetensorsWriter writer(
      path, {{"a", "F32", {2, 3}}, {"b", "I64", {1}}, {"c", "U8", {3}}, {"s", "F16", {}}}, metadata);
  writer.write("c", 0, bytes_of("xyz"));
  writer.write("a", 8, bytes_of("0123456789abcdef"));
  writer.write("a", 0, bytes_of("ABCDEFGH"));
  writer.write("b", 0, bytes_of("bbbbbbbb"));
  writer.write("s", 0, bytes_of("ss"));
  writer.write("s", 2, {});
  writer.commit();
  const SafetensorsFile file(path);
  EXPECT_EQ(file.metadata(), metadata);
  ASSERT_EQ(file.tensors().size(), 4U);
  const SafeTensor& a = file.tensors().at("a");
  EXPECT_EQ(a.dtype, "F32");
  EXPECT_EQ(a.dims, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(a.elements(), 6U);
  EXPECT_EQ(text_of(a.data), "ABCDEFGH0123456789abcdef");
  EXPECT_EQ(text_of(file.tensors().at("b").data), "bbbbbbbb");
  EXPECT_EQ(text_of(file.tensors().at("c").data), "xyz");
  EXPECT_EQ(file.tensors().at("s").elements(), 1U);
  EXPECT_EQ(text_of(file.tensors().at("s").data), "ss");
}

TEST_F(SafetensorsTest, ReadsWhatItWroteInPiecesOfAnySize) {
  std::mt19937_64 random(3);
  const auto below = [&](size_t limit) { return static_cast<size_t>(random() % limit); };
  for (int round = 0; round < 8; ++round) {  // each waits for the disk
    std::map<std::string, std::string> contents;
    std::vector<SafeTensorDeclaration> declared;
    for (size_t i = below(12); i > 0; --i) {
      constexpr std::array dtypes = {"F32", "BF16", "U8", "I64"};
      SafeTensorDeclaration tensor{"t" + std::to_string(i), dtypes[below(dtypes.size())], {}};
      size_t size = SafetensorsWriter::element_size(tensor.dtype);
      for (size_t dim = below(4); dim > 0; --dim) {
        tensor.dims.push_back(1 + below(5));
        size *= tensor.dims.back();
      }
      while (contents[tensor.name].size() < size) contents[tensor.name] += static_cast<char>(random());
      declared.push_back(std::move(tensor));
    }
    const auto path = folder_ / "file.safetensors";
    SafetensorsWriter writer(path, declared, {});
    for (const auto& [name, data] : contents) {
      const size_t cut = below(data.size() + 1);
      writer.write(name, cut, bytes_of(data).subspan(cut));
      writer.write(name, 0, bytes_of(data).first(cut));
    }
    writer.commit();
    const SafetensorsFile file(path);
    ASSERT_EQ(file.tensors().size(), declared.size());
    for (const SafeTensorDeclaration& tensor : declared) {
      const SafeTensor& read = file.tensors().at(tensor.name);
      EXPECT_EQ(read.dtype, tensor.dtype);
      EXPECT_EQ(read.dims, tensor.dims);
      EXPECT_EQ(text_of(read.data), contents.at(tensor.name));
    }
  }
}

TEST_F(SafetensorsTest, ShowsNothingUnderTheNameBeforeItIsComplete) {
  const auto path = folder_ / "out.safetensors";
  const auto part = folder_ / "out.safetensors.part";
  {
    SafetensorsWriter writer(path, {{"t", "U8", {4}}}, {});
    writer.write("t", 0, bytes_of("half"));
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_TRUE(std::filesystem::exists(part));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path())) << "an abandoned file leaves nothing";

  folder_.write("out.safetensors", "what was there before");
  { const SafetensorsWriter abandoned(path, {{"t", "U8", {4}}}, {}); }
  EXPECT_EQ(read_bytes(path), "what was there before");
  SafetensorsWriter writer(path, {{"t", "U8", {4}}}, {});
  EXPECT_EQ(read_bytes(path), "what was there before");
  writer.commit();
  EXPECT_FALSE(std::filesystem::exists(part));
  EXPECT_EQ(SafetensorsFile(path).tensors().size(), 1U);
}

TEST_F(SafetensorsTest, FailsAtRunTimeWhereTheFileCannotBeWritten) {
  const auto fails = [](const std::filesystem::path& path, uint64_t elements) {
    try {
      const SafetensorsWriter writer(path, {{"t", "F32", {elements}}}, {});
      ADD_FAILURE() << path << " can be written";
    } catch (const InputError& error) {
      ADD_FAILURE() << "not the input's fault: " << error.what();
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
    }
  };
  fails(folder_ / "none" / "out.safetensors", 1);
  // More than any disk has: said before the work begins, and nothing is left.
  fails(folder_ / "out.safetensors", uint64_t{1} << 58U);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(SafetensorsTest, NeverWritesPastATensor) {
  SafetensorsWriter writer(folder_ / "out.safetensors", {{"a", "U8", {4}}, {"b", "U8", {4}}}, {});
  EXPECT_THROW(writer.write("a", 0, bytes_of("12345")), std::out_of_range);
  EXPECT_THROW(writer.write("a", 4, bytes_of("1")), std::out_of_range);
  EXPECT_THROW(writer.write("b", 5, {}), std::out_of_range);
  EXPECT_THROW(writer.write("b", std::numeric_limits<uint64_t>::max(), bytes_of("12")), std::out_of_range);
  EXPECT_THROW(writer.write("c", 0, bytes_of("1")), std::out_of_range);
}

TEST_F(SafetensorsTest, KnowsTheSizesOfDtypes) {
  const std::map<std::string, size_t> sizes = {
      {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},  {"U64", 8}, {"I32", 4}, {"U32", 4},
      {"I16", 2}, {"U16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}, {"F4", 0},  {"f32", 0}, {"", 0}};
  for (const auto& [name, size] : sizes) EXPECT_EQ(SafetensorsWriter::element_size(name), size) << name;
}

TEST_F(SafetensorsTest, RefusesTheFileCutAtEveryByte) {
  const std::string bytes = safetensors_bytes(
      {{"a", {"F32", {2, 2}, std::string(16, 'a')}}, {"b", {"U8", {5}, std::string(5, 'b')}}}, {{"k", "v"}});
  const auto path = folder_.write("cut.safetensors", bytes);
  ASSERT_NO_THROW(SafetensorsFile{path});
  for (size_t size = bytes.size(); size-- > 0;) {
    std::filesystem::resize_file(path, size);
    try {
      const SafetensorsFile file(path);
      FAIL() << "accepted when cut to " << size;
    } catch (const InputError& error) {
      ASSERT_TRUE(std::string(error.what()).starts_with(path.string() + ": ")) << error.what();
    }
  }
}

TEST_F(SafetensorsTest, RefusesHeadersOfAbsurdLength) {
  for (const uint64_t length : {uint64_t{0}, uint64_t{1}, uint64_t{1000}, uint64_t{100'000'001},
                                uint64_t{1} << 63U, std::numeric_limits<uint64_t>::max()}) {
    std::string bytes = safetensors_bytes("{}", "");
    std::memcpy(bytes.data(), &length, sizeof(length));
    expect_refused(bytes, {"header", std::to_string(length)});
  }
  expect_refused("GGUF and so on, no safetensors file", {"header", "not a safetensors file"});
}

TEST_F(SafetensorsTest, RefusesHeadersThatAreNoJsonObject) {
  for (const std::string& header :
       {std::string("[]"), std::string("12"), std::string("{]"), std::string("{\"a\":}"), std::string("{}}"),
        std::string("nonsense"), std::string("{\"a\xff\":{}}"), std::string(20, '\0')}) {
    expect_refused(safetensors_bytes(header, std::string(64, '\0')), {"header", "is not a JSON object"});
  }
  EXPECT_NO_THROW(SafetensorsFile(folder_.write("empty", safetensors_bytes("{}   ", ""))));
}

TEST_F(SafetensorsTest, SurvivesDeepNesting) {
  constexpr size_t depth = 100000;
  const std::string open(depth, '[');
  const std::string close(depth, ']');
  expect_refused(safetensors_bytes(open, ""), {"header"});
  expect_refused(safetensors_bytes(open + close, ""), {"header"});
  std::string objects;
  for (size_t i = 0; i < depth; ++i) objects += "{\"a\":";
  expect_refused(safetensors_bytes(objects + "1" + std::string(depth, '}'), ""), {"a.dtype"});
  expect_refused(safetensors_bytes("{\"__metadata__\":{\"k\":" + open + close + "}}", ""),
                 {"__metadata__.k", "is not a text"});
  expect_tensor_refused(R"({"dtype":"U8","shape":)" + open + close + R"(,"data_offsets":[0,1]})",
                        {"t.shape"});
  expect_tensor_refused(R"({"dtype":"U8","shape":[1],"data_offsets":)" + open + close + "}",
                        {"t.data_offsets"});
}

TEST_F(SafetensorsTest, RefusesFaultyDescriptions) {
  expect_tensor_refused("5", {"t: ", "is not a JSON object"});
  expect_tensor_refused(R"({"shape":[1],"data_offsets":[0,4]})", {"t.dtype", "missing"});
  expect_tensor_refused(R"({"dtype":4,"shape":[1],"data_offsets":[0,4]})", {"t.dtype", "not a text"});
  expect_tensor_refused(R"({"dtype":"F33","shape":[1],"data_offsets":[0,4]})",
                        {"t.dtype", "'F33' is not a safetensors dtype"});
  expect_tensor_refused(R"({"dtype":"F32","data_offsets":[0,4]})", {"t.shape", "missing"});
  expect_tensor_refused(R"({"dtype":"F32","shape":1,"data_offsets":[0,4]})", {"t.shape", "not an array"});
  for (const char* dim : {"-1", "1.0", "\"1\"", "null", "[1]", "1e3"}) {
    expect_tensor_refused(std::string(R"({"dtype":"F32","shape":[)") + dim + R"(],"data_offsets":[0,4]})",
                          {"t.shape", "not a count"});
  }
  expect_tensor_refused(R"({"dtype":"F32","shape":[0],"data_offsets":[0,0]})", {"t.shape", "dimension of 0"});
  expect_tensor_refused(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]})",
                        {"t.shape", "18446744073709551615"});
  expect_tensor_refused(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})",
                        {"t.shape", "4294967296"});
  expect_tensor_refused(R"({"dtype":"F32","shape":[1000000000],"data_offsets":[0,64]})",
                        {"t.data_offsets", "64 bytes, but 1000000000"});
  for (const char* offsets : {"null", "4", "[]", "[0]", "[0,4,8]", "[-4,0]", "[0.0,4.0]", "[\"0\",\"4\"]"}) {
    expect_tensor_refused(std::string(R"({"dtype":"F32","shape":[1],"data_offsets":)") + offsets + "}",
                          {"t.data_offsets", "pair of byte offsets"});
  }
  expect_tensor_refused(R"({"dtype":"F32","shape":[1]})", {"t.data_offsets", "pair of byte offsets"});
  for (const char* offsets : {"[8,4]", "[64,68]", "[0,18446744073709551615]", "[18446744073709551615,3]",
                              "[18446744073709551612,18446744073709551615]"}) {
    expect_tensor_refused(std::string(R"({"dtype":"F32","shape":[1],"data_offsets":)") + offsets + "}",
                          {"t.data_offsets", "lies outside the file's 64 data bytes"});
  }
  for (const char* offsets : {"[0,0]", "[0,3]", "[0,5]", "[0,64]"}) {
    expect_tensor_refused(std::string(R"({"dtype":"F32","shape":[1],"data_offsets":)") + offsets + "}",
                          {"t.data_offsets", "bytes, but 1 elements of F32 take 4"});
  }
  expect_refused(safetensors_bytes(R"({"__metadata__":[]})", ""), {"__metadata__", "is not a JSON object"});
  expect_refused(safetensors_bytes(R"({"__metadata__":{"k":1}})", ""), {"__metadata__.k", "is not a text"});
}

TEST_F(SafetensorsTest, RefusesTensorsThatOverlap) {
  const auto both = [](const std::string& a, const std::string& b) {
    const std::string start = R"({"dtype":"U8","shape":[4],"data_offsets":)";
    return safetensors_bytes("{\"a\":" + start + a + "},\"b\":" + start + b + "}}", std::string(64, '\0'));
  };
  expect_refused(both("[0,4]", "[3,7]"), {"b: ", "overlap those of a"});
  expect_refused(both("[5,9]", "[2,6]"), {"a: ", "overlap those of b"});
  expect_refused(both("[0,4]", "[0,4]"), {"overlap"});
  EXPECT_NO_THROW(SafetensorsFile(folder_.write("good", both("[4,8]", "[0,4]"))));
}

TEST_F(SafetensorsTest, SurvivesRandomChanges) {
  const std::string sound = safetensors_bytes(
      {{"a", {"F32", {2, 2}, std::string(16, 'a')}}, {"b", {"U8", {5}, std::string(5, 'b')}}}, {{"k", "v"}});
  std::mt19937_64 random(7);
  int refused = 0;
  constexpr int rounds = 5000;
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = sound;
    for (size_t changes = 1 + random() % 3; changes > 0; --changes)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto path = folder_.write("changed.safetensors", bytes);
    try {
      const SafetensorsFile file(path);
    } catch (const InputError&) {
      ++refused;
    } catch (const std::exception& error) {
      FAIL() << "round " << round << ": " << error.what();
    }
  }
  EXPECT_GT(refused, rounds / 2);
}

}  // namespace
}  // namespace razorscope
