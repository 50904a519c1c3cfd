#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/language/transformer.hpp"
#include "policies/cache/exact_memory.hpp"

namespace razorscope {

/// What the exact model (full+f32) looks at in a text: how much its tokens were attended to while the text
/// was read, and what each token of the question looks at. Heads are the model's KV heads. A policy whose
/// query heads have caches of their own (group_agg=query-head) has more caches than this has heads: cache c
/// holds rows of KV head c / (caches / kv_heads).
///
/// Contract. Whoever makes one sets the dimensions; add_text for every layer, add_question for every layer
/// and block of the question.
struct AttentionRecord {
  /// The most that `asked` takes as it is stored, in half precision. A question of more tokens than fit is
  /// recorded up to there: steps() is smaller than its number of tokens, and 0 where not one fits.
  static constexpr size_t asked_bytes = size_t{64} << 20;

  int layers = 0;
  int kv_heads = 0;
  int tokens = 0;                     // of the text, its BOS included
  std::vector<std::string> question;  // pieces of all of the question's tokens
  /// [layers, kv_heads, tokens] softmax weight that the text's own queries give each token: summed over the
  /// queries and over the group's query heads. By it h2o ranks at the end of the text.
  std::vector<float> accumulated;
  /// [steps, layers, kv_heads, tokens] the share of its attention that a token of the question gives to each
  /// token of the text: the mean over the group's query heads, rounded to half precision. The rest of 1 goes
  /// to the question itself.
  std::vector<float> asked;

  /// Tokens of the question that are recorded: the first ones.
  int steps() const;
  /// How many of a question's tokens a record of these dimensions may hold, in so many bytes.
  int room_for(int question_tokens, size_t bytes = asked_bytes) const;
  std::span<const float> accumulated_by(int layer, int kv_head) const;      // [tokens]
  std::span<const float> asked_by(int step, int layer, int kv_head) const;  // [tokens]; steps count from 0

  /// columns: [query_heads, tokens], sums over the text's queries (PrefixView::columns of all queries).
  void add_text(const Shape& shape, int layer, const double* columns);
  /// The block's queries are the question's next ones; `memory` holds the keys of the text and of what was
  /// read of the question, the block included. Parallel over heads.
  void add_question(const ExactMemory& memory, const Shape& shape, int layer, const QueriesKeysValues& block);

 private:
  size_t row(int layer, int kv_head) const;
};

/// Has the exact model read as many of the question's tokens as the record may hold, after the text that
/// `memory` holds, and takes down what they attend to. The memory needs room for them.
void record_question(const Transformer& transformer, ExactMemory& memory, std::span<const int32_t> question,
                     AttentionRecord& record);

}  // namespace razorscope
