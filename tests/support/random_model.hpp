#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/language/tensor_type.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/tensor_encoder.hpp"

namespace razorscope::testing {

/// The tokenizer of every random model: a byte's id is its value, then come a few merges (th, he, the, "
/// the", an, and, " and"), then the control tokens <s> (BOS) and </s> (EOS).
inline constexpr int random_model_bos = 256 + 7;
inline constexpr int random_model_eos = random_model_bos + 1;
inline constexpr int random_model_vocabulary = random_model_eos + 1;

/// A small random model. The defaults are sound as they are; head_size need not be hidden / query_heads (the
/// file says key_length where it is not). Block types (Q8_0, ...) need hidden, feed_forward and
/// query_heads·head_size to be multiples of 32.
struct RandomModelOptions {
  std::string architecture = "llama";  // or mpt
  int layers = 2;
  int query_heads = 4;
  int kv_heads = 2;
  int head_size = 16;
  int hidden = 64;
  int feed_forward = 96;
  int context = 1024;
  TensorType matrix_type = TensorType::f32;  // of matrices; norms are F32, as in real files
  bool untied_output = false;                // whether the head has an output.weight of its own
  float attention_gain = 1.0F;               // of Q and K rows: larger makes attention more peaked

  // llama only
  float rope_theta = 10000.0F;
  int rope_dimensions = 0;              // 0: the whole head
  float rope_linear_scaling = 1.0F;     // positions are divided by it; 1 leaves the keys out
  bool rope_frequency_factors = false;  // whether there is a rope_freqs.weight

  // mpt only
  float max_alibi_bias = 8.0F;

  uint64_t seed = 1;
};

/// Uniform in [-1, 1) and the same on every platform.
class RandomFloats {
 public:
  explicit RandomFloats(uint64_t seed) : random_(seed) {}
  float next() { return static_cast<float>(random_() >> 40U) * 0x1p-23F - 1.0F; }
  std::vector<float> vector(size_t count, float scale, float centre = 0.0F) {
    std::vector<float> values(count);
    for (float& value : values) value = centre + scale * next();
    return values;
  }

 private:
  std::mt19937_64 random_;
};

struct RandomTensor {
  std::string name;
  std::vector<uint64_t> dims;  // fastest first
  TensorType type = TensorType::f32;
  std::vector<float> values;  // before they are encoded
};

/// A model before it is written, so that a test may change a key or a tensor.
struct RandomModel {
  GgufWriter metadata;
  std::vector<RandomTensor> tensors;

  RandomTensor& tensor(std::string_view name) {
    const auto found =
        std::find_if(tensors.begin(), tensors.end(), [&](const RandomTensor& t) { return t.name == name; });
    if (found == tensors.end()) throw std::logic_error("no such tensor: " + std::string(name));
    return *found;
  }
  void remove_tensor(std::string_view name) {
    tensors.erase(tensors.begin() + (&tensor(name) - tensors.data()));
  }
  std::string bytes() const {
    GgufWriter writer = metadata;
    for (const RandomTensor& t : tensors) writer.add_tensor(t.name, t.dims, t.type, encode(t.type, t.values));
    return writer.bytes();
  }
  void write(const std::filesystem::path& path) const { GgufWriter::write(path, bytes()); }
};

namespace random_model_detail {

inline std::string utf8(unsigned c) {
  if (c < 0x80U) return {static_cast<char>(c)};
  return {static_cast<char>(0xc0U | c >> 6U), static_cast<char>(0x80U | (c & 0x3fU))};
}

/// How GPT-2's vocabularies spell each byte: printable ones as themselves, the others from U+0100 on.
inline std::vector<std::string> byte_spellings() {
  std::vector<std::string> spellings;
  unsigned shifted = 0;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool hidden = byte <= 32 || (byte >= 127 && byte <= 160) || byte == 173;
    spellings.push_back(utf8(hidden ? 256 + shifted++ : byte));
  }
  return spellings;
}

inline void add_tokenizer(GgufWriter& writer) {
  std::vector<std::string> tokens = byte_spellings();
  const std::string space = tokens[' '];
  const std::array<std::pair<std::string, std::string>, 7> merges = {
      {{"t", "h"}, {"h", "e"}, {"th", "e"}, {space, "the"}, {"a", "n"}, {"an", "d"}, {space, "and"}}};
  std::vector<std::string> merge_texts;
  for (const auto& [left, right] : merges) {
    tokens.push_back(left + right);
    merge_texts.push_back(left + " " + right);
  }
  constexpr int32_t normal = 1;
  constexpr int32_t control = 3;
  std::vector<int32_t> types(tokens.size(), normal);
  for (const char* special : {"<s>", "</s>"}) {
    tokens.emplace_back(special);
    types.push_back(control);
  }
  writer.add_string("tokenizer.ggml.model", "gpt2")
      .add_string("tokenizer.ggml.pre", "gpt-2")
      .add_strings("tokenizer.ggml.tokens", tokens)
      .add_strings("tokenizer.ggml.merges", merge_texts)
      .add_i32s("tokenizer.ggml.token_type", types)
      .add_u32("tokenizer.ggml.bos_token_id", random_model_bos)
      .add_u32("tokenizer.ggml.eos_token_id", random_model_eos);
}

}  // namespace random_model_detail

/// The same options give the same model everywhere.
inline RandomModel random_model(const RandomModelOptions& options = {}) {
  RandomModel model;
  const std::string& name = options.architecture;
  const bool is_llama = name == "llama";
  const auto count = [](int x) { return static_cast<uint64_t>(x); };
  const auto u32 = [](int x) { return static_cast<uint32_t>(x); };
  GgufWriter& metadata = model.metadata;
  metadata.add_string("general.architecture", name)
      .add_string("general.name", "random-" + name)
      .add_u32(name + ".block_count", u32(options.layers))
      .add_u32(name + ".embedding_length", u32(options.hidden))
      .add_u32(name + ".feed_forward_length", u32(options.feed_forward))
      .add_u32(name + ".context_length", u32(options.context))
      .add_u32(name + ".attention.head_count", u32(options.query_heads))
      .add_u32(name + ".attention.head_count_kv", u32(options.kv_heads));
  if (options.head_size * options.query_heads != options.hidden) {
    metadata.add_u32(name + ".attention.key_length", u32(options.head_size))
        .add_u32(name + ".attention.value_length", u32(options.head_size));
  }
  const int rope_dimensions = options.rope_dimensions > 0 ? options.rope_dimensions : options.head_size;
  if (is_llama) {
    metadata.add_f32("llama.attention.layer_norm_rms_epsilon", 1e-5F)
        .add_f32("llama.rope.freq_base", options.rope_theta)
        .add_u32("llama.rope.dimension_count", u32(rope_dimensions));
    if (options.rope_linear_scaling != 1.0F) {
      metadata.add_string("llama.rope.scaling.type", "linear")
          .add_f32("llama.rope.scaling.factor", options.rope_linear_scaling);
    }
  } else {
    metadata.add_f32("mpt.attention.layer_norm_epsilon", 1e-5F)
        .add_f32("mpt.attention.max_alibi_bias", options.max_alibi_bias);
  }
  random_model_detail::add_tokenizer(metadata);

  RandomFloats random(options.seed);
  // Rows of unit length on average, so that what goes through a matrix keeps its size.
  const auto matrix = [&](const std::string& tensor, uint64_t rows, uint64_t columns, float gain = 1.0F) {
    const float scale = gain * std::sqrt(3.0F / static_cast<float>(columns));
    model.tensors.push_back(
        {tensor, {columns, rows}, options.matrix_type, random.vector(rows * columns, scale)});
  };
  const auto norm = [&](const std::string& tensor) {
    model.tensors.push_back(
        {tensor, {count(options.hidden)}, TensorType::f32, random.vector(count(options.hidden), 0.3F, 1.0F)});
  };
  const uint64_t hidden = count(options.hidden);
  const uint64_t feed_forward = count(options.feed_forward);
  const uint64_t query_width = count(options.query_heads * options.head_size);
  const uint64_t kv_width = count(options.kv_heads * options.head_size);
  matrix("token_embd.weight", random_model_vocabulary, hidden, std::sqrt(static_cast<float>(hidden)));
  for (int i = 0; i < options.layers; ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    norm(block + "attn_norm.weight");
    if (is_llama) {
      matrix(block + "attn_q.weight", query_width, hidden, options.attention_gain);
      matrix(block + "attn_k.weight", kv_width, hidden, options.attention_gain);
      matrix(block + "attn_v.weight", kv_width, hidden);
    } else {
      matrix(block + "attn_qkv.weight", query_width + 2 * kv_width, hidden);
      std::vector<float>& fused = model.tensors.back().values;
      for (size_t j = 0; j < (query_width + kv_width) * hidden; ++j) fused[j] *= options.attention_gain;
    }
    matrix(block + "attn_output.weight", hidden, query_width);
    norm(block + "ffn_norm.weight");
    if (is_llama) matrix(block + "ffn_gate.weight", feed_forward, hidden);
    matrix(block + "ffn_up.weight", feed_forward, hidden);
    matrix(block + "ffn_down.weight", hidden, feed_forward);
  }
  norm("output_norm.weight");
  if (options.untied_output) matrix("output.weight", random_model_vocabulary, hidden);
  if (is_llama && options.rope_frequency_factors) {
    const auto pairs = count(rope_dimensions / 2);
    model.tensors.push_back(
        {"rope_freqs.weight", {pairs}, TensorType::f32, random.vector(pairs, 3.0F, 4.0F)});
  }
  return model;
}

/// Writes a random model and gives the path back: ModelFile(write_random_model(folder / "m.gguf")).load()
inline std::filesystem::path write_random_model(const std::filesystem::path& path,
                                                const RandomModelOptions& options = {}) {
  random_model(options).write(path);
  return path;
}

/// `count` ids of the vocabulary, BOS first.
inline std::vector<int32_t> random_ids(size_t count, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> ids(count);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % random_model_vocabulary);
  if (!ids.empty()) ids.front() = random_model_bos;
  return ids;
}

}  // namespace razorscope::testing
