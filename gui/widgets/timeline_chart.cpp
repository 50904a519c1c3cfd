#include "gui/widgets/timeline_chart.hpp"

#include <algorithm>
#include <functional>

#include "gui/data/format.hpp"
#include "gui/widgets/legend.hpp"
#include "gui/widgets/theme.hpp"

namespace razorscope::gui {
namespace {

constexpr const char* titles[] = {"Requests", "KV in use, %", "Preemptions so far", "Output tokens/s"};

/// A line of a stripe.
struct StripeLine {
  size_t stripe;
  const char* name;
  const Paint* paint;  // null: the policy's
  double (*value)(const TimelinePoint& now, const TimelinePoint& before);
};

const std::vector<StripeLine>& stripe_lines() {
  static const std::vector<StripeLine> lines = {
      {0, "running", nullptr, [](const auto& now, const auto&) { return double(now.running); }},
      {0, "waiting", &paints::frame, [](const auto& now, const auto&) { return double(now.waiting); }},
      {1, "KV in use", nullptr, [](const auto& now, const auto&) { return 100.0 * now.kv_use; }},
      {2, "preemptions so far", &paints::warning,
       [](const auto& now, const auto&) { return double(now.preemptions); }},
      {3, "output tokens/s", nullptr,
       [](const auto& now, const auto& before) {
         const double seconds = now.time - before.time;
         return seconds > 0.0 ? double(now.output_tokens - before.output_tokens) / seconds : 0.0;
       }},
  };
  return lines;
}

constexpr size_t stripe_count = 4;
constexpr double parts = 100.0;  // of the time: what a second's tokens are the mean of

/// The point against which each one's rates are told: a hundredth of the time earlier, or the first.
std::vector<size_t> earlier_points(const std::vector<TimelinePoint>& points) {
  std::vector<size_t> earlier(points.size(), 0);
  for (size_t i = 1; i < points.size(); ++i) {
    const double span = (points.back().time - points.front().time) / parts;
    size_t at = earlier[i - 1];
    while (at + 1 < i && points[at + 1].time <= points[i].time - span) ++at;
    earlier[i] = at;
  }
  return earlier;
}

}  // namespace

TimelineChart::TimelineChart(const QString& name, QWidget* parent) : Chart(name, parent) {
  for (const Qt::Orientation axis : {Qt::Horizontal, Qt::Vertical}) setCanBeLogarithmic(axis, false);
  auto* margins = new QCPMarginGroup(&plot());
  QCPLayoutGrid* const layout = plot().plotLayout();
  for (size_t i = 0; i < stripe_count; ++i) {
    QCPAxisRect* stripe = plot().axisRect();
    if (i > 0) {
      stripe = new QCPAxisRect(&plot());
      layout->addElement(static_cast<int>(i), 0, stripe);
    }
    stripe->setMarginGroup(QCP::msLeft | QCP::msRight, margins);
    stripe->setMinimumMargins(QMargins(0, 2, 12, 0));
    stripe->setRangeZoom(Qt::Horizontal);
    stripe->setRangeDrag(Qt::Horizontal);
    QCPAxis* const value = stripe->axis(QCPAxis::atLeft);
    value->ticker()->setTickCount(2);
    value->setSubTicks(false);
    for (const auto side : {QCPAxis::atTop, QCPAxis::atRight}) stripe->axis(side)->setVisible(false);
    stripe->axis(QCPAxis::atBottom)->setTickLabels(i + 1 == stripe_count);
    stripes_.push_back(stripe);
  }
  layout->setRowSpacing(0);
  setLegendBelow(5);
  stripes_.back()->axis(QCPAxis::atBottom)->setLabel(tr("seconds since the workload began"));
  for (QCPAxisRect* stripe : stripes_) {
    auto* title = new QCPItemText(&plot());
    title->position->setType(QCPItemPosition::ptAxisRectRatio);
    title->position->setAxisRect(stripe);
    title->position->setCoords(0.0, 0.0);
    title->setPositionAlignment(Qt::AlignLeft | Qt::AlignTop);
    title->setPadding(QMargins(4, 1, 4, 1));
    title->setClipToAxisRect(false);
    title->setText(QString::fromUtf8(titles[titles_.size()]));
    titles_.push_back(title);
  }
  // One axis of time.
  for (QCPAxisRect* from : stripes_) {
    for (QCPAxisRect* to : stripes_) {
      if (from == to) continue;
      connect(from->axis(QCPAxis::atBottom), qOverload<const QCPRange&>(&QCPAxis::rangeChanged),
              to->axis(QCPAxis::atBottom), qOverload<const QCPRange&>(&QCPAxis::setRange));
    }
  }
  setHover([this](const QPointF& position) { return wordsAt(position); });
  setCsv([this] { return text(); });
  setFit([this] { fit(); });
  connect(this, &Chart::restyled, this, &TimelineChart::draw);
  connect(this, &Chart::hiddenChanged, this, &TimelineChart::draw);
  applyPalette();
}

void TimelineChart::setPoints(std::vector<TimelinePoint> points, const Paint& policy) {
  policy_ = policy;
  points_ = std::move(points);
  earlier_ = earlier_points(points_);
  draw();
  fit();
  plot().replot(QCustomPlot::rpQueuedReplot);
}

void TimelineChart::draw() {
  if (stripes_.size() < stripe_count) return;  // not made yet
  plot().clearPlottables();
  for (QCPItemText* title : titles_) {
    QColor page = palette().color(QPalette::Base);
    page.setAlpha(190);
    title->setColor(palette().color(QPalette::Text));
    title->setFont(font());
    title->setBrush(page);
  }
  for (const StripeLine& line : stripe_lines()) {
    QCPAxisRect* const stripe = stripes_[line.stripe];
    QCPGraph* graph = plot().addGraph(stripe->axis(QCPAxis::atBottom), stripe->axis(QCPAxis::atLeft));
    const QString name = QString::fromUtf8(line.name);
    const bool shown = !hidden().contains(name);
    const QColor ink = colour(line.paint == nullptr ? policy_ : *line.paint, is_dark(palette()));
    graph->setName(name);
    graph->setPen(QPen(ink, 1.4));
    QColor fill = ink;
    fill.setAlpha(45);
    graph->setBrush(fill);
    graph->setLineStyle(QCPGraph::lsStepLeft);
    graph->setVisible(shown);
    QVector<double> x;
    QVector<double> y;
    for (size_t i = 0; i < points_.size(); ++i) {
      x += points_[i].time;
      y += line.value(points_[i], points_[earlier_[i]]);
    }
    graph->setData(x, y, true);
    if (!shown) grey_hidden(plot(), *graph, palette());
  }
  plot().replot(QCustomPlot::rpQueuedReplot);
}

void TimelineChart::fit() {
  if (points_.empty()) return;
  const double begin = points_.front().time;
  const double end = points_.back().time;
  stripes_.front()->axis(QCPAxis::atBottom)->setRange(begin, end > begin ? end : begin + 1.0);
  std::vector<double> most(stripe_count, 0.0);
  for (const StripeLine& line : stripe_lines()) {
    if (hidden().contains(QString::fromUtf8(line.name))) continue;
    for (size_t i = 0; i < points_.size(); ++i)
      most[line.stripe] = std::max(most[line.stripe], line.value(points_[i], points_[earlier_[i]]));
  }
  for (size_t i = 0; i < stripe_count; ++i)
    stripes_[i]->axis(QCPAxis::atLeft)->setRange(0.0, most[i] > 0.0 ? 1.12 * most[i] : 1.0);
}

QString TimelineChart::wordsAt(const QPointF& position) const {
  if (points_.empty()) return {};
  const bool inside = std::any_of(stripes_.begin(), stripes_.end(), [&](const QCPAxisRect* stripe) {
    return stripe->rect().contains(position.toPoint());
  });
  if (!inside) return {};
  const double time = stripes_.front()->axis(QCPAxis::atBottom)->pixelToCoord(position.x());
  const auto after = std::upper_bound(points_.begin(), points_.end(), time,
                                      [](double t, const TimelinePoint& point) { return t < point.time; });
  if (after == points_.begin()) return {};
  const auto i = static_cast<size_t>(after - points_.begin()) - 1;
  const TimelinePoint& now = points_[i];
  const TimelinePoint& before = points_[earlier_[i]];
  QString words = tr("after %1 s").arg(figure_text(now.time, FigureKind::error));
  for (const StripeLine& line : stripe_lines())
    words += QStringLiteral("\n%1: %2")
                 .arg(QString::fromUtf8(line.name), figure_text(line.value(now, before), FigureKind::count));
  return words;
}

QString TimelineChart::text() const {
  QString out = QStringLiteral("seconds,running,waiting,kv_use,preemptions,output_tokens,prompt_tokens\n");
  for (const TimelinePoint& point : points_) {
    out += QStringLiteral("%1,%2,%3,%4,%5,%6,%7\n")
               .arg(full_precision(point.time))
               .arg(point.running)
               .arg(point.waiting)
               .arg(full_precision(point.kv_use))
               .arg(point.preemptions)
               .arg(point.output_tokens)
               .arg(point.prompt_tokens);
  }
  return out;
}

}  // namespace razorscope::gui
