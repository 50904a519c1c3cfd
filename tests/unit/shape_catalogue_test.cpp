// Shapes without models: the built-in ones, and config.json files good and bad.
#include "models/language/shape_catalogue.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/devices/weight_bytes.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using nlohmann::json;
using testing::expect_input_error;

/// Parameters in billions, as the models' makers state them.
TEST(ShapeCatalogue, HasTheParametersThatMakersState) {
  const std::vector<std::pair<const char*, double>> stated = {
      {"llama-2-7b", 6.74},    {"llama-2-13b", 13.02},    {"llama-2-70b", 68.98}, {"llama-3.1-8b", 8.03},
      {"llama-3.1-70b", 70.6}, {"llama-3.1-405b", 405.9}, {"llama-3.2-1b", 1.24}, {"llama-3.2-3b", 3.21},
      {"mistral-7b", 7.25},    {"qwen2.5-7b", 7.62},      {"qwen2.5-32b", 32.8},  {"qwen2.5-72b", 72.7},
      {"qwen3-8b", 8.19},      {"qwen3-32b", 32.8},       {"phi-4", 14.7},        {"smollm2-135m", 0.1345},
      {"smollm2-1.7b", 1.71},  {"baichuan2-13b", 13.9},   {"mpt-7b", 6.65}};
  for (const auto& [name, billions] : stated) {
    const double bytes = weight_memory_bytes(find_shape("", name), WeightType::bf16, 1);
    EXPECT_NEAR(bytes / 2e9, billions, 0.01 * billions) << name;
  }
  for (const std::string& name : shape_names()) EXPECT_GT(find_shape("", name).layers, 0) << name;
}

TEST(ShapeCatalogue, ReadsAConfigFileOrItsFolder) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "config.json";
  std::ofstream(path) << R"({"model_type": "llama", "num_hidden_layers": 4, "num_attention_heads": 8,
    "num_key_value_heads": 2, "hidden_size": 256, "intermediate_size": 512, "vocab_size": 1000,
    "max_position_embeddings": 4096, "rope_scaling": null})";
  for (const auto& where : {path, folder.path()}) {
    const Shape shape = find_shape("--model", where.string());
    EXPECT_EQ(shape.kv_heads, 2);
    EXPECT_EQ(shape.head_size, 32);
    EXPECT_EQ(shape.position, PositionScheme::rope);
  }
}

TEST(ShapeCatalogue, FaultsNameTheKey) {
  const json good = {{"num_hidden_layers", 4},
                     {"num_attention_heads", 8},
                     {"hidden_size", 256},
                     {"intermediate_size", 512},
                     {"vocab_size", 1000}};
  EXPECT_EQ(shape_from_config("c", good).kv_heads, 8);
  const auto with = [&](const char* key, const json& value) {
    json config = good;
    config[key] = value;
    return [config] { shape_from_config("config.json", config); };
  };
  for (const char* key : {"num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size"}) {
    for (const json& value : {json(0), json(-3), json(1.5), json("8"), json(int64_t{1} << 40), json::array()})
      expect_input_error(with(key, value), {"config.json", key});
    json config = good;
    config.erase(key);
    expect_input_error([&] { shape_from_config("config.json", config); }, {key, "missing"});
  }
  expect_input_error(with("num_key_value_heads", 3), {"num_key_value_heads", "do not divide"});
  expect_input_error(with("num_experts", 8), {"num_experts", "experts"});
  expect_input_error(with("kv_lora_rank", 512), {"kv_lora_rank", "latent"});
  expect_input_error(with("rope_theta", -1.0), {"rope_theta"});
  expect_input_error([] { shape_from_config("c", json::array()); }, {"not a JSON object"});
}

TEST(ShapeCatalogue, UnknownNamesSuggestTheNearest) {
  expect_input_error([] { find_shape("--model", "lama-3.1-8b"); }, {"--model", "llama-3.1-8b"});
}

TEST(ShapeCatalogue, FilesThatAreNoConfigsAreRefused) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "config.json";
  std::ofstream(path) << "{\"num_hidden_layers\": ";
  expect_input_error([&] { find_shape("--model", path.string()); }, {"config.json", "not JSON"});
  std::ofstream(path) << std::string(2 << 20, ' ');
  expect_input_error([&] { find_shape("--model", path.string()); }, {"config.json", "1 MiB"});
}

}  // namespace
}  // namespace razorscope
