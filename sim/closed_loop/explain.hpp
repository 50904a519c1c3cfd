#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/language/tokenizer.hpp"
#include "models/language/transformer.hpp"
#include "policies/cache/byte_ledger.hpp"
#include "sim/closed_loop/attention_record.hpp"
#include "sim/closed_loop/compressed_context.hpp"

namespace razorscope {

/// Why a KV head holds a token, or how it lost it. Letters are what is stored and printed.
enum class TokenFate : char {
  sink = 's',     // one of the first tokens, kept by rule
  window = 'w',   // one of the latest tokens, kept by rule
  heavy = 'h',    // kept for the attention that it accumulated
  kept = 'k',     // kept otherwise: by a protected head, by a score, or since everything is
  folded = 'f',   // lives on in a compensation slot
  dropped = 'd',  // gone
};

/// A text, what is asked about it once it is compressed, and two answers whose odds are compared.
struct ExplainRequest {
  std::string text;
  std::string question;  // ends where the answer begins
  std::string positive;  // answers begin with their space
  std::string negative;
  std::string verdict;  // words in the text; the paragraph around them is what the answer hangs on. "": none
};

/// A token that a head held at the end of the context and lost while the question was read.
struct LaterLoss {
  int layer = 0;
  int kv_head = 0;
  int position = 0;
  int step = 0;  // tokens of the question that had been read, from 1
};

/// What one policy did to the text.
struct PolicyExplanation {
  std::string policy;  // canonical name
  int layers = 0;
  int kv_heads = 0;   // caches per layer: the model's KV heads, or its query heads where each has one
  std::string fates;  // TokenFate letters at the end of the context, [layers, kv_heads, tokens]
  std::vector<LaterLoss> later;
  double log_odds = 0.0;                           // ln P(positive) - ln P(negative), in nats
  std::optional<double> log_odds_without_verdict;  // the same policy on the text without that paragraph
  ByteLedger compressed;

  TokenFate fate(int layer, int kv_head, int position, int tokens) const;
};

struct Explanation {
  std::vector<std::string> pieces;  // of the context's tokens; a BOS is ""
  int verdict_begin = 0;            // tokens of the verdict's paragraph; begin == end: none
  int verdict_end = 0;
  PolicyExplanation full;  // full+f32, always
  std::vector<PolicyExplanation> policies;
  std::shared_ptr<const AttentionRecord> attention;  // of full+f32, always
};

/// Compresses the text under every policy, then asks. `policies(tokens)` gives them as they run on a context
/// of so many tokens. InputError where the verdict's words are not in the text, something is empty,
/// or all of it does not fit into the model's context.
Explanation explain(const Transformer& transformer, const Tokenizer& tokenizer, const ExplainRequest& request,
                    const std::function<std::vector<Policy>(int tokens)>& policies,
                    const ModelKnowledge& knowledge, Progress& progress);

/// [tokens] share of heads that hold each token at the end of the context; of one layer where layer >= 0, of
/// one head in each layer where kv_head >= 0.
std::vector<double> held_shares(const PolicyExplanation& explanation, int tokens, int layer = -1,
                                int kv_head = -1);

}  // namespace razorscope
