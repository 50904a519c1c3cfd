#pragma once

#include <memory>
#include <string>
#include <vector>

#include "experiments/store/explanation_rows.hpp"

namespace razorscope::gui {

using SharedExplanation = std::shared_ptr<const StoredExplanation>;

/// Of which heads, and when.
struct MapChoice {
  int layer = -1;  // -1: all
  int head = -1;   // the model's KV heads; -1: all. Caches of its query heads count as it
  int step = 0;    // tokens of the question that have been read; 0: the end of the text

  bool operator==(const MapChoice&) const = default;
};

/// How far choices go. Without a record of attention heads are a policy's caches, and steps go as far as
/// losses are known.
struct MapExtent {
  int layers = 0;
  int heads = 0;
  int steps = 0;
};
MapExtent map_extent(const StoredExplanation& stored);

/// What became of a token in the heads that were chosen.
struct TokenState {
  /// Of one cache its fate. Of several the fate that most of those have that hold it, where none does
  /// `folded` if one has folded it, else `dropped`.
  TokenFate fate = TokenFate::dropped;
  int holding = 0;         // caches that hold it
  double held = 0.0;       // as a share of those chosen
  double accumulated = 0;  // AttentionRecord's, mean over the chosen heads
  double asked = 0.0;      // attention of the last token that was read of the question, of all of them at
                           // step 0: mean over the chosen heads
};

/// A policy's text as the chosen heads have it.
struct TokenStates {
  std::vector<TokenState> tokens;
  int caches = 0;           // that were chosen
  int whole = 0;            // of them, those that have lost nothing of the text: retrieval heads
  bool has_asked = false;   // whether attention was recorded at that step
  double verdict_held = 0;  // share of (cache, token) pairs of the verdict's paragraph; 0 where there is none
};

/// One entry per fate, cache and token: milliseconds for a text of thousands of tokens, more for longer ones.
TokenStates token_states(const StoredExplanation& stored, const MapChoice& choice);

/// The verdict's token that the question looks at most; -1 where there is none.
int most_asked_of_verdict(const StoredExplanation& stored);

}  // namespace razorscope::gui
