#include "gui/widgets/bar_chart.hpp"

#include <algorithm>
#include <cmath>

#include "gui/data/format.hpp"
#include "gui/widgets/legend.hpp"
#include "gui/widgets/painted_plottable.hpp"
#include "gui/widgets/short_ticker.hpp"
#include "gui/widgets/theme.hpp"

namespace razorscope::gui {
namespace {

constexpr double half_bar = 0.32;       // of the distance of two bars
constexpr double beyond_limits = 1.35;  // of the largest limit: how much is shown
constexpr int most_label = 30;          // characters

QColor faded(QColor colour, double opacity) {
  colour.setAlphaF(static_cast<float>(opacity));
  return colour;
}

QString label_text(const QString& label) {
  return label.size() <= most_label ? label : label.left(most_label - 1) + u'…';
}

}  // namespace

BarChart::BarChart(const QString& name, QWidget* parent) : Chart(name, parent) {
  setCanBeLogarithmic(Qt::Vertical, false);
  plot().axisRect()->setRangeZoom(Qt::Horizontal);
  plot().axisRect()->setRangeDrag(Qt::Horizontal);
  plot().yAxis->setRangeReversed(true);
  plot().yAxis->setSubTicks(false);
  plot().yAxis->grid()->setVisible(false);
  plot().yAxis->setTickLength(0);
  for (QCPAxis* axis : {plot().xAxis2, plot().yAxis2}) axis->setTicks(false);
  setLegendBelow(3);
  name_ticks_shortly(*plot().xAxis, 4);
  setHover([this](const QPointF& position) { return wordsAt(position); });
  setCsv([this] { return text(); });
  setFit([this] { fit(); });
  connect(this, &Chart::hiddenChanged, this, [this] {
    makeLayers();
    resetZoom();
  });
  connect(this, &Chart::restyled, this, &BarChart::makeLayers);
  connect(this, &Chart::logarithmicChanged, this, [this] { name_ticks_shortly(*plot().xAxis, 4); });
}

void BarChart::resizeEvent(QResizeEvent* event) {
  Chart::resizeEvent(event);
  // The room for figures at the ends is known once the plot has its new size.
  QMetaObject::invokeMethod(this, &Chart::resetZoom, Qt::QueuedConnection);
}

void BarChart::setParts(std::vector<BarPart> parts, const QString& limit_name) {
  parts_ = std::move(parts);
  limit_name_ = limit_name;
  makeLayers();
}

void BarChart::setBars(std::vector<StackedBar> bars, bool fits_limits) {
  bars_ = std::move(bars);
  fits_limits_ = fits_limits;
  const QSharedPointer<QCPAxisTickerText> ticker(new QCPAxisTickerText);
  for (size_t i = 0; i < bars_.size(); ++i)
    ticker->addTick(static_cast<double>(i), label_text(bars_[i].label));
  plot().yAxis->setTicker(ticker);
  fit();
  plot().replot(QCustomPlot::rpQueuedReplot);
}

/// The legend has a line for each part, which hides and shows it.
void BarChart::makeLayers() {
  plot().clearPlottables();
  const bool dark = is_dark(palette());
  const auto finish = [this](QCPAbstractPlottable* layer, const QString& name) {
    layer->setName(name);
    if (hidden().contains(name)) grey_hidden(plot(), *layer, palette());
  };
  for (size_t part = 0; part < parts_.size(); ++part) {
    const QColor fill = faded(colour(parts_[part].paint, dark), parts_[part].opacity);
    const auto draw = [this, part](QCPPainter& painter) { drawPart(painter, part); };
    if (parts_[part].name.isEmpty()) {
      new PaintedPlottable(plot(), draw);
      continue;
    }
    finish(new PaintedPlottable(plot(), draw,
                                [fill](QCPPainter& painter, const QRectF& rect) {
                                  painter.fillRect(rect.adjusted(4.0, 2.0, -4.0, -2.0), fill);
                                }),
           parts_[part].name);
  }
  if (!limit_name_.isEmpty()) {
    const QColor ink = colour(paints::ink, dark);
    finish(new PaintedPlottable(
               plot(), [this](QCPPainter& painter) { drawLimits(painter); },
               [ink](QCPPainter& painter, const QRectF& rect) {
                 painter.setPen(QPen(ink, 2.5));
                 painter.drawLine(QPointF(rect.center().x(), rect.top() + 1.0),
                                  QPointF(rect.center().x(), rect.bottom() - 1.0));
               }),
           limit_name_);
  }
  new PaintedPlottable(plot(), [this](QCPPainter& painter) { drawNotes(painter); });
  plot().replot(QCustomPlot::rpQueuedReplot);
}

double BarChart::endOf(const StackedBar& bar) const {
  double end = 0.0;
  for (size_t part = 0; part < bar.segments.size(); ++part)
    end += isHidden(part) ? 0.0 : bar.segments[part].value;
  return end;
}

void BarChart::fit() {
  double end = 0.0;
  double limit = 0.0;
  for (const StackedBar& bar : bars_) {
    end = std::max(end, endOf(bar));
    limit = std::max(limit, bar.limit.value_or(0.0));
  }
  end = std::max(end, limit);
  if (fits_limits_ && limit > 0.0) end = std::min(end, beyond_limits * limit);
  if (end <= 0.0) end = 1.0;
  if (isLogarithmic(Qt::Horizontal)) {
    plot().xAxis->setRange(end * 1e-4, end * 4.0);
  } else {
    // Room for the figures at the ends.
    double widest = 0.0;
    for (const StackedBar& bar : bars_) {
      if (!bar.exceeds || !fits_limits_)
        widest = std::max(widest, QFontMetricsF(font()).horizontalAdvance(bar.note) + 14.0);
    }
    const double room = std::clamp(widest / std::max(1, plot().axisRect()->width()), 0.04, 0.5);
    plot().xAxis->setRange(0.0, end / (1.0 - room));
  }
  plot().yAxis->setRange(-0.6, std::max(0.6, static_cast<double>(bars_.size()) - 0.4));
}

double BarChart::pixel(double value) const {
  if (value <= plot().xAxis->range().lower && isLogarithmic(Qt::Horizontal)) return plot().axisRect()->left();
  return plot().xAxis->coordToPixel(value);
}

QRectF BarChart::rectOf(size_t bar, size_t part) const {
  double begin = 0.0;
  for (size_t i = 0; i < part; ++i) begin += isHidden(i) ? 0.0 : bars_[bar].segments[i].value;
  const auto row = static_cast<double>(bar);
  return QRectF(QPointF(pixel(begin), plot().yAxis->coordToPixel(row - half_bar)),
                QPointF(pixel(begin + bars_[bar].segments[part].value),
                        plot().yAxis->coordToPixel(row + half_bar)))
      .normalized();
}

void BarChart::drawPart(QCPPainter& painter, size_t part) const {
  if (isHidden(part)) return;
  painter.setPen(Qt::NoPen);
  for (size_t i = 0; i < bars_.size(); ++i) {
    if (part >= bars_[i].segments.size() || !(bars_[i].segments[part].value > 0.0)) continue;
    const BarSegment& segment = bars_[i].segments[part];
    painter.setBrush(faded(colour(segment.paint, is_dark(palette())), segment.opacity));
    painter.drawRect(rectOf(i, part));
  }
}

void BarChart::drawLimits(QCPPainter& painter) const {
  if (hidden().contains(limit_name_)) return;
  for (size_t i = 0; i < bars_.size(); ++i) {
    if (!bars_[i].limit) continue;
    const double x = pixel(*bars_[i].limit);
    const auto row = static_cast<double>(i);
    painter.setPen(QPen(colour(bars_[i].exceeds ? paints::warning : paints::ink, is_dark(palette())), 2.5));
    painter.drawLine(QPointF(x, plot().yAxis->coordToPixel(row - half_bar - 0.1)),
                     QPointF(x, plot().yAxis->coordToPixel(row + half_bar + 0.1)));
  }
}

void BarChart::drawNotes(QCPPainter& painter) const {
  const bool dark = is_dark(palette());
  const QRectF sheet = plot().axisRect()->rect();
  painter.setFont(font());
  const QFontMetricsF metrics(font());
  for (size_t i = 0; i < bars_.size(); ++i) {
    if (bars_[i].note.isEmpty()) continue;
    const double end = pixel(endOf(bars_[i]));
    const double width = metrics.horizontalAdvance(bars_[i].note) + 4.0;
    const double middle = plot().yAxis->coordToPixel(static_cast<double>(i));
    const double left = std::min(end + 6.0, sheet.right() - width - 4.0);
    const QRectF place(left, middle - metrics.height() / 2.0, width, metrics.height());
    if (left < end) {
      QColor page = palette().color(QPalette::Base);
      page.setAlpha(225);
      painter.fillRect(place.adjusted(-2.0, 0.0, 2.0, 0.0), page);
    }
    painter.setPen(bars_[i].exceeds ? colour(paints::warning, dark) : palette().color(QPalette::Text));
    painter.drawText(place, Qt::AlignVCenter | Qt::AlignLeft, bars_[i].note);
  }
}

QString BarChart::wordsAt(const QPointF& position) const {
  if (!plot().axisRect()->rect().contains(position.toPoint())) return {};
  const double row = std::floor(plot().yAxis->pixelToCoord(position.y()) + 0.5);
  if (row < 0.0 || row >= static_cast<double>(bars_.size())) return {};
  const auto bar = static_cast<size_t>(row);
  for (size_t part = 0; part < bars_[bar].segments.size(); ++part) {
    if (!isHidden(part) && bars_[bar].segments[part].value > 0.0 && rectOf(bar, part).contains(position))
      return bars_[bar].label + u'\n' + bars_[bar].segments[part].words;
  }
  return bars_[bar].note.isEmpty() ? bars_[bar].label : bars_[bar].label + u'\n' + bars_[bar].note;
}

QString BarChart::text() const {
  QString out = QStringLiteral("bar,part,%1\n").arg(csv_field(plot().xAxis->label()));
  for (const StackedBar& bar : bars_) {
    for (size_t part = 0; part < bar.segments.size(); ++part) {
      if (isHidden(part)) continue;
      out += QStringLiteral("%1,%2,%3\n")
                 .arg(csv_field(bar.label), csv_field(parts_[part].name),
                      full_precision(bar.segments[part].value));
    }
  }
  return out;
}

}  // namespace razorscope::gui
