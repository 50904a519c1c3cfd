#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "models/language/shape.hpp"
#include "models/trace/safetensors.hpp"
#include "models/trace/trace.hpp"

namespace razorscope::testing {

/// A trace of random numbers, for what does not need a model behind it.
struct TraceOptions {
  int layers = 1;
  int kv_heads = 2;
  int group = 2;
  int head_size = 8;
  int hidden = 0;  // columns of W_O; 0: the trace has none
  int tokens = 40;
  bool alibi = false;
  float spread = 1.0F;  // of scores, about
  uint32_t seed = 1;
  std::optional<HeadScores> probe = {};
  std::optional<ScoreBounds> bounds = {};

  int query_heads() const { return kv_heads * group; }
};

/// One layer's numbers, [tokens, heads·head_size] each, and W_O [hidden, query_heads·head_size].
struct PlainLayer {
  std::vector<float> q;
  std::vector<float> k;
  std::vector<float> v;
  std::vector<float> output;
};

class PlainTrace {
 public:
  explicit PlainTrace(const TraceOptions& options) : options_(options) {
    std::mt19937 random(options.seed);
    std::normal_distribution<float> normal;
    const auto numbers = [&](int rows, int columns, float scale) {
      std::vector<float> out(static_cast<size_t>(rows) * static_cast<size_t>(columns));
      for (float& x : out) x = scale * normal(random);
      return out;
    };
    for (int i = 0; i < options.layers; ++i) {
      PlainLayer& layer = layers.emplace_back();
      layer.q = numbers(options.tokens, query_width(), options.spread);
      layer.k = numbers(options.tokens, kv_width(), 1.0F);
      layer.v = numbers(options.tokens, kv_width(), 1.0F);
      layer.output = numbers(options.hidden, query_width(), 1.0F);
    }
  }

  int query_width() const { return options_.query_heads() * options_.head_size; }
  int kv_width() const { return options_.kv_heads * options_.head_size; }
  const TraceOptions& options() const { return options_; }
  double scale() const {
    return static_cast<float>(1.0 / std::sqrt(static_cast<double>(options_.head_size)));
  }
  std::vector<float> slopes() const {
    return options_.alibi ? alibi_slopes(options_.query_heads(), 8.0F) : std::vector<float>();
  }
  double slope(int query_head) const {
    return options_.alibi ? double{slopes()[static_cast<size_t>(query_head)]} : 0.0;
  }

  double q(int layer, int token, int head, int i) const {
    return at(layers[index(layer)].q, token, query_width(), head, i);
  }
  double k(int layer, int token, int head, int i) const {
    return at(layers[index(layer)].k, token, kv_width(), head, i);
  }
  double v(int layer, int token, int head, int i) const {
    return at(layers[index(layer)].v, token, kv_width(), head, i);
  }

  /// Writes the trace in f32 and opens it.
  Trace write(const std::filesystem::path& path) const {
    using Json = nlohmann::json;
    const auto count = [](int x) { return static_cast<uint64_t>(x); };
    const std::vector<uint64_t> queries = {count(options_.tokens), count(options_.query_heads()),
                                           count(options_.head_size)};
    const std::vector<uint64_t> keys = {count(options_.tokens), count(options_.kv_heads),
                                        count(options_.head_size)};
    std::vector<SafeTensorDeclaration> tensors = {{"tokens", "I32", {count(options_.tokens)}}};
    for (int i = 0; i < options_.layers; ++i) {
      tensors.push_back({fmt::format("q.{}", i), "F32", queries});
      tensors.push_back({fmt::format("k.{}", i), "F32", keys});
      tensors.push_back({fmt::format("v.{}", i), "F32", keys});
      if (options_.hidden > 0)
        tensors.push_back({fmt::format("wo.{}", i), "F32", {count(options_.hidden), count(query_width())}});
    }
    std::map<std::string, std::string> metadata = {{"format", trace_format}};
    if (options_.alibi) metadata["slopes"] = Json(slopes()).dump();
    if (options_.probe) metadata["probe"] = to_json(*options_.probe).dump();
    if (options_.bounds) {
      metadata["score_bounds"] =
          Json({{"norm_bound", options_.bounds->norm_bound}, {"paper", options_.bounds->paper}}).dump();
    }
    SafetensorsWriter writer(path, tensors, metadata);
    const std::vector<int32_t> ids(static_cast<size_t>(options_.tokens), 7);
    writer.write("tokens", 0, std::as_bytes(std::span(ids)));
    for (int i = 0; i < options_.layers; ++i) {
      const PlainLayer& layer = layers[index(i)];
      writer.write(fmt::format("q.{}", i), 0, std::as_bytes(std::span(layer.q)));
      writer.write(fmt::format("k.{}", i), 0, std::as_bytes(std::span(layer.k)));
      writer.write(fmt::format("v.{}", i), 0, std::as_bytes(std::span(layer.v)));
      if (options_.hidden > 0)
        writer.write(fmt::format("wo.{}", i), 0, std::as_bytes(std::span(layer.output)));
    }
    writer.commit();
    return Trace(path);
  }

  std::vector<PlainLayer> layers;

 private:
  static size_t index(int i) { return static_cast<size_t>(i); }
  double at(const std::vector<float>& numbers, int token, int width, int head, int i) const {
    return numbers[static_cast<size_t>(token) * static_cast<size_t>(width) +
                   static_cast<size_t>(head * options_.head_size + i)];
  }

  TraceOptions options_;
};

}  // namespace razorscope::testing
