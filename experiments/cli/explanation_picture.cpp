#include "experiments/cli/explanation_picture.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "experiments/store/markup.hpp"
#include "experiments/store/policy_label.hpp"
#include "experiments/store/write_file.hpp"
#include "sim/closed_loop/printable_pieces.hpp"
#include "sim/closed_loop/token_audit.hpp"

namespace razorscope::cli {
namespace {

constexpr int columns = 62;  // characters of a panel's line
constexpr double character_width = 6.0;
constexpr double line_height = 13.0;
constexpr int panels_in_a_row = 2;
constexpr double margin = 16.0;
constexpr double heading_height = 40.0;

size_t characters(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

/// Where a token's piece stands in a panel.
struct PlacedToken {
  std::string text;
  int line = 0;
  int column = 0;
};

/// Breaks lines at tokens that begin with a space.
std::vector<PlacedToken> place(const std::vector<std::string>& pieces, int& lines) {
  std::vector<PlacedToken> placed;
  int line = 0;
  int column = 0;
  bool blank = true;  // the line before was empty
  for (const std::string& piece : pieces) {
    std::string text;
    int breaks = 0;
    for (const char c : piece) {
      if (c == '\n') {
        ++breaks;
      } else {
        text += c;
      }
    }
    const auto width = static_cast<int>(characters(text));
    if (column + width > columns && column > 0) {
      ++line;
      column = 0;
    }
    if (column == 0 && !text.empty() && text.front() == ' ') text.erase(0, 1);
    // Spaces move the text that follows them: drawn, they would be stretched or lost.
    const size_t spaces = std::min(text.find_first_not_of(' '), text.size());
    placed.push_back({text.substr(spaces), line, column + static_cast<int>(spaces)});
    column += static_cast<int>(characters(text));
    if (!text.empty()) blank = false;
    if (breaks > 0 && !blank) {
      line += 2;
      column = 0;
      blank = true;
    }
  }
  lines = line + 1;
  return placed;
}

std::string panel(const Explanation& explanation, const PolicyExplanation& policy,
                  const ExplainFilter& filter, const std::vector<PlacedToken>& placed, double x, double y) {
  const auto tokens = static_cast<int>(explanation.pieces.size());
  const std::vector<double> shares = held_shares(policy, tokens, filter.layer, filter.kv_head);
  std::string effect;
  if (policy.log_odds_without_verdict && explanation.full.log_odds_without_verdict) {
    effect =
        fmt::format("; its effect {:+.2f} (full {:+.2f})", policy.log_odds - *policy.log_odds_without_verdict,
                    explanation.full.log_odds - *explanation.full.log_odds_without_verdict);
  }
  const std::string note = fmt::format("{:.2f} MiB; {:.0f} % of the verdict held{}",
                                       static_cast<double>(policy.compressed.physical()) / 1048576.0,
                                       100.0 * verdict_held(policy, explanation), effect);
  std::string out = fmt::format(
      "<text x=\"{0:.1f}\" y=\"{1:.1f}\" class=\"name\">{2}</text>\n"
      "<text x=\"{0:.1f}\" y=\"{3:.1f}\" class=\"note\">{4}</text>\n",
      x, y + 12.0, escaped(policy_label(policy.policy)), y + 27.0, note);
  for (size_t t = 0; t < placed.size(); ++t) {
    const PlacedToken& token = placed[t];
    if (token.text.empty()) continue;
    const double left = x + token.column * character_width;
    const double base = y + heading_height + token.line * line_height + 10.0;
    const double width = static_cast<double>(characters(token.text)) * character_width;
    const auto index = static_cast<int>(t);
    if (index >= explanation.verdict_begin && index < explanation.verdict_end) {
      out +=
          fmt::format("<line x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\" class=\"verdict\"/>\n",
                      left, left + width, base + 2.5, base + 2.5);
    }
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" opacity=\"{:.2f}\" textLength=\"{:.1f}\">{}</text>\n",
                       left, base, 0.13 + 0.87 * shares[t], width, escaped(token.text));
  }
  return out;
}

std::string picture(const Explanation& explanation, const ExplainFilter& filter) {
  int lines = 0;
  const std::vector<PlacedToken> placed = place(printable_pieces(explanation.pieces), lines);
  const double panel_width = columns * character_width + 2.0 * margin;
  const double panel_height = heading_height + lines * line_height + margin;
  const auto count = static_cast<int>(explanation.policies.size());
  const int across = std::min(panels_in_a_row, count);
  const int down = (count + panels_in_a_row - 1) / panels_in_a_row;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} "
      "{1:.0f}\">\n"
      "<style>text{{font:10px monospace;fill:#111;white-space:pre}} .name{{font:bold 9px sans-serif}} "
      ".note{{font:10px sans-serif;fill:#444}} .verdict{{stroke:#d55e00;stroke-width:1.6}}</style>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
      panel_width * across, panel_height * down + margin);
  for (int i = 0; i < count; ++i) {
    out += panel(explanation, explanation.policies[static_cast<size_t>(i)], filter, placed,
                 (i % panels_in_a_row) * panel_width + margin, (i / panels_in_a_row) * panel_height + margin);
  }
  return out + "</svg>\n";
}

}  // namespace

void write_picture(const std::filesystem::path& path, const Explanation& explanation,
                   const ExplainFilter& filter) {
  write_file(path, picture(explanation, filter));
}

}  // namespace razorscope::cli
