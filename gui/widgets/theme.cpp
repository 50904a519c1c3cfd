#include "gui/widgets/theme.hpp"

#include <QPainter>
#include <QProxyStyle>
#include <QStyleOption>

namespace razorscope::gui {
namespace {

/// The paints of figures, as a desktop's palette.
QPalette palette_of(bool dark) {
  const QColor page = colour(paints::page, dark);
  const QColor ink = colour(paints::ink, dark);
  const QColor window = dark ? page.lighter(140) : page.darker(105);
  const QColor faint = colour(paints::frame, dark);
  QPalette palette;
  palette.setColor(QPalette::Window, window);
  palette.setColor(QPalette::WindowText, ink);
  palette.setColor(QPalette::Base, page);
  palette.setColor(QPalette::AlternateBase, dark ? page.lighter(125) : page.darker(102));
  palette.setColor(QPalette::Text, ink);
  palette.setColor(QPalette::Button, window);
  palette.setColor(QPalette::ButtonText, ink);
  palette.setColor(QPalette::BrightText, Qt::white);
  palette.setColor(QPalette::ToolTipBase, window);
  palette.setColor(QPalette::ToolTipText, ink);
  palette.setColor(QPalette::PlaceholderText, faint);
  palette.setColor(QPalette::Link, colour(paints::link, dark));
  palette.setColor(QPalette::Highlight, colour(paints::chosen, dark));
  palette.setColor(QPalette::HighlightedText, Qt::white);
  palette.setColor(QPalette::Light, window.lighter(dark ? 150 : 110));
  palette.setColor(QPalette::Midlight, window.lighter(dark ? 125 : 105));
  palette.setColor(QPalette::Mid, window.darker(dark ? 120 : 130));
  palette.setColor(QPalette::Dark, window.darker(dark ? 160 : 160));
  palette.setColor(QPalette::Shadow, Qt::black);
  for (const QPalette::ColorRole role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText})
    palette.setColor(QPalette::Disabled, role, faint);
  return palette;
}

/// Fusion frames boxes a little darker than the window, which nobody sees on dark.
class FramedStyle final : public QProxyStyle {
 public:
  FramedStyle() : QProxyStyle(QStringLiteral("Fusion")) {}

  void drawPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                     const QWidget* widget) const override {
    QProxyStyle::drawPrimitive(element, option, painter, widget);
    if (element != PE_IndicatorCheckBox && element != PE_IndicatorItemViewItemCheck) return;
    if (!is_dark(option->palette)) return;
    painter->save();
    painter->setPen(colour(paints::frame, true));
    painter->setBrush(Qt::NoBrush);
    painter->drawRect(option->rect.adjusted(0, 0, -1, -1));
    painter->restore();
  }
};

}  // namespace

QStyle* make_style() { return new FramedStyle; }

bool is_dark(const QPalette& palette) {
  return palette.color(QPalette::WindowText).lightness() > palette.color(QPalette::Window).lightness();
}

QColor colour(const Paint& paint, bool dark) {
  const std::string_view text = dark ? paint.dark : paint.light;
  return QColor(QString::fromLatin1(text.data(), static_cast<qsizetype>(text.size())));
}

QColor policy_colour(const QString& policy, bool dark) {
  return colour(policy_style(policy.toStdString()).paint, dark);
}

QPalette dark_palette() { return palette_of(true); }
QPalette light_palette() { return palette_of(false); }

}  // namespace razorscope::gui
