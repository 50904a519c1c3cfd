#include "gui/widgets/colour_bar.hpp"

#include <cmath>

#include "experiments/store/figures/palette.hpp"

namespace razorscope::gui {
namespace {

constexpr int bar_width = 14;
constexpr int tick_length = 4;
constexpr int most_height = 260;

}  // namespace

double ColourBar::valueAt(double share) const {
  if (scale_.logarithmic) return scale_.low * std::pow(scale_.high / scale_.low, share);
  return scale_.low + share * (scale_.high - scale_.low);
}

QStringList ColourBar::ticks() const {
  if (!(scale_.high > scale_.low)) return {figure_text(scale_.high, format_)};
  QStringList texts;
  for (int i = 0; i <= steps; ++i) texts += figure_text(valueAt(static_cast<double>(i) / steps), format_);
  return texts;
}

QSize ColourBar::minimumOuterSizeHint() const {
  const QFontMetrics metrics(font_);
  int widest = 0;
  for (const QString& text : ticks()) widest = std::max(widest, metrics.horizontalAdvance(text));
  return {bar_width + 2 * tick_length + widest + 4, 80};
}

void ColourBar::draw(QCPPainter* painter) {
  const QFontMetrics metrics(font_);
  const QRect all = rect();
  const int height = std::min(all.height() - metrics.height(), most_height);
  if (height < 20) return;
  const int top = all.top() + metrics.height() / 2;
  painter->setPen(Qt::NoPen);
  for (int y = 0; y < height; ++y) {
    const double share = 1.0 - (y + 0.5) / height;
    painter->setBrush(QColor(QString::fromStdString(sequential_colour(share))));
    painter->drawRect(QRectF(all.left(), top + y, bar_width, 1.5));
  }
  painter->setBrush(Qt::NoBrush);
  painter->setPen(QPen(ink_, 0.8));
  painter->drawRect(QRectF(all.left(), top, bar_width, height));
  painter->setFont(font_);
  const QStringList texts = ticks();
  for (qsizetype i = 0; i < texts.size(); ++i) {
    const double share = texts.size() > 1 ? static_cast<double>(i) / steps : 1.0;
    const double y = top + height * (1.0 - share);
    const int left = all.left() + bar_width;
    painter->drawLine(QPointF(left, y), QPointF(left + tick_length, y));
    painter->drawText(QRectF(left + 2 * tick_length, y - metrics.height() / 2.0, 200.0, metrics.height()),
                      Qt::AlignLeft | Qt::AlignVCenter, texts[i]);
  }
}

}  // namespace razorscope::gui
