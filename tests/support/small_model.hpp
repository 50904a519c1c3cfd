#pragma once

#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/language/model_file.hpp"
#include "sim/closed_loop/compressed_context.hpp"
#include "sim/closed_loop/weight_bounds.hpp"
#include "tests/support/random_model.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {

/// A loaded random model of 2 layers for closed loops: RoPE with 2 KV heads of two query heads each, or ALiBi
/// with 4 KV heads of one. Attention is peaked, so that it matters what a policy drops.
class SmallModel {
 public:
  explicit SmallModel(bool alibi, bool bos = true)
      : file_(write(folder_ / "m.gguf", alibi, bos)),
        transformer_(file_.load()),
        tokenizer_(file_.tokenizer()),
        heads_(folder_.write("heads.json", R"({"retrieval_kv_heads": [[0, 1], [1, 0]]})").string()) {
    if (alibi) bounds_.emplace(transformer_.shape(), transformer_.weights());
  }

  const Transformer& transformer() const { return transformer_; }
  const Shape& shape() const { return transformer_.shape(); }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  ModelKnowledge knowledge() const { return {.bounds = bounds_ ? &*bounds_ : nullptr}; }
  /// A policy's parameter that protects KV head 1 of layer 0 and KV head 0 of layer 1.
  std::string heads() const { return "heads=\"" + heads_ + "\""; }

  CompressedContext compress(std::span<const int32_t> ids, const std::vector<std::string>& policies,
                             int room = 0) const {
    std::vector<Policy> parsed;
    for (const std::string& policy : policies) parsed.push_back(Policy::parse(policy));
    NoProgress progress;
    return {transformer_, ids, parsed, knowledge(), room, progress, ""};
  }

 private:
  static std::filesystem::path write(const std::filesystem::path& path, bool alibi, bool bos) {
    RandomModelOptions options;
    options.architecture = alibi ? "mpt" : "llama";
    options.kv_heads = alibi ? options.query_heads : 2;
    options.attention_gain = 2.0F;
    RandomModel model = random_model(options);
    if (!bos) model.metadata.remove("tokenizer.ggml.bos_token_id");
    model.write(path);
    return path;
  }

  TemporaryFolder folder_;
  ModelFile file_;
  Transformer transformer_;
  Tokenizer tokenizer_;
  std::string heads_;
  std::optional<WeightBounds> bounds_;
};

using LogitRows = std::vector<std::vector<float>>;

/// Keeps the logits of a sequence, one row a position.
class LogitKeeper final : public ForwardObserver {
 public:
  explicit LogitKeeper(const Shape& shape) : vocabulary_(static_cast<size_t>(shape.vocabulary)) {}
  void logits(int /*first_position*/, int rows, const float* logits) override {
    for (int r = 0; r < rows; ++r, logits += vocabulary_) kept_.emplace_back(logits, logits + vocabulary_);
  }
  const LogitRows& rows() const { return kept_; }

 private:
  size_t vocabulary_;
  LogitRows kept_;
};

/// The logits after each token of a block that a memory reads in one forward pass.
inline LogitRows read_block(const Transformer& transformer, AttentionMemory& memory,
                            std::span<const int32_t> tokens, int first_position) {
  LogitKeeper keeper(transformer.shape());
  const SequenceInput input = {.tokens = tokens,
                               .first_position = first_position,
                               .memory = &memory,
                               .observer = &keeper,
                               .logits = LogitsWanted::all};
  transformer.forward({&input, 1});
  return keeper.rows();
}

/// The same, each token in a forward pass of its own.
inline LogitRows read_one_by_one(const Transformer& transformer, AttentionMemory& memory,
                                 std::span<const int32_t> tokens, int first_position) {
  LogitRows rows;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int position = first_position + static_cast<int>(i);
    rows.push_back(read_block(transformer, memory, tokens.subspan(i, 1), position).front());
  }
  return rows;
}

/// Positions that each head holds, layer by layer.
inline std::vector<std::vector<int32_t>> held_positions(const PolicyMemory& memory, const Shape& shape) {
  std::vector<std::vector<int32_t>> held;
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int h = 0; h < memory.layer(layer).heads(); ++h)
      held.push_back(memory.layer(layer).head(h).sorted_positions());
  }
  return held;
}

}  // namespace razorscope::testing
