#include "gui/widgets/token_panel.hpp"

#include <QFontMetricsF>
#include <QPainter>
#include <algorithm>
#include <cmath>
#include <utility>

#include "gui/data/format.hpp"
#include "gui/data/token_words.hpp"
#include "gui/widgets/token_style.hpp"

namespace razorscope::gui {
namespace {

constexpr double edge = 8.0;  // between an answer's frame and its words

QString legend_text(TokenFate fate) {
  switch (fate) {
    case TokenFate::heavy:
      return QStringLiteral("heavy hitter");
    case TokenFate::window:
      return QStringLiteral("window: latest tokens");
    case TokenFate::sink:
      return QStringLiteral("sink: first tokens");
    default:
      return fate_name(fate);
  }
}

const QString& strength_text() {
  static const QString text = QStringLiteral("the paler, the fewer heads hold it");
  return text;
}
const QString& verdict_text() {
  static const QString text = QStringLiteral("verdict");
  return text;
}
const QString& outline_text() {
  static const QString text = QStringLiteral("verdict that retrieval heads hold");
  return text;
}
const QString& attention_text() {
  static const QString text = QStringLiteral("what the question looks at");
  return text;
}

/// Draws lines of words below each other.
class WordColumn {
 public:
  /// compact: each text in one line, cut where it is longer.
  WordColumn(QPainter* painter, const QRectF& place, bool compact)
      : painter_(painter), place_(place), compact_(compact), y_(place.top()) {}

  void skip(double height) { y_ += height; }
  void add(const QString& text, const QFont& font, const QColor& pen) {
    if (text.isEmpty()) return;
    const QFontMetricsF metrics(font);
    const QString shown = compact_ ? metrics.elidedText(text, Qt::ElideRight, place_.width()) : text;
    const int flags = Qt::AlignLeft | Qt::AlignTop | (compact_ ? 0 : Qt::TextWordWrap);
    const QRectF room(place_.left(), y_, place_.width(), 10'000.0);
    y_ += metrics.boundingRect(room, flags, shown).height() + 2.0;
    if (painter_ == nullptr) return;
    painter_->setFont(font);
    painter_->setPen(pen);
    painter_->drawText(room, flags, shown);
  }
  int height() const { return static_cast<int>(std::ceil(y_ - place_.top())); }

 private:
  QPainter* painter_;
  QRectF place_;
  bool compact_;
  double y_;
};

void paint_mark(QPainter& painter, const QString& text, const QRectF& mark, bool dark) {
  for (const TokenFate fate : fates_in_order()) {
    if (text != legend_text(fate)) continue;
    const bool held = fate != TokenFate::dropped && fate != TokenFate::folded;
    const TokenInk ink = token_ink(fate, held ? 1.0 : 0.0, dark);
    if (held) painter.fillRect(mark, ink.ground);
    painter.setPen(ink.text);
    painter.drawText(mark, Qt::AlignCenter, QStringLiteral("a"));
    if (fate != TokenFate::folded) return;
    painter.setPen(QPen(colour(fate_paint(fate), dark), 1.5, Qt::DotLine));
    painter.drawLine(mark.bottomLeft(), mark.bottomRight());
    return;
  }
  if (text == verdict_text()) {
    painter.fillRect(QRectF(mark.right() - 5.0, mark.top(), 3.0, mark.height()), colour(paints::frame, dark));
  } else if (text == outline_text()) {
    painter.setPen(QPen(policy_colour(QStringLiteral("razor"), dark), 2.0));
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(mark.adjusted(1.0, 1.0, -1.0, -1.0));
  } else if (text == attention_text()) {
    painter.fillRect(QRectF(mark.left(), mark.bottom() - 4.0, mark.width(), 4.0),
                     colour(paints::warning, dark));
  }
}

}  // namespace

TokenPanel token_panel(const StoredExplanation& stored, TokenStates states) {
  const ExplanationRow& row = stored.row;
  const AnswerWords answer = answer_words(row, row.log_odds);
  const AnswerWords full = answer_words(row, row.full_log_odds);
  TokenPanel panel;
  panel.policy = QString::fromStdString(row.policy);
  panel.title = policy_text(row.policy);
  QStringList notes;
  if (const QString bytes = bytes_words(row); !bytes.isEmpty()) notes += bytes;
  if (row.verdict_end > row.verdict_begin) {
    QString held =
        QStringLiteral("%1 of the verdict held").arg(figure_text(states.verdict_held, FigureKind::share));
    if (states.caches > 1) held += QStringLiteral(" (mean of %1 heads)").arg(states.caches);
    notes += held;
  }
  panel.note = notes.join(QStringLiteral("; "));
  panel.question = answer.question + QStringLiteral(" …");
  panel.answer = answer.answer;
  panel.odds = figure_text(answer.probability, FigureKind::share);
  panel.differs = answer.answer != full.answer;
  panel.reference =
      QStringLiteral("Full cache: %1, %2").arg(full.answer, figure_text(full.probability, FigureKind::share));
  panel.effect = effect_words(row);
  panel.states = std::move(states);
  return panel;
}

QStringList token_legend(const std::vector<TokenPanel>& panels, bool has_verdict, bool attention) {
  std::vector<TokenFate> there;
  bool several = false;
  bool whole = false;
  for (const TokenPanel& panel : panels) {
    for (const TokenState& token : panel.states.tokens) {
      if (std::find(there.begin(), there.end(), token.fate) == there.end()) there.push_back(token.fate);
    }
    several = several || panel.states.caches > 1;
    whole = whole || panel.states.whole > 0;
  }
  QStringList texts;
  for (const TokenFate fate : fates_in_order()) {
    if (std::find(there.begin(), there.end(), fate) != there.end()) texts += legend_text(fate);
  }
  if (several) texts += strength_text();
  if (has_verdict) texts += verdict_text();
  if (has_verdict && whole) texts += outline_text();
  if (attention) texts += attention_text();
  return texts;
}

int paint_token_legend(QPainter* painter, const QStringList& texts, const PanelStyle& style,
                       const QRectF& place) {
  const QFontMetricsF metrics(style.font);
  const double height = std::ceil(metrics.height()) + 6.0;
  const double box = std::ceil(metrics.height()) - 2.0;
  double x = place.left();
  double y = place.top();
  for (const QString& text : texts) {
    const double mark = text == strength_text() ? 0.0 : box + 5.0;
    const double needed = mark + std::ceil(metrics.horizontalAdvance(text)) + 16.0;
    if (x > place.left() && x + needed - 16.0 > place.right()) {
      x = place.left();
      y += height;
    }
    if (painter != nullptr) {
      painter->setFont(style.font);
      paint_mark(*painter, text, QRectF(x, y + (height - box) / 2.0, box, box), style.dark);
      painter->setPen(colour(paints::soft, style.dark));
      painter->drawText(QRectF(x + mark, y, needed, height), Qt::AlignLeft | Qt::AlignVCenter, text);
    }
    x += needed;
  }
  return static_cast<int>(y + height - place.top() + 6.0);
}

int paint_panel_header(QPainter* painter, const TokenPanel& panel, const PanelStyle& style,
                       const QRectF& place) {
  if (painter != nullptr)
    painter->fillRect(QRectF(place.left(), place.top(), place.width(), 4.0),
                      policy_colour(panel.policy, style.dark));
  QFont bold = style.font;
  bold.setBold(true);
  WordColumn words(painter, place, style.compact);
  words.skip(6.0);
  words.add(panel.title, bold, colour(paints::ink, style.dark));
  words.add(panel.note, style.font, colour(paints::soft, style.dark));
  words.skip(4.0);
  return words.height();
}

int paint_panel_answer(QPainter* painter, const TokenPanel& panel, const PanelStyle& style,
                       const QRectF& place) {
  const QColor soft = colour(paints::soft, style.dark);
  const QColor warning = colour(paints::warning, style.dark);
  QFont large = style.font;
  large.setBold(true);
  if (large.pointSizeF() > 0.0) large.setPointSizeF(large.pointSizeF() * 1.15);
  if (painter != nullptr) {
    painter->setPen(QPen(panel.differs ? warning : colour(paints::grid, style.dark), 1.0));
    painter->setBrush(Qt::NoBrush);
    painter->drawRect(place);
  }
  WordColumn words(painter, place.adjusted(edge, 6.0, -edge, 0.0), style.compact);
  if (!style.compact) words.add(panel.question, style.font, soft);
  words.add(QStringLiteral("→ %1, %2").arg(panel.answer, panel.odds), large,
            panel.differs ? warning : colour(paints::ink, style.dark));
  words.add(panel.reference, style.font, panel.differs ? warning : soft);
  words.add(panel.effect, style.font, soft);
  return words.height() + 10;
}

}  // namespace razorscope::gui
