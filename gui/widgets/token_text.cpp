#include "gui/widgets/token_text.hpp"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>
#include <QWheelEvent>
#include <algorithm>
#include <cmath>
#include <set>

#include "gui/data/token_words.hpp"
#include "gui/widgets/token_style.hpp"

namespace razorscope::gui {
namespace {

constexpr int margin = 10;
constexpr int inner = 14;  // between a panel's edge and its text: room for the verdict's bar and outline
constexpr int highest_picture = 6000;
constexpr double least_zoom = 0.5;
constexpr double most_zoom = 4.0;

}  // namespace

TokenText::TokenText(QWidget* parent) : QAbstractScrollArea(parent) {
  setFocusPolicy(Qt::StrongFocus);
  setAccessibleName(tr("Text under both policies"));
  setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOn);  // so that the width does not depend on the height
  viewport()->setMouseTracking(true);
  setMinimumSize(300, 160);
}

void TokenText::setText(std::vector<QString> pieces, int verdict_begin, int verdict_end) {
  pieces_ = std::move(pieces);
  panels_.clear();
  verdict_begin_ = verdict_begin;
  verdict_end_ = verdict_end;
  chosen_ = -1;
  hovered_ = -1;
  measure();
  verticalScrollBar()->setValue(0);
}

void TokenText::setPanels(std::vector<TokenPanel> panels) {
  panels_ = std::move(panels);
  arrange();
}

void TokenText::setMessage(const QString& why) {
  message_ = why;
  arrange();
}

void TokenText::setAttentionShown(bool shown) {
  attention_ = shown;
  arrange();
}

void TokenText::choose(int token) {
  chosen_ = token >= 0 && token < static_cast<int>(pieces_.size()) ? token : -1;
  setAccessibleDescription(chosen_ < 0 || panels_.empty()
                               ? QString()
                               : token_words(piece(chosen_), chosen_,
                                             panels_.front().states.tokens[static_cast<size_t>(chosen_)],
                                             panels_.front().states));
  viewport()->update();
}

void TokenText::setZoom(double zoom) {
  const double within = std::clamp(zoom, least_zoom, most_zoom);
  if (within == zoom_) return;
  zoom_ = within;
  measure();
  Q_EMIT zoomChanged();
}

void TokenText::measure() {
  QFont font = this->font();
  if (font.pointSizeF() > 0.0) {
    font.setPointSizeF(font.pointSizeF() * zoom_);
  } else {
    font.setPixelSize(std::max(1, static_cast<int>(std::lround(font.pixelSize() * zoom_))));
  }
  layout_.setText(pieces_, font);
  frame_.text_width = 0.0;  // to be wrapped again
  arrange();
}

void TokenText::arrange() {
  const double scrolled =
      static_cast<double>(verticalScrollBar()->value()) / std::max(1, verticalScrollBar()->maximum());
  legend_ = legendOf();
  const Frame frame = frameOf(viewport()->width());
  const bool wraps = frame.text_width != frame_.text_width;
  frame_ = frame;
  if (wraps) layout_.wrap(frame.text_width);
  const int page = std::max(1, viewport()->height() - frame.top() - frame.footer);
  QScrollBar* const bar = verticalScrollBar();
  bar->setRange(0, std::max(0, static_cast<int>(std::ceil(layout_.height())) - page));
  bar->setPageStep(page);
  bar->setSingleStep(static_cast<int>(layout_.lineHeight()));
  if (wraps) bar->setValue(static_cast<int>(std::lround(scrolled * bar->maximum())));
  viewport()->update();
}

void TokenText::showToken(int token, bool as_first) {
  const auto own = layout_.fragmentsOf(token);
  if (own.empty()) return;
  const QRectF rect = layout_.rectOf(own.front());
  const int page = verticalScrollBar()->pageStep();
  const int value = verticalScrollBar()->value();
  const double above = as_first ? 3.0 * layout_.lineHeight() : 0.0;
  if (as_first || rect.top() < value) {
    verticalScrollBar()->setValue(static_cast<int>(rect.top() - above));
  } else if (rect.bottom() > value + page) {
    verticalScrollBar()->setValue(static_cast<int>(std::ceil(rect.bottom())) - page);
  }
}

TokenText::Frame TokenText::frameOf(int width) const {
  Frame frame;
  frame.width = width;
  const auto count = static_cast<double>(std::max<size_t>(1, panels_.size()));
  frame.panel_width = std::floor((width - margin * (count + 1.0)) / count);
  frame.text_width = std::max(40.0, frame.panel_width - 2.0 * inner);
  frame.legend = paintLegend(nullptr, width);
  frame.header = panels_.empty() ? 0 : 2 * fontMetrics().height() + 16;
  for (const TokenPanel& panel : panels_) {
    frame.footer =
        std::max(frame.footer, paintFooter(nullptr, panel, QRectF(0, 0, frame.panel_width, 10'000)) + margin);
  }
  return frame;
}

double TokenText::panelX(const Frame& frame, size_t panel) const {
  return margin + static_cast<double>(panel) * (frame.panel_width + margin);
}
double TokenText::textX(const Frame& frame, size_t panel) const { return panelX(frame, panel) + inner; }

QStringList TokenText::legendOf() const {
  std::set<TokenFate> there;
  bool whole = false;
  for (const TokenPanel& panel : panels_) {
    for (const TokenState& token : panel.states.tokens) {
      if (!there.contains(token.fate)) there.insert(token.fate);
    }
    whole = whole || panel.states.whole > 0;
  }
  QStringList texts;
  for (const TokenFate fate : fates_in_order()) {
    if (there.contains(fate)) texts += fate_name(fate);
  }
  if (!panels_.empty() && panels_.front().states.caches > 1) texts += tr("stronger: held by more heads");
  if (verdict_end_ > verdict_begin_) {
    texts += tr("verdict");
    if (whole) texts += tr("verdict held by retrieval heads");
  }
  if (attention_) texts += tr("attention of the question");
  return texts;
}

int TokenText::paintLegend(QPainter* painter, int width) const {
  if (panels_.empty()) return 0;
  const bool dark = is_dark(palette());
  const QFontMetrics metrics(font());
  const int height = metrics.height() + 6;
  const int box = metrics.height() - 2;
  int x = margin;
  int y = 4;
  for (const QString& text : legend_) {
    const bool has_mark = text != tr("stronger: held by more heads");
    const int needed = (has_mark ? box + 5 : 0) + metrics.horizontalAdvance(text) + 16;
    if (x > margin && x + needed > width) {
      x = margin;
      y += height;
    }
    if (painter != nullptr) {
      const QRectF mark(x, y + (height - box) / 2.0, box, box);
      for (const TokenFate fate : fates_in_order()) {
        if (text != fate_name(fate)) continue;
        const bool held = fate != TokenFate::dropped && fate != TokenFate::folded;
        const TokenInk ink = token_ink(fate, held ? 1.0 : 0.0, dark);
        painter->fillRect(mark, held ? ink.ground : QColor(Qt::transparent));
        painter->setPen(ink.text);
        painter->drawText(mark, Qt::AlignCenter, QStringLiteral("a"));
        if (fate == TokenFate::folded) {
          painter->setPen(QPen(colour(fate_paint(fate), dark), 1.5, Qt::DotLine));
          painter->drawLine(mark.bottomLeft(), mark.bottomRight());
        }
      }
      if (text == tr("verdict"))
        painter->fillRect(QRectF(x + box - 5.0, mark.top(), 3.0, box), colour(paints::frame, dark));
      if (text == tr("verdict held by retrieval heads")) {
        painter->setPen(QPen(policy_colour(QStringLiteral("razor"), dark), 2.0));
        painter->setBrush(Qt::NoBrush);
        painter->drawRect(mark.adjusted(1.0, 1.0, -1.0, -1.0));
      }
      if (text == tr("attention of the question"))
        painter->fillRect(QRectF(x, mark.bottom() - 4.0, box, 4.0), colour(paints::warning, dark));
      painter->setPen(colour(paints::soft, dark));
      painter->drawText(QRectF(x + (has_mark ? box + 5 : 0), y, needed, height),
                        Qt::AlignLeft | Qt::AlignVCenter, text);
    }
    x += needed;
  }
  return y + height + 2;
}

void TokenText::paintHeader(QPainter& painter, const Frame& frame, size_t panel) const {
  const bool dark = is_dark(palette());
  const TokenPanel& shown = panels_[panel];
  const double x = panelX(frame, panel);
  const double y = frame.legend;
  painter.fillRect(QRectF(x, y, frame.panel_width, 4.0), policy_colour(shown.policy, dark));
  QFont bold = font();
  bold.setBold(true);
  const QFontMetricsF title(bold);
  const QFontMetricsF note(font());
  painter.setFont(bold);
  painter.setPen(colour(paints::ink, dark));
  painter.drawText(QRectF(x, y + 6.0, frame.panel_width, title.height()), Qt::AlignLeft | Qt::AlignVCenter,
                   title.elidedText(shown.title, Qt::ElideRight, frame.panel_width));
  painter.setFont(font());
  painter.setPen(colour(paints::soft, dark));
  painter.drawText(QRectF(x, y + 7.0 + title.height(), frame.panel_width, note.height()),
                   Qt::AlignLeft | Qt::AlignVCenter,
                   note.elidedText(shown.note, Qt::ElideRight, frame.panel_width));
}

int TokenText::paintFooter(QPainter* painter, const TokenPanel& panel, const QRectF& place) const {
  const bool dark = is_dark(palette());
  double y = place.top() + 6.0;
  const auto line = [&](const QString& text, const QFont& with, const QColor& pen) {
    if (text.isEmpty()) return;
    constexpr int flags = Qt::AlignLeft | Qt::AlignTop | Qt::TextWordWrap;
    const QRectF room(place.left() + 8.0, y, place.width() - 16.0, 1'000.0);
    const QRectF taken = QFontMetricsF(with).boundingRect(room, flags, text);
    if (painter != nullptr) {
      painter->setFont(with);
      painter->setPen(pen);
      painter->drawText(room, flags, text);
    }
    y += taken.height() + 2.0;
  };
  QFont large = font();
  large.setBold(true);
  if (large.pointSizeF() > 0.0) large.setPointSizeF(large.pointSizeF() * 1.15);
  line(panel.question, font(), colour(paints::soft, dark));
  line(QStringLiteral("→ %1, %2").arg(panel.answer, panel.odds), large,
       colour(panel.differs ? paints::warning : paints::ink, dark));
  line(panel.reference, font(), colour(panel.differs ? paints::warning : paints::soft, dark));
  line(panel.effect, font(), colour(paints::soft, dark));
  return static_cast<int>(std::ceil(y - place.top() + 4.0));
}

void TokenText::paintAll(QPainter& painter, const Frame& frame, const TokenLayout& layout, double scrolled,
                         int text_height) const {
  const bool dark = is_dark(palette());
  painter.setFont(font());
  paintLegend(&painter, frame.width);
  TokenLook look{verdict_begin_, verdict_end_, chosen_, attention_, dark};
  for (size_t i = 0; i < panels_.size(); ++i) {
    paintHeader(painter, frame, i);
    painter.save();
    painter.setClipRect(QRectF(panelX(frame, i), frame.top(), frame.panel_width, text_height));
    painter.translate(textX(frame, i), frame.top() - scrolled);
    paint_tokens(painter, layout, panels_[i].states, look,
                 QRectF(0.0, scrolled, frame.text_width, text_height));
    painter.restore();
    const QRectF footer(panelX(frame, i), frame.top() + text_height + 2.0, frame.panel_width,
                        frame.footer - margin);
    painter.setPen(QPen(colour(panels_[i].differs ? paints::warning : paints::grid, dark), 1.0));
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(footer);
    paintFooter(&painter, panels_[i], footer);
  }
}

void TokenText::paintEvent(QPaintEvent* /*event*/) {
  QPainter painter(viewport());
  painter.setRenderHint(QPainter::Antialiasing);
  painter.fillRect(viewport()->rect(), colour(paints::page, is_dark(palette())));
  if (!message_.isEmpty() || panels_.empty()) {
    painter.setPen(colour(paints::soft, is_dark(palette())));
    painter.drawText(viewport()->rect().adjusted(20, 20, -20, -20), Qt::AlignCenter | Qt::TextWordWrap,
                     message_);
    return;
  }
  paintAll(painter, frame_, layout_, verticalScrollBar()->value(),
           std::max(1, viewport()->height() - frame_.top() - frame_.footer));
}

QSize TokenText::pictureSize() const {
  const int all = frame_.top() + frame_.footer + static_cast<int>(std::ceil(layout_.height())) + 4;
  return {std::max(1, viewport()->width()), std::clamp(all, 1, highest_picture)};
}

void TokenText::paintPicture(QCPPainter& painter, const QSize& size) {
  painter.fillRect(QRect(QPoint(), size), colour(paints::page, is_dark(palette())));
  if (!message_.isEmpty() || panels_.empty()) {
    painter.setPen(colour(paints::soft, is_dark(palette())));
    painter.setFont(font());
    painter.drawText(QRect(QPoint(), size), Qt::AlignCenter | Qt::TextWordWrap, message_);
    return;
  }
  const Frame frame = frameOf(size.width());
  TokenLayout layout = layout_;
  layout.wrap(frame.text_width);
  paintAll(painter, frame, layout, 0.0, std::max(1, size.height() - frame.top() - frame.footer));
}

void TokenText::resizeEvent(QResizeEvent* event) {
  QAbstractScrollArea::resizeEvent(event);
  arrange();
}

void TokenText::changeEvent(QEvent* event) {
  QAbstractScrollArea::changeEvent(event);
  if (event->type() == QEvent::FontChange) measure();
  if (event->type() == QEvent::PaletteChange) viewport()->update();
}

QRect TokenText::tokenRect(size_t panel, int token) const {
  const auto own = layout_.fragmentsOf(token);
  if (own.empty() || panel >= panels_.size()) return {};
  return layout_.rectOf(own.front())
      .translated(textX(frame_, panel), frame_.top() - verticalScrollBar()->value())
      .toAlignedRect();
}

int TokenText::tokenAt(const QPoint& position, size_t& panel) const {
  if (!message_.isEmpty() || position.y() < frame_.top() ||
      position.y() > viewport()->height() - frame_.footer)
    return -1;
  for (panel = 0; panel < panels_.size(); ++panel) {
    const QPointF place =
        position - QPointF(textX(frame_, panel), frame_.top() - verticalScrollBar()->value());
    const int token = layout_.tokenAt(place);
    if (token >= 0) return token;
  }
  return -1;
}

void TokenText::mousePressEvent(QMouseEvent* event) {
  size_t panel = 0;
  const int token = tokenAt(event->position().toPoint(), panel);
  if (event->button() == Qt::LeftButton && token >= 0) pick(token);
}

void TokenText::mouseMoveEvent(QMouseEvent* event) {
  size_t panel = 0;
  const int token = tokenAt(event->position().toPoint(), panel);
  if (token < 0) {
    QToolTip::hideText();
  } else if (token != hovered_ || !QToolTip::isVisible()) {
    const TokenStates& states = panels_[panel].states;
    QToolTip::showText(event->globalPosition().toPoint(),
                       token_words(piece(token), token, states.tokens[static_cast<size_t>(token)], states),
                       viewport());
  }
  hovered_ = token;
}

void TokenText::wheelEvent(QWheelEvent* event) {
  if (!(event->modifiers() & Qt::ControlModifier)) return QAbstractScrollArea::wheelEvent(event);
  setZoom(zoom_ * std::pow(1.1, event->angleDelta().y() / 120.0));
  event->accept();
}

void TokenText::pick(int token) {
  choose(token);
  showToken(token, false);
  Q_EMIT tokenChosen(token);
}

void TokenText::moveBy(int tokens) {
  const auto count = static_cast<int>(pieces_.size());
  int token = chosen_ < 0 ? (tokens > 0 ? -1 : count) : chosen_;
  do token += tokens;
  while (token >= 0 && token < count && layout_.fragmentsOf(token).empty());
  if (token >= 0 && token < count) pick(token);
}

void TokenText::keyPressEvent(QKeyEvent* event) {
  switch (event->key()) {
    case Qt::Key_Left:
      return moveBy(-1);
    case Qt::Key_Right:
      return moveBy(1);
    case Qt::Key_Up:
      return chosen_ < 0 ? moveBy(1) : pick(layout_.tokenBelow(chosen_, -1));
    case Qt::Key_Down:
      return chosen_ < 0 ? moveBy(1) : pick(layout_.tokenBelow(chosen_, 1));
    case Qt::Key_Plus:
    case Qt::Key_Equal:
      return setZoom(zoom_ * 1.1);
    case Qt::Key_Minus:
      return setZoom(zoom_ / 1.1);
    case Qt::Key_0:
      return setZoom(1.0);
    default:
      QAbstractScrollArea::keyPressEvent(event);
  }
}

}  // namespace razorscope::gui
