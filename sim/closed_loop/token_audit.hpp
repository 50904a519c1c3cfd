#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "sim/closed_loop/attention_record.hpp"
#include "sim/closed_loop/explain.hpp"

namespace razorscope {

/// What became of one token in one cache of a policy, and what the exact model makes of it there.
struct HeadAudit {
  int layer = 0;
  int cache = 0;    // of the policy, in this layer
  int kv_head = 0;  // of the model, whose rows the cache holds; the attention that follows is this head's
  TokenFate fate = TokenFate::kept;  // at the end of the text
  /// Tokens of the question that had been read when the cache lost it; 0: at the end of the text, where
  /// folding counts too; nothing: it never did.
  std::optional<int> left_step;
  double accumulated = 0.0;  // AttentionRecord's, at the end of the text
  int rank = 0;              // by it among the text's tokens, 1 = most attended; equal ones by position
  double asked = 0.0;        // attention of the question: shares summed over its tokens
  double missed = 0.0;       // the part of `asked` by tokens that came after the token had left
};

/// A token of the text in all caches of a policy, layer by layer. Both are of the same text, model and
/// question. A question that is recorded in part counts in part.
std::vector<HeadAudit> audit_token(const PolicyExplanation& policy, const AttentionRecord& attention,
                                   int token);

/// Share of (head, token) pairs of the verdict's paragraph that are held at the end of the text; 0 where
/// there is none.
double verdict_held(const PolicyExplanation& policy, const Explanation& explanation);

/// Tokens [begin, end) of a text.
struct TokenRange {
  int begin = 0;
  int end = 0;
};
/// Those that hold the first occurrence of the words, as a whole or in part; nothing where there is none.
/// Pieces join to the text.
std::optional<TokenRange> tokens_of(const std::vector<std::string>& pieces, const std::string& words);

}  // namespace razorscope
