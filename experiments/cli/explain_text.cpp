#include "experiments/cli/explain_text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "experiments/store/policy_label.hpp"
#include "sim/closed_loop/printable_pieces.hpp"
#include "sim/closed_loop/token_audit.hpp"

namespace razorscope::cli {
namespace {

/// Grey levels of the 256-colour palette by share, darkest first: brightness alone tells them apart.
std::string_view colour_of(double share) {
  static constexpr std::array<std::string_view, 6> levels = {"\x1b[38;5;238m", "\x1b[38;5;242m",
                                                             "\x1b[38;5;246m", "\x1b[38;5;250m",
                                                             "\x1b[38;5;254m", "\x1b[1;38;5;231m"};
  if (share <= 0.0) return levels[0];
  return levels[std::min<size_t>(5, 1 + static_cast<size_t>(share * 5.0))];
}

std::string coloured(const Explanation& explanation, const std::vector<double>& shares) {
  const std::vector<std::string> pieces = printable_pieces(explanation.pieces);
  std::string out;
  for (size_t t = 0; t < pieces.size(); ++t) {
    const auto token = static_cast<int>(t);
    const bool verdict = token >= explanation.verdict_begin && token < explanation.verdict_end;
    out += fmt::format("{}{}{}\x1b[0m", colour_of(shares[t]), verdict ? "\x1b[4m" : "", pieces[t]);
  }
  return out + "\n";
}

struct Paragraph {
  int begin = 0;
  int end = 0;
  std::string text;
};

std::vector<Paragraph> paragraphs_of(const Explanation& explanation) {
  const std::vector<std::string> pieces = printable_pieces(explanation.pieces);
  std::vector<Paragraph> paragraphs(1);
  bool ended = false;
  for (size_t t = 0; t < pieces.size(); ++t) {
    const bool breaks = pieces[t].find('\n') != std::string::npos;
    if (ended && !breaks) paragraphs.push_back({static_cast<int>(t), 0, ""});
    ended = breaks;
    for (const char c : pieces[t]) paragraphs.back().text += c == '\n' ? ' ' : c;
    paragraphs.back().end = static_cast<int>(t) + 1;
  }
  return paragraphs;
}

/// At most `width` characters of UTF-8, the last three dots where there are more.
std::string shortened(const std::string& text, size_t width) {
  size_t characters = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0U) == 0x80U) continue;
    if (++characters > width) return text.substr(0, i) + "...";
  }
  return text + std::string(width + 3 - characters, ' ');
}

std::string paragraph_table(const Explanation& explanation, const std::vector<std::vector<double>>& shares) {
  constexpr size_t width = 56;
  std::string out = fmt::format("{:<{}}", "% of heads that hold a token, by paragraph", width + 5);
  for (size_t i = 0; i < shares.size(); ++i) out += fmt::format("  {:>5}", fmt::format("({})", i + 1));
  out += '\n';
  for (const Paragraph& paragraph : paragraphs_of(explanation)) {
    const bool verdict =
        paragraph.begin < explanation.verdict_end && paragraph.end > explanation.verdict_begin;
    out += fmt::format("{} {}", verdict ? ">" : " ", shortened(paragraph.text, width));
    for (const std::vector<double>& share : shares) {
      double sum = 0.0;
      for (int t = paragraph.begin; t < paragraph.end; ++t) sum += share[static_cast<size_t>(t)];
      out += fmt::format("  {:>5.1f}", 100.0 * sum / (paragraph.end - paragraph.begin));
    }
    out += '\n';
  }
  return out;
}

std::string answer_row(const PolicyExplanation& policy, const Explanation& explanation, size_t full_f16_bytes,
                       std::string_view number) {
  const auto bytes = static_cast<double>(policy.compressed.physical());
  std::string out =
      fmt::format("{:>4} {:<52}  {:>8.3f}  {:>6.1f}  {:>+8.3f}  {:<8}", number, policy_label(policy.policy),
                  bytes / 1048576.0, 100.0 * bytes / static_cast<double>(full_f16_bytes), policy.log_odds,
                  policy.log_odds > 0.0 ? "positive" : "negative");
  if (policy.log_odds_without_verdict) {
    const auto effect = [](const PolicyExplanation& of) {
      return of.log_odds - *of.log_odds_without_verdict;
    };
    out += fmt::format("  {:>+8.3f}  {:>+7.3f}  {:>6.0f}  {:>6.1f}", *policy.log_odds_without_verdict,
                       effect(policy), 100.0 * effect(policy) / effect(explanation.full),
                       100.0 * verdict_held(policy, explanation));
  }
  return out + '\n';
}

}  // namespace

std::string explanation_text(const Explanation& explanation, size_t full_f16_bytes,
                             const ExplainFilter& filter, bool colour) {
  const auto tokens = static_cast<int>(explanation.pieces.size());
  const bool has_verdict = explanation.verdict_end > explanation.verdict_begin;
  std::string out =
      fmt::format("{} tokens, compressed before the question was known; n = 1 text and question\n\n", tokens);
  out +=
      fmt::format("{:<57}  {:>8}  {:>6}  {:>8}  {:<8}", "     policy", "MiB", "% f16", "log-odds", "answer");
  if (has_verdict)
    out += fmt::format("  {:>8}  {:>7}  {:>6}  {:>6}", "without", "effect", "% full", "% held");
  out += '\n' + answer_row(explanation.full, explanation, full_f16_bytes, "");
  std::vector<std::vector<double>> shares;
  for (const PolicyExplanation& policy : explanation.policies) {
    shares.push_back(held_shares(policy, tokens, filter.layer, filter.kv_head));
    out += answer_row(policy, explanation, full_f16_bytes, fmt::format("({})", shares.size()));
  }
  out += "\nlog-odds: ln P(positive) - ln P(negative), nats, after the text was compressed.";
  if (has_verdict) {
    out +=
        " without: the same policy on the text\nwithout the verdict's paragraph; effect: what that paragraph "
        "moves the answer by, and the share of its effect under full+f32;\n% held: of its (token, head) "
        "pairs.";
  }
  out += "\n\n";
  if (!colour) return out + paragraph_table(explanation, shares);
  for (size_t i = 0; i < shares.size(); ++i) {
    out += fmt::format("({}) {}: brighter where more heads hold a token{}\n\n{}\n", i + 1,
                       policy_label(explanation.policies[i].policy),
                       has_verdict ? ", verdict underlined" : "", coloured(explanation, shares[i]));
  }
  return out;
}

}  // namespace razorscope::cli
