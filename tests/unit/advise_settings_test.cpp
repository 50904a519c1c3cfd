#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sstream>

#include "experiments/advise/engine_settings.hpp"
#include "experiments/advise/head_export.hpp"
#include "models/language/shape_catalogue.hpp"

namespace razorscope {
namespace {

std::map<std::string, std::string> settings(const std::string& policy) {
  std::map<std::string, std::string> out;
  for (const EngineSetting& setting : engine_settings(Policy::parse(policy), {4096, 0.25}))
    out[setting.engine] = setting.setting.value_or("");
  return out;
}

TEST(EngineSettingsTest, Codecs) {
  EXPECT_EQ(settings("full+q8_0")["llama.cpp"], "--cache-type-k q8_0 --cache-type-v q8_0 --flash-attn on");
  EXPECT_EQ(settings("full+k=q8_0+v=f16")["llama.cpp"], "--cache-type-k q8_0 --cache-type-v f16");
  EXPECT_EQ(settings("full+q4_0:rotate=yes")["llama.cpp"],
            "--cache-type-k q4_0 --cache-type-v q4_0 --flash-attn on");
  EXPECT_EQ(settings("full+q4_0:residual=128")["llama.cpp"], "");
  EXPECT_EQ(settings("full+q4_0/prefix")["llama.cpp"], "");
  EXPECT_EQ(settings("full+kivi2")["llama.cpp"], "");
  EXPECT_EQ(settings("full+fp8-e4m3")["vLLM"], "--kv-cache-dtype fp8");
  EXPECT_EQ(settings("full+fp8-e4m3")["SGLang"], "--kv-cache-dtype fp8_e4m3");
  EXPECT_EQ(settings("full")["vLLM"], "--kv-cache-dtype auto");
  EXPECT_EQ(settings("full+k=fp8-e4m3+v=f16")["vLLM"], "");
  EXPECT_EQ(settings("window+k=fp8-e4m3+v=fp8-e4m3")["TensorRT-LLM"].find("KvCacheConfig(dtype=\"fp8\""), 0U);
}

TEST(EngineSettingsTest, Selections) {
  EXPECT_EQ(settings("window:sinks=4,recent=508")["TensorRT-LLM"],
            "KvCacheConfig(dtype=\"auto\", max_attention_window=[512], sink_token_length=4)");
  EXPECT_EQ(settings("window")["llama.cpp"], "");
  EXPECT_EQ(settings("snapkv:budget=0.25")["kvpress"],
            "SnapKVPress(compression_ratio=0.750, window_size=32, kernel_size=5)");
  EXPECT_NE(settings("duo")["DuoAttention"], "");
  EXPECT_NE(settings("razor:recent=252")["DuoAttention"], "");
  EXPECT_EQ(settings("h2o")["DuoAttention"], "");
  for (const EngineSetting& setting : engine_settings(Policy::parse("razor+q8_0"), {})) {
    EXPECT_FALSE(setting.setting) << setting.engine;  // nobody serves it
    EXPECT_NE(setting.note, "") << setting.engine;
  }
}

/// A probe of the shape whose heads (1, 0) and (2, 1) stand out.
std::vector<RankedHead> probed(const Shape& shape, int64_t probe_id = 7) {
  std::vector<RankedHead> ranking;
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int head = 0; head < shape.kv_heads; ++head) {
      const bool stands_out = (layer == 1 && head == 0) || (layer == 2 && head == 1);
      ranking.push_back({probe_id, shape.name, layer, head, 0.01, stands_out ? 0.9 : 0.02, 0, 0});
    }
  }
  return ranking;
}

TEST(HeadExportTest, FilesHoldTheChosenHeads) {
  const Shape shape = find_shape("test", "llama-3.1-8b");
  const std::optional<StoredProbe> probe = latest_probe(probed(shape), shape);
  ASSERT_TRUE(probe);
  const Policy policy = Policy::parse("razor:choose=threshold,sinks=8,recent=120");
  const std::optional<ProtectedHeads> heads = protected_heads_of(policy, shape, 4096, probe);
  ASSERT_TRUE(heads);
  EXPECT_EQ(heads->heads, (std::set<HeadId>{{1, 0}, {2, 1}}));
  EXPECT_EQ(heads->sinks, 8);
  EXPECT_EQ(heads->recent, 120);
  EXPECT_NE(heads->source.find("probe 7"), std::string::npos);

  std::istringstream table(duo_attention_table(shape, heads->heads));
  int rows = 0;
  for (std::string line; std::getline(table, line); ++rows) {
    std::istringstream cells(line);
    int head = 0;
    for (std::string cell; std::getline(cells, cell, '\t'); ++head)
      EXPECT_EQ(cell, heads->heads.contains({rows, head}) ? "1.0" : "0.0");
    EXPECT_EQ(head, shape.kv_heads);
  }
  EXPECT_EQ(rows, shape.layers);
  EXPECT_EQ(nlohmann::json::parse(duo_attention_config(*heads)),
            (nlohmann::json{{"sink_size", 8}, {"recent_size", 120}}));
  EXPECT_EQ(nlohmann::json::parse(head_list_json(shape, *heads)),
            (nlohmann::json{{"model", "llama-3.1-8b"},
                            {"layers", 32},
                            {"kv_heads", 8},
                            {"retrieval_heads", {{"1", {0}}, {"2", {1}}}},
                            {"sinks", 8},
                            {"recent", 120}}));
}

TEST(HeadExportTest, WithoutAProbeThatFits) {
  const Shape shape = find_shape("test", "llama-3.1-8b");
  EXPECT_FALSE(latest_probe({}, shape));
  Shape smaller = shape;
  smaller.layers = 4;
  EXPECT_FALSE(latest_probe(probed(shape), smaller));
  EXPECT_FALSE(latest_probe(probed(smaller), shape));
  Shape other = shape;
  other.name = "another";
  EXPECT_FALSE(latest_probe(probed(other), shape));
  std::vector<RankedHead> two = probed(shape, 3);
  for (const RankedHead& head : probed(shape, 9)) two.push_back(head);
  EXPECT_EQ(latest_probe(two, shape)->probe_id, 9);
  EXPECT_FALSE(protected_heads_of(Policy::parse("razor"), shape, 4096, std::nullopt));
  const ProtectedHeads given = with_heads(Policy::parse("duo"), shape, 4096, {{0, 3}}, "x.json");
  EXPECT_EQ(given.sinks, 64);
  EXPECT_EQ(given.recent, 256);
  EXPECT_EQ(given.heads, (std::set<HeadId>{{0, 3}}));
}

}  // namespace
}  // namespace razorscope
