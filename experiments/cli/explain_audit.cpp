#include "experiments/cli/explain_audit.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/store/policy_label.hpp"
#include "models/base/error.hpp"
#include "sim/closed_loop/printable_pieces.hpp"
#include "sim/closed_loop/token_audit.hpp"

namespace razorscope::cli {
namespace {

/// Heads of one kind, with the sum of their ranks.
struct AuditedHeads {
  int heads = 0;
  double ranks = 0.0;

  void add(const HeadAudit& head) {
    ++heads;
    ranks += head.rank;
  }
  std::string mean_rank() const { return heads == 0 ? "-" : fmt::format("{:.1f}", ranks / heads); }
};

std::string policy_row(const std::vector<HeadAudit>& audit, size_t number, const std::string& policy) {
  AuditedHeads holding;
  AuditedHeads lost;
  AuditedHeads lost_later;
  int first = 0;  // step of a later loss
  int last = 0;
  double asked = 0.0;
  double missed = 0.0;
  for (const HeadAudit& head : audit) {
    asked += head.asked;
    missed += head.missed;
    if (!head.left_step) {
      holding.add(head);
    } else if (*head.left_step == 0) {
      lost.add(head);
    } else {
      first = lost_later.heads == 0 ? *head.left_step : std::min(first, *head.left_step);
      last = std::max(last, *head.left_step);
      lost_later.add(head);
    }
  }
  const std::string later = lost_later.heads == 0 ? "0"
                            : first == last       ? fmt::format("{} ({})", lost_later.heads, first)
                                                  : fmt::format("{} ({}-{})", lost_later.heads, first, last);
  return fmt::format("{:>4} {:<52}  {:>5}  {:>8}  {:>5}  {:>8}  {:>11}  {:>8}\n", fmt::format("({})", number),
                     policy_label(policy), holding.heads, holding.mean_rank(), lost.heads, lost.mean_rank(),
                     later, asked > 0.0 ? fmt::format("{:.1f}", 100.0 * missed / asked) : "-");
}

std::string in_one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string token_table(const Explanation& explanation, int token, const std::string& piece) {
  const AttentionRecord& attention = *explanation.attention;
  std::string rows;
  size_t number = 0;
  for (const PolicyExplanation& policy : explanation.policies)
    rows += policy_row(audit_token(policy, attention, token), ++number, policy.policy);
  double asked = 0.0;
  const std::vector<HeadAudit> heads = audit_token(explanation.full, attention, token);
  for (const HeadAudit& head : heads) asked += head.asked;
  const double shares = static_cast<double>(heads.size()) * std::max(1, attention.steps());
  return fmt::format("token {} \"{}\": the question gives it {:.3f} % of its attention\n", token,
                     in_one_line(piece), 100.0 * asked / shares) +
         fmt::format("{:<57}  {:>5}  {:>8}  {:>5}  {:>8}  {:>11}  {:>8}\n", "     policy", "hold", "rank",
                     "lost", "rank", "while asked", "% missed") +
         rows + '\n';
}

nlohmann::json head_json(const HeadAudit& head) {
  return {{"layer", head.layer},
          {"cache", head.cache},
          {"kv_head", head.kv_head},
          {"fate", std::string(1, static_cast<char>(head.fate))},
          {"left_step", head.left_step ? nlohmann::json(*head.left_step) : nlohmann::json()},
          {"accumulated", head.accumulated},
          {"rank", head.rank},
          {"asked", head.asked},
          {"missed", head.missed}};
}

nlohmann::json policy_json(const PolicyExplanation& policy, const Explanation& explanation,
                           const TokenRange& range) {
  nlohmann::json tokens = nlohmann::json::array();
  for (int token = range.begin; token < range.end; ++token) {
    nlohmann::json heads = nlohmann::json::array();
    for (const HeadAudit& head : audit_token(policy, *explanation.attention, token))
      heads.push_back(head_json(head));
    tokens.push_back(
        {{"token", token}, {"piece", explanation.pieces[static_cast<size_t>(token)]}, {"heads", heads}});
  }
  return {{"policy", policy.policy}, {"tokens", tokens}};
}

}  // namespace

void check_audited(const std::vector<std::string>& words, const std::string& text) {
  for (const std::string& each : words) {
    if (each.empty()) throw InputError("--audit", "is empty; words of the text are asked for");
    if (text.find(each) == std::string::npos)
      throw InputError("--audit", fmt::format("\"{}\" does not stand in the text", each));
  }
}

std::string audit_text(const Explanation& explanation, const std::vector<std::string>& words) {
  const std::vector<std::string> pieces = printable_pieces(explanation.pieces);
  std::string out = words.empty() ? "" : "\n";
  for (const std::string& each : words) {
    const std::optional<TokenRange> range = tokens_of(explanation.pieces, each);
    if (!range) continue;
    out += fmt::format("audit of \"{}\"\n\n", in_one_line(each));
    for (int token = range->begin; token < range->end; ++token)
      out += token_table(explanation, token, pieces[static_cast<size_t>(token)]);
  }
  if (words.empty()) return out;
  const AttentionRecord& attention = *explanation.attention;
  const auto question = static_cast<int>(attention.question.size());
  if (attention.steps() < question) {
    out += fmt::format("Attention is that of the question's first {} tokens of {}.\n", attention.steps(),
                       question);
  }
  return out +
         "hold: heads that hold it to the question's end; lost: at the end of the text, or while the "
         "question "
         "was read (after so\nmany of its tokens). rank: mean over these heads, by the attention of the "
         "text's "
         "own queries, 1 = most attended.\n% missed: of the attention that the question would have paid to "
         "it "
         "under full+f32, what fell on heads after they lost it.\n\n";
}

nlohmann::json audit_json(const Explanation& explanation, const std::vector<std::string>& words) {
  nlohmann::json audits = nlohmann::json::array();
  for (const std::string& each : words) {
    const std::optional<TokenRange> range = tokens_of(explanation.pieces, each);
    if (!range) continue;
    nlohmann::json policies = nlohmann::json::array();
    for (const PolicyExplanation& policy : explanation.policies)
      policies.push_back(policy_json(policy, explanation, *range));
    audits.push_back({{"words", each}, {"tokens", {range->begin, range->end}}, {"policies", policies}});
  }
  return {{"question_tokens", explanation.attention->question},
          {"recorded_tokens", explanation.attention->steps()},
          {"words", audits}};
}

}  // namespace razorscope::cli
