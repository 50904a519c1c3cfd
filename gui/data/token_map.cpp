#include "gui/data/token_map.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace razorscope::gui {
namespace {

bool is_lost(TokenFate fate) { return fate == TokenFate::dropped || fate == TokenFate::folded; }

constexpr std::array holding_fates = {TokenFate::kept, TokenFate::heavy, TokenFate::window, TokenFate::sink};

/// Caches by the fate that a token has in them.
struct FateCounts {
  std::array<int, holding_fates.size()> holding = {};
  int folded = 0;

  void add(TokenFate fate) {
    if (fate == TokenFate::folded) ++folded;
    const auto found = std::find(holding_fates.begin(), holding_fates.end(), fate);
    if (found != holding_fates.end()) ++holding[static_cast<size_t>(found - holding_fates.begin())];
  }
  int held() const {
    int sum = 0;
    for (const int count : holding) sum += count;
    return sum;
  }
  TokenFate commonest() const {
    if (held() == 0) return folded > 0 ? TokenFate::folded : TokenFate::dropped;
    return holding_fates[static_cast<size_t>(std::max_element(holding.begin(), holding.end()) -
                                             holding.begin())];
  }
};

/// Fates in one cache after so many tokens of the question.
std::string fates_of(const PolicyExplanation& policy, int layer, int cache, size_t tokens, int step) {
  const auto row = static_cast<size_t>(layer * policy.kv_heads + cache);
  std::string fates = policy.fates.substr(row * tokens, tokens);
  for (const LaterLoss& loss : policy.later) {
    if (loss.layer == layer && loss.kv_head == cache && loss.step <= step)
      fates[static_cast<size_t>(loss.position)] = static_cast<char>(TokenFate::dropped);
  }
  return fates;
}

/// Caches of a policy for one KV head of the model.
int caches_per_head(const StoredExplanation& stored) {
  const MapExtent extent = map_extent(stored);
  return std::max(1, stored.explanation.policies.front().kv_heads / std::max(1, extent.heads));
}

void add_attention(const AttentionRecord& record, const MapChoice& choice, TokenStates& out) {
  const int first = choice.step == 0 ? 0 : choice.step - 1;
  const int end = choice.step == 0 ? record.steps() : std::min(choice.step, record.steps());
  out.has_asked = first < end;
  int heads = 0;
  for (int layer = 0; layer < record.layers; ++layer) {
    for (int head = 0; head < record.kv_heads; ++head) {
      if ((choice.layer >= 0 && layer != choice.layer) || (choice.head >= 0 && head != choice.head)) continue;
      ++heads;
      const auto accumulated = record.accumulated_by(layer, head);
      for (size_t t = 0; t < out.tokens.size(); ++t)
        out.tokens[t].accumulated += static_cast<double>(accumulated[t]);
      for (int step = first; step < end; ++step) {
        const auto asked = record.asked_by(step, layer, head);
        for (size_t t = 0; t < out.tokens.size(); ++t) out.tokens[t].asked += static_cast<double>(asked[t]);
      }
    }
  }
  for (TokenState& token : out.tokens) {
    token.accumulated /= std::max(1, heads);
    token.asked /= std::max(1, heads * (end - first));
  }
}

}  // namespace

MapExtent map_extent(const StoredExplanation& stored) {
  const PolicyExplanation& policy = stored.explanation.policies.front();
  MapExtent extent{policy.layers, policy.kv_heads, 0};
  if (const AttentionRecord* record = stored.explanation.attention.get()) {
    extent.heads = record->kv_heads;
    extent.steps = static_cast<int>(record->question.size());
  } else {
    for (const LaterLoss& loss : policy.later) extent.steps = std::max(extent.steps, loss.step);
  }
  return extent;
}

TokenStates token_states(const StoredExplanation& stored, const MapChoice& choice) {
  const Explanation& explanation = stored.explanation;
  const PolicyExplanation& policy = explanation.policies.front();
  const size_t tokens = explanation.pieces.size();
  const int sharing = caches_per_head(stored);
  TokenStates out;
  out.tokens.resize(tokens);
  std::vector<FateCounts> counts(tokens);
  for (int layer = 0; layer < policy.layers; ++layer) {
    for (int cache = 0; cache < policy.kv_heads; ++cache) {
      if ((choice.layer >= 0 && layer != choice.layer) ||
          (choice.head >= 0 && cache / sharing != choice.head))
        continue;
      ++out.caches;
      const std::string fates = fates_of(policy, layer, cache, tokens, choice.step);
      if (std::none_of(fates.begin(), fates.end(),
                       [](char fate) { return is_lost(static_cast<TokenFate>(fate)); }))
        ++out.whole;
      for (size_t t = 0; t < tokens; ++t) counts[t].add(static_cast<TokenFate>(fates[t]));
    }
  }
  for (size_t t = 0; t < tokens; ++t) {
    out.tokens[t].fate = counts[t].commonest();
    out.tokens[t].holding = counts[t].held();
    out.tokens[t].held = static_cast<double>(counts[t].held()) / std::max(1, out.caches);
  }
  for (int t = explanation.verdict_begin; t < explanation.verdict_end; ++t)
    out.verdict_held += out.tokens[static_cast<size_t>(t)].held;
  out.verdict_held /= std::max(1, explanation.verdict_end - explanation.verdict_begin);
  if (explanation.attention) add_attention(*explanation.attention, choice, out);
  return out;
}

int most_asked_of_verdict(const StoredExplanation& stored) {
  const Explanation& explanation = stored.explanation;
  if (explanation.verdict_begin == explanation.verdict_end) return -1;
  if (!explanation.attention) return explanation.verdict_begin;
  const TokenStates states = token_states(stored, {});
  const auto first = states.tokens.begin();
  return static_cast<int>(
      std::max_element(first + explanation.verdict_begin, first + explanation.verdict_end,
                       [](const TokenState& a, const TokenState& b) { return a.asked < b.asked; }) -
      first);
}

}  // namespace razorscope::gui
