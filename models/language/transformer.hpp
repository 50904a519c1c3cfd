#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "models/base/progress.hpp"
#include "models/language/attention_memory.hpp"
#include "models/language/rope.hpp"
#include "models/language/shape.hpp"
#include "models/language/weights.hpp"

namespace razorscope {

/// Sees what a forward pass computes and changes nothing. Spans are valid during the call only.
class ForwardObserver {
 public:
  virtual ~ForwardObserver() = default;
  /// Called for each layer, after the attention over this block (the sequence's memory holds it by then).
  virtual void attention(int /*layer*/, const QueriesKeysValues& /*block*/) {}
  /// Logits of positions first_position .. first_position + rows - 1: [rows, vocabulary]. Called once or
  /// more.
  virtual void logits(int /*first_position*/, int /*rows*/, const float* /*logits*/) {}
};

enum class LogitsWanted { none, last, all };

/// One sequence's part in a forward pass: the tokens that follow what its memory holds.
struct SequenceInput {
  std::span<const int32_t> tokens;
  int first_position = 0;
  AttentionMemory* memory = nullptr;    // never null
  ForwardObserver* observer = nullptr;  // needed where logits are wanted
  LogitsWanted logits = LogitsWanted::none;
};

/// A decoder-only language model. Immutable after loading; forward may run for different sequences at
/// a time.
class Transformer {
 public:
  Transformer(Shape shape, Weights weights, Compute compute);

  const Shape& shape() const { return shape_; }
  Compute compute() const { return compute_; }
  const Weights& weights() const { return weights_; }

  /// Runs every sequence's new tokens through all layers in one batch, so that weights are read once for all
  /// of them. A sequence with one new token and a past takes memory->step, any other memory->prefill. Token
  /// ids must lie in the vocabulary and positions in the context (InputError). What a sequence gets does not
  /// depend on the others in its batch. Working memory: about
  /// 4·rows·(3·hidden + qkv + 2·feed_forward) bytes, and 32 rows of logits.
  void forward(std::span<const SequenceInput> batch) const;

 private:
  void normalise(const Matrix& x, const NormWeights& norm, Matrix& out) const;
  void attend(int layer, std::span<const SequenceInput> batch, Matrix& qkv, Matrix& out) const;
  void feed_forward(const LayerWeights& layer, const Matrix& x, Matrix& gate, Matrix& active,
                    Matrix& residual) const;
  void emit_logits(std::span<const SequenceInput> batch, const Matrix& x) const;

  Shape shape_;
  Weights weights_;
  Compute compute_;
  std::optional<Rope> rope_;
};

/// Tokens that a prefill hands to `forward` at a time: enough rows for the GEMM's full speed, few enough that
/// the working memory stays small.
inline constexpr int prefill_chunk = 512;

/// Prefills one sequence in chunks of prefill_chunk tokens, reporting progress in tokens.
void prefill(const Transformer& transformer, SequenceInput sequence, Progress& progress,
             std::string_view phase);

}  // namespace razorscope
