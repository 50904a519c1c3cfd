#include "sim/closed_loop/token_audit.hpp"

#include <map>
#include <utility>

namespace razorscope {
namespace {

int rank_of(std::span<const float> scores, size_t token) {
  int rank = 1;
  for (size_t t = 0; t < scores.size(); ++t) {
    if (scores[t] > scores[token] || (scores[t] == scores[token] && t < token)) ++rank;
  }
  return rank;
}

}  // namespace

std::vector<HeadAudit> audit_token(const PolicyExplanation& policy, const AttentionRecord& attention,
                                   int token) {
  std::map<std::pair<int, int>, int> lost_later;
  for (const LaterLoss& loss : policy.later) {
    if (loss.position == token) lost_later[{loss.layer, loss.kv_head}] = loss.step;
  }
  const int sharing = policy.kv_heads / attention.kv_heads;
  const auto place = static_cast<size_t>(token);
  std::vector<HeadAudit> audits;
  for (int layer = 0; layer < policy.layers; ++layer) {
    for (int cache = 0; cache < policy.kv_heads; ++cache) {
      HeadAudit audit;
      audit.layer = layer;
      audit.cache = cache;
      audit.kv_head = cache / sharing;
      audit.fate = policy.fate(layer, cache, token, attention.tokens);
      if (audit.fate == TokenFate::dropped || audit.fate == TokenFate::folded) {
        audit.left_step = 0;
      } else if (const auto loss = lost_later.find({layer, cache}); loss != lost_later.end()) {
        audit.left_step = loss->second;
      }
      const std::span<const float> accumulated = attention.accumulated_by(layer, audit.kv_head);
      audit.accumulated = static_cast<double>(accumulated[place]);
      audit.rank = rank_of(accumulated, place);
      for (int step = 0; step < attention.steps(); ++step) {
        const auto share = static_cast<double>(attention.asked_by(step, layer, audit.kv_head)[place]);
        audit.asked += share;
        // After n tokens were read, token n is the first that misses it.
        if (audit.left_step && step >= *audit.left_step) audit.missed += share;
      }
      audits.push_back(audit);
    }
  }
  return audits;
}

double verdict_held(const PolicyExplanation& policy, const Explanation& explanation) {
  if (explanation.verdict_end == explanation.verdict_begin) return 0.0;
  const std::vector<double> shares = held_shares(policy, static_cast<int>(explanation.pieces.size()));
  double sum = 0.0;
  for (int t = explanation.verdict_begin; t < explanation.verdict_end; ++t)
    sum += shares[static_cast<size_t>(t)];
  return sum / (explanation.verdict_end - explanation.verdict_begin);
}

std::optional<TokenRange> tokens_of(const std::vector<std::string>& pieces, const std::string& words) {
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  const size_t begin = text.find(words);
  if (begin == std::string::npos || words.empty()) return std::nullopt;
  TokenRange range{-1, 0};
  size_t at = 0;
  for (size_t t = 0; t < pieces.size() && at < begin + words.size(); ++t) {
    at += pieces[t].size();
    if (at > begin && range.begin < 0) range.begin = static_cast<int>(t);
    range.end = static_cast<int>(t) + 1;
  }
  return range;
}

}  // namespace razorscope
