#include "gui/widgets/token_text.hpp"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>
#include <QWheelEvent>
#include <algorithm>
#include <cmath>

#include "gui/data/token_words.hpp"
#include "gui/widgets/token_style.hpp"

namespace razorscope::gui {
namespace {

constexpr int margin = 10;
constexpr int inner = 14;  // between a panel's edge and its text: room for the verdict's bar and outline
constexpr int highest_picture = 6000;
constexpr int fewest_lines = 7;  // of text; with fewer the words around it are cut
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
  QStringList words;
  for (const TokenPanel& panel : panels_) {
    if (chosen_ < 0) break;
    const TokenState& state = panel.states.tokens[static_cast<size_t>(chosen_)];
    words += panel.title + u'\n' + token_words(piece(chosen_), chosen_, state, panel.states);
  }
  setAccessibleDescription(words.join(u'\n'));
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
  legend_ = token_legend(panels_, verdict_end_ > verdict_begin_, attention_);
  Frame frame = frameOf(viewport()->width(), false);
  if (page(frame) < fewest_lines * layout_.lineHeight()) frame = frameOf(viewport()->width(), true);
  const bool wraps = frame.text_width != frame_.text_width;
  frame_ = frame;
  if (wraps) layout_.wrap(frame.text_width);
  QScrollBar* const bar = verticalScrollBar();
  bar->setRange(0, std::max(0, static_cast<int>(std::ceil(layout_.height())) - page(frame)));
  if (!message_.isEmpty()) bar->setRange(0, 0);
  bar->setPageStep(page(frame));
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

int TokenText::page(const Frame& frame) const {
  return std::max(1, viewport()->height() - frame.top() - frame.footer);
}

TokenText::Frame TokenText::frameOf(int width, bool compact) const {
  Frame frame;
  frame.compact = compact;
  frame.width = width;
  const auto count = static_cast<double>(std::max<size_t>(1, panels_.size()));
  frame.panel_width = std::floor((width - margin * (count + 1.0)) / count);
  frame.text_width = std::max(40.0, frame.panel_width - 2.0 * inner);
  const PanelStyle style = panelStyle(compact);
  frame.legend =
      panels_.empty() || compact
          ? 0
          : paint_token_legend(nullptr, legend_, style, QRectF(margin, 4.0, width - 2 * margin, 1.0));
  const QRectF room(0.0, 0.0, frame.panel_width, 10'000.0);
  for (const TokenPanel& panel : panels_) {
    frame.header = std::max(frame.header, paint_panel_header(nullptr, panel, style, room));
    frame.footer = std::max(frame.footer, paint_panel_answer(nullptr, panel, style, room) + margin);
  }
  return frame;
}

double TokenText::panelX(const Frame& frame, size_t panel) const {
  return margin + static_cast<double>(panel) * (frame.panel_width + margin);
}
double TokenText::textX(const Frame& frame, size_t panel) const { return panelX(frame, panel) + inner; }

PanelStyle TokenText::panelStyle(bool compact) const { return {font(), is_dark(palette()), compact}; }

void TokenText::paintAll(QPainter& painter, const Frame& frame, const TokenLayout& layout, double scrolled,
                         int text_height) const {
  const PanelStyle style = panelStyle(frame.compact);
  if (!frame.compact)
    paint_token_legend(&painter, legend_, style, QRectF(margin, 4.0, frame.width - 2 * margin, 1.0));
  const TokenLook look{verdict_begin_, verdict_end_, chosen_, attention_, style.dark};
  for (size_t i = 0; i < panels_.size(); ++i) {
    const double x = panelX(frame, i);
    paint_panel_header(&painter, panels_[i], style, QRectF(x, frame.legend, frame.panel_width, frame.header));
    painter.save();
    painter.setClipRect(QRectF(x, frame.top(), frame.panel_width, text_height));
    painter.translate(textX(frame, i), frame.top() - scrolled);
    paint_tokens(painter, layout, panels_[i].states, look,
                 QRectF(0.0, scrolled, frame.text_width, text_height));
    painter.restore();
    paint_panel_answer(&painter, panels_[i], style,
                       QRectF(x, frame.top() + text_height + 2.0, frame.panel_width, frame.footer - margin));
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
  paintAll(painter, frame_, layout_, verticalScrollBar()->value(), page(frame_));
}

QSize TokenText::pictureSize() const {
  const Frame frame = frameOf(viewport()->width(), false);
  const int all = frame.top() + frame.footer + static_cast<int>(std::ceil(layout_.height())) + 4;
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
  const Frame frame = frameOf(size.width(), false);
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
