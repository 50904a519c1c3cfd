#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "models/base/buffer.hpp"
#include "models/language/shape.hpp"
#include "models/trace/head_scores.hpp"
#include "models/trace/safetensors.hpp"

namespace razorscope {

inline constexpr const char* trace_format = "razorscope-trace-1";

/// One layer's recorded attention inputs in f32, after the position scheme. Rows are tokens.
struct LayerTrace {
  Matrix q;              // [tokens, query_heads·head_size]
  Matrix k;              // [tokens, kv_heads·head_size]
  Matrix v;              // [tokens, kv_heads·head_size]
  Matrix output_weight;  // W_O [hidden, query_heads·head_size]; empty where the trace has none
};

/// Upper bounds B on |q·k|/sqrt(d) that need the weights, for ALiBi scopes. Per query head, layer by layer.
struct ScoreBounds {
  std::vector<double> norm_bound;  // [layers, query_heads] provable
  std::vector<double> paper;       // [layers, query_heads] as the paper prints it: not a bound
};

/// A recorded trace: a safetensors file with `tokens` [n], and per layer N `q.N` [n, query heads, d], `k.N`,
/// `v.N` [n, KV heads, d] and optionally `wo.N` [hidden, query heads·d], in F32, F16 or BF16. Metadata
/// (texts, JSON inside): format = razorscope-trace-1; optional: model, model_sha256, architecture, context,
/// bos, rope_theta, rope_dim, rope_pairing, rope_scaling, score_scale (default 1/sqrt(d)), slopes (array: the
/// model is ALiBi), transformer (hidden, feed_forward, vocabulary, gated, tied_head: what its weights take),
/// text, text_sha256, text_offsets, compute (default f32), probe, score_bounds. Layers are read on demand, so
/// a trace may be larger than memory.
class Trace {
 public:
  explicit Trace(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  /// Layers, heads, head size and position scheme; hidden, feed_forward and vocabulary are 0 where the trace
  /// does not tell them.
  const Shape& shape() const { return shape_; }
  int tokens() const { return static_cast<int>(ids_.size()); }
  const std::vector<int32_t>& ids() const { return ids_; }
  /// The metadata text of a key, or "".
  std::string metadata(const std::string& key) const;
  const std::optional<HeadScores>& probe() const { return probe_; }
  const std::optional<ScoreBounds>& score_bounds() const { return bounds_; }
  /// 128-bit xxHash of the whole file, hexadecimal.
  std::string content_hash() const;

  /// Reads one layer; InputError where a value is not finite.
  LayerTrace layer(int index) const;

 private:
  void read_shape();
  void read_transformer();
  void read_position_scheme();
  void read_rope_scaling();
  void read_tokens();
  void read_probe();
  void read_score_bounds();
  Matrix matrix(const std::string& name) const;

  SafetensorsFile file_;
  Shape shape_;
  std::vector<int32_t> ids_;
  std::optional<HeadScores> probe_;
  std::optional<ScoreBounds> bounds_;
};

}  // namespace razorscope
