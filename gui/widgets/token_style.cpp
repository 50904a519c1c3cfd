#include "gui/widgets/token_style.hpp"

#include <QPainter>
#include <QPainterPath>
#include <algorithm>
#include <cmath>

#include "gui/widgets/token_layout.hpp"

namespace razorscope::gui {
namespace {

constexpr double bar_distance = 9.0;  // of the verdict's bar, from the text
constexpr double thickest = 4.0;      // of an underline

QColor mixed(const QColor& from, const QColor& to, double share) {
  const auto channel = [&](int a, int b) { return static_cast<int>(std::lround(a + share * (b - a))); };
  return {channel(from.red(), to.red()), channel(from.green(), to.green()), channel(from.blue(), to.blue())};
}

/// The attention that is drawn as strongest: the first token's is left out, it takes what no other gets.
double strongest(const TokenStates& states) {
  double most = 0.0;
  for (size_t t = 1; t < states.tokens.size(); ++t) most = std::max(most, states.tokens[t].asked);
  return most;
}

void paint_verdict(QPainter& painter, const TokenLayout& layout, const TokenStates& states,
                   const TokenLook& look, const QRectF& visible) {
  std::vector<QRectF> lines;
  int line = -1;
  for (int token = look.verdict_begin; token < look.verdict_end; ++token) {
    for (const TokenFragment& fragment : layout.fragmentsOf(token)) {
      if (fragment.text.isEmpty()) continue;
      const QRectF rect = layout.rectOf(fragment);
      // What is far out of sight makes the outline no different.
      if (rect.bottom() < visible.top() - 2.0 * rect.height() ||
          rect.top() > visible.bottom() + 2.0 * rect.height())
        continue;
      if (fragment.line != line) lines.push_back(rect);
      lines.back() |= rect;
      line = fragment.line;
    }
  }
  if (lines.empty()) return;
  const double top = lines.front().top();
  painter.fillRect(QRectF(-bar_distance, top, 3.0, lines.back().bottom() - top),
                   colour(paints::frame, look.dark));
  if (states.whole == 0) return;
  QPainterPath outline;
  for (const QRectF& rect : lines) {
    QPainterPath box;
    box.addRect(rect.adjusted(-3.0, -0.5, 3.0, 0.5));
    outline = outline.united(box);
  }
  painter.setBrush(Qt::NoBrush);
  painter.setPen(QPen(policy_colour(QStringLiteral("razor"), look.dark), 2.0));
  painter.drawPath(outline.simplified());
}

}  // namespace

const Paint& fate_paint(TokenFate fate) {
  switch (fate) {
    case TokenFate::sink:
      return policy_style("snapkv").paint;
    case TokenFate::window:
      return policy_style("window").paint;
    case TokenFate::heavy:
      return policy_style("h2o").paint;
    case TokenFate::kept:
      return policy_style("occam").paint;
    case TokenFate::folded:
      return policy_style("expected").paint;
    default:
      return paints::frame;
  }
}

const std::vector<TokenFate>& fates_in_order() {
  static const std::vector<TokenFate> fates = {TokenFate::kept, TokenFate::heavy,  TokenFate::window,
                                               TokenFate::sink, TokenFate::folded, TokenFate::dropped};
  return fates;
}

TokenInk token_ink(TokenFate fate, double held, bool dark) {
  const QColor page = colour(paints::page, dark);
  const QColor ink = colour(paints::ink, dark);
  const QColor faint = mixed(page, ink, dark ? 0.42 : 0.40);
  // A few heads of many are still told from none.
  const double strength = std::sqrt(std::clamp(held, 0.0, 1.0));
  TokenInk out{mixed(faint, ink, strength), colour(fate_paint(fate), dark)};
  out.ground.setAlphaF(static_cast<float>((dark ? 0.55 : 0.45) * strength));
  return out;
}

void paint_tokens(QPainter& painter, const TokenLayout& layout, const TokenStates& states,
                  const TokenLook& look, const QRectF& visible) {
  painter.setFont(layout.font());
  const double most = look.attention && states.has_asked ? strongest(states) : 0.0;
  const QColor attention = colour(paints::warning, look.dark);
  const auto shown = layout.fragmentsWithin(visible.top(), visible.bottom());
  for (const TokenFragment& fragment : shown) {
    const TokenState& state = states.tokens[static_cast<size_t>(fragment.token)];
    const TokenInk ink = token_ink(state.fate, state.held, look.dark);
    const QRectF rect = layout.rectOf(fragment);
    if (state.holding > 0) painter.fillRect(rect.adjusted(0.0, 1.0, 0.0, -1.0), ink.ground);
    if (most > 0.0) {
      const double height = thickest * std::sqrt(std::min(1.0, state.asked / most));
      if (height >= 0.5)
        painter.fillRect(QRectF(rect.left(), rect.bottom() - height, rect.width(), height), attention);
    }
    if (fragment.text.isEmpty()) continue;
    if (state.fate == TokenFate::folded) {
      painter.setPen(QPen(colour(fate_paint(state.fate), look.dark), 1.5, Qt::DotLine));
      painter.drawLine(rect.bottomLeft() - QPointF(0.0, 2.0), rect.bottomRight() - QPointF(0.0, 2.0));
    }
    painter.setPen(ink.text);
    painter.drawText(QPointF(rect.left(), rect.top() + layout.ascent()), fragment.text);
  }
  paint_verdict(painter, layout, states, look, visible);
  painter.setBrush(Qt::NoBrush);
  painter.setPen(QPen(colour(paints::ink, look.dark), 2.0));
  for (const TokenFragment& fragment : layout.fragmentsOf(look.chosen))
    painter.drawRect(layout.rectOf(fragment).adjusted(-1.0, 0.0, 1.0, 0.0));
}

}  // namespace razorscope::gui
