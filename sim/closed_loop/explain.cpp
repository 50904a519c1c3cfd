#include "sim/closed_loop/explain.hpp"

#include <algorithm>
#include <cstddef>
#include <fmt/format.h>
#include <iterator>
#include <memory>
#include <utility>

#include "models/base/error.hpp"
#include "sim/closed_loop/answer.hpp"

namespace razorscope {
namespace {

struct TextSpan {
  size_t begin = 0;
  size_t end = 0;
};

/// The paragraph around the verdict's words (paragraphs, where they stand in several), its line end included;
/// empty where there is no verdict.
TextSpan verdict_span(const ExplainRequest& request) {
  if (request.verdict.empty()) return {};
  const size_t at = request.text.find(request.verdict);
  if (at == std::string::npos)
    throw InputError("--verdict", fmt::format("\"{}\" does not stand in the text", request.verdict));
  const size_t line = request.text.rfind('\n', at);
  const size_t begin = line == std::string::npos ? 0 : line + 1;
  const size_t end = request.text.find('\n', at + request.verdict.size() - 1);
  return {begin, std::min(request.text.find_first_not_of('\n', end), request.text.size())};
}

void check(const ExplainRequest& request) {
  const auto not_empty = [](const char* key, const std::string& value) {
    if (value.empty()) throw InputError(key, "is empty");
  };
  not_empty("--text", request.text);
  not_empty("--question", request.question);
  not_empty("--positive", request.positive);
  not_empty("--negative", request.negative);
}

std::vector<int32_t> context_ids(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<int32_t> ids = tokenizer.encode(text);
  if (tokenizer.bos() >= 0) ids.insert(ids.begin(), tokenizer.bos());
  return ids;
}

void check_fits(const Tokenizer& tokenizer, const ExplainRequest& request, const Shape& shape) {
  const size_t answer =
      std::max(tokenizer.encode(request.positive).size(), tokenizer.encode(request.negative).size());
  // The answer's last token is never read.
  const size_t tokens =
      context_ids(tokenizer, request.text).size() + tokenizer.encode(request.question).size() + answer - 1;
  if (tokens > static_cast<size_t>(shape.context)) {
    throw InputError("--text",
                     fmt::format("makes {} tokens with the question and an answer, but the context is {}",
                                 tokens, shape.context));
  }
}

/// Fates of one head at the end of the context.
std::string head_fates(const PolicyRun& run, const HeadCache& head, int layer, int kv_head, int tokens) {
  const KeptRegions regions = run.selection().regions();
  const bool is_protected = run.selection().is_protected(layer, kv_head);
  const TokenFate lost = head.has_compensation() ? TokenFate::folded : TokenFate::dropped;
  std::string fates(static_cast<size_t>(tokens), static_cast<char>(lost));
  for (const int32_t position : head.sorted_positions()) {
    TokenFate fate = TokenFate::kept;
    if (!is_protected) {
      if (position < regions.sinks) {
        fate = TokenFate::sink;
      } else if (position >= tokens - regions.recent) {
        fate = TokenFate::window;
      } else if (regions.heavy_hitters) {
        fate = TokenFate::heavy;
      }
    }
    fates[static_cast<size_t>(position)] = static_cast<char>(fate);
  }
  return fates;
}

PolicyExplanation describe(const CompressedContext& context, size_t policy, int tokens) {
  const PolicyRun& run = context.run(policy);
  const PolicyMemory& memory = context.memory(policy);
  PolicyExplanation explanation;
  explanation.policy = run.policy().name();
  explanation.layers = run.shape().layers;
  explanation.kv_heads = run.shape().kv_heads;
  explanation.compressed = memory.ledger();
  for (int layer = 0; layer < explanation.layers; ++layer) {
    for (int h = 0; h < explanation.kv_heads; ++h)
      explanation.fates += head_fates(run, memory.layer(layer).head(h), layer, h, tokens);
  }
  return explanation;
}

/// Tokens of the context that are held, by layer and head.
std::vector<std::vector<int32_t>> held_of(const PolicyMemory& memory, const PolicyExplanation& explanation,
                                          int tokens) {
  std::vector<std::vector<int32_t>> held;
  for (int layer = 0; layer < explanation.layers; ++layer) {
    for (int h = 0; h < explanation.kv_heads; ++h) {
      std::vector<int32_t> positions = memory.layer(layer).head(h).sorted_positions();
      positions.erase(std::lower_bound(positions.begin(), positions.end(), tokens), positions.end());
      held.push_back(std::move(positions));
    }
  }
  return held;
}

/// Reads the question token by token on forks of the policies that decide later, and notes what they lose.
void follow_question(const Transformer& transformer, const CompressedContext& context,
                     std::span<const int32_t> question, std::vector<PolicyExplanation*>& explanations) {
  struct Follower {
    std::unique_ptr<PolicyMemory> memory;
    PolicyExplanation* explanation;
    std::vector<std::vector<int32_t>> held;
  };
  std::vector<Follower> followers;
  for (size_t i = 0; i < explanations.size(); ++i) {
    if (context.run(i).selection().when() != When::every_step) continue;
    Follower follower = {context.fork(i), explanations[i], {}};
    follower.held = held_of(*follower.memory, *explanations[i], context.tokens());
    followers.push_back(std::move(follower));
  }
  if (followers.empty()) return;
  for (size_t step = 0; step < question.size(); ++step) {
    std::vector<SequenceInput> batch;
    for (const Follower& follower : followers) {
      batch.push_back({.tokens = question.subspan(step, 1),
                       .first_position = context.tokens() + static_cast<int>(step),
                       .memory = follower.memory.get()});
    }
    transformer.forward(batch);
    for (Follower& follower : followers) {
      auto now = held_of(*follower.memory, *follower.explanation, context.tokens());
      for (size_t head = 0; head < now.size(); ++head) {
        std::vector<int32_t> lost;
        std::set_difference(follower.held[head].begin(), follower.held[head].end(), now[head].begin(),
                            now[head].end(), std::back_inserter(lost));
        const auto kv_heads = static_cast<size_t>(follower.explanation->kv_heads);
        for (const int32_t position : lost) {
          follower.explanation->later.push_back({static_cast<int>(head / kv_heads),
                                                 static_cast<int>(head % kv_heads), position,
                                                 static_cast<int>(step) + 1});
        }
      }
      follower.held = std::move(now);
    }
  }
}

std::vector<double> log_odds(const Transformer& transformer, const Tokenizer& tokenizer,
                             const CompressedContext& context, const ExplainRequest& request) {
  const std::vector<int32_t> question = tokenizer.encode(request.question);
  const auto positive = score_answer(transformer, context, question, tokenizer.encode(request.positive));
  const auto negative = score_answer(transformer, context, question, tokenizer.encode(request.negative));
  std::vector<double> odds;
  for (size_t i = 0; i < positive.size(); ++i) odds.push_back(negative[i].nll - positive[i].nll);
  return odds;
}

}  // namespace

TokenFate PolicyExplanation::fate(int layer, int kv_head, int position, int tokens) const {
  const auto head = static_cast<size_t>(layer) * static_cast<size_t>(kv_heads) + static_cast<size_t>(kv_head);
  return static_cast<TokenFate>(fates[head * static_cast<size_t>(tokens) + static_cast<size_t>(position)]);
}

std::vector<double> held_shares(const PolicyExplanation& explanation, int tokens, int layer, int kv_head) {
  std::vector<double> shares(static_cast<size_t>(tokens), 0.0);
  int heads = 0;
  for (int l = 0; l < explanation.layers; ++l) {
    if (layer >= 0 && l != layer) continue;
    for (int h = 0; h < explanation.kv_heads; ++h) {
      if (kv_head >= 0 && h != kv_head) continue;
      ++heads;
      for (int t = 0; t < tokens; ++t) {
        const TokenFate fate = explanation.fate(l, h, t, tokens);
        if (fate != TokenFate::folded && fate != TokenFate::dropped) shares[static_cast<size_t>(t)] += 1.0;
      }
    }
  }
  for (double& share : shares) share /= heads;
  return shares;
}

Explanation explain(const Transformer& transformer, const Tokenizer& tokenizer, const ExplainRequest& request,
                    const std::function<std::vector<Policy>(int tokens)>& policies,
                    const ModelKnowledge& knowledge, Progress& progress) {
  check(request);
  const TextSpan verdict = verdict_span(request);
  if (verdict.end - verdict.begin == request.text.size() && tokenizer.bos() < 0)
    throw InputError("--verdict",
                     "its paragraph is the whole text, without which this model has nothing to read");
  check_fits(tokenizer, request, transformer.shape());
  Explanation explanation;
  const std::vector<int32_t> question = tokenizer.encode(request.question);
  const auto read = [&](const std::string& text, int room, const std::string& phase,
                        const ColumnsObserver& columns) {
    const std::vector<int32_t> ids = context_ids(tokenizer, text);
    std::vector<Policy> run = policies(static_cast<int>(ids.size()));
    run.push_back(Policy::parse("full+f32"));
    return CompressedContext(transformer, ids, run, knowledge, room, progress, phase, columns);
  };
  {
    size_t bytes = 0;
    for (const int32_t id : context_ids(tokenizer, request.text)) {
      const bool is_bos = explanation.pieces.empty() && id == tokenizer.bos();
      explanation.pieces.push_back(is_bos ? "" : tokenizer.piece(id));
      const auto token = static_cast<int>(explanation.pieces.size());
      if (bytes < verdict.begin || is_bos) explanation.verdict_begin = token;
      if (bytes < verdict.end) explanation.verdict_end = token;
      bytes += explanation.pieces.back().size();
    }
    if (verdict.end == 0) explanation.verdict_begin = explanation.verdict_end = 0;
  }
  const auto tokens = static_cast<int>(explanation.pieces.size());
  const auto attention = std::make_shared<AttentionRecord>();
  attention->layers = transformer.shape().layers;
  attention->kv_heads = transformer.shape().kv_heads;
  attention->tokens = tokens;
  for (const int32_t id : question) attention->question.push_back(tokenizer.piece(id));
  CompressedContext context = read(
      request.text, attention->room_for(static_cast<int>(question.size())), "reading the text",
      [&](int layer, const double* columns) { attention->add_text(transformer.shape(), layer, columns); });
  record_question(transformer, context.exact(), question, *attention);
  explanation.attention = attention;
  explanation.policies.resize(context.policies() - 1);
  std::vector<PolicyExplanation*> all;
  for (PolicyExplanation& policy : explanation.policies) all.push_back(&policy);
  all.push_back(&explanation.full);
  std::vector<double> odds = log_odds(transformer, tokenizer, context, request);
  for (size_t i = 0; i < all.size(); ++i) {
    *all[i] = describe(context, i, tokens);
    all[i]->log_odds = odds[i];
  }
  follow_question(transformer, context, question, all);
  if (verdict.end > verdict.begin) {
    std::string without = request.text;
    without.erase(verdict.begin, verdict.end - verdict.begin);
    const CompressedContext other = read(without, 0, "reading it without the verdict", nullptr);
    odds = log_odds(transformer, tokenizer, other, request);
    for (size_t i = 0; i < all.size(); ++i) all[i]->log_odds_without_verdict = odds[i];
  }
  return explanation;
}

}  // namespace razorscope
