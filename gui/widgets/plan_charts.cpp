#include "gui/widgets/plan_charts.hpp"

#include <QGridLayout>
#include <algorithm>

#include "gui/data/format.hpp"

namespace razorscope::gui {
namespace {

constexpr double gigabyte = 1e9;
constexpr int least_bars = 190;  // pixels

QString gigabytes(double bytes) { return QStringLiteral("%1 GB").arg(bytes / gigabyte, 0, 'f', 1); }
QString milliseconds(double seconds) {
  return QStringLiteral("%1 ms").arg(figure_text(seconds * 1e3, FigureKind::milliseconds));
}
QString count(int64_t value) { return figure_text(static_cast<double>(value), FigureKind::count); }

Paint paint_of(const PlanRow& row) { return policy_style(row.policy).paint; }

BarSegment memory_segment(const char* what, double bytes, const PlanRow& row, const Paint& paint,
                          double opacity = 1.0) {
  return {bytes / gigabyte, paint,
          QObject::tr("%1: %2 of %3").arg(QObject::tr(what), gigabytes(bytes), gigabytes(row.memory_bytes)),
          opacity};
}

StackedBar memory_bar(const QString& label, const PlanRow& row, int batch) {
  const double weights = row.weights_bytes / row.tp;
  const double kv = row.kv_bytes_per_sequence_rank * batch;
  StackedBar bar = {
      .label = label,
      .segments = {memory_segment("weights", weights, row, paints::band),
                   memory_segment("KV of the batch", kv, row, paint_of(row)),
                   memory_segment("free for KV", std::max(0.0, row.pool_bytes - kv), row, paint_of(row),
                                  0.25),
                   memory_segment("the rest (activations, runtime, what the engine leaves)",
                                  row.memory_bytes - weights - row.pool_bytes, row, paints::pale_band)},
      .limit = row.memory_bytes / gigabyte,
      .exceeds = !row.fits};
  if (!row.fits) bar.note = QObject::tr("does not fit");
  return bar;
}

StackedBar decode_bar(const QString& label, const PlanRow& row) {
  const auto segment = [&](const char* what, double seconds, const Paint& paint) {
    return BarSegment{seconds * 1e3, paint,
                      QObject::tr("%1: %2 of %3 a step")
                          .arg(QObject::tr(what), milliseconds(seconds), milliseconds(row.decode.total()))};
  };
  return {.label = label,
          .segments = {segment("weights", row.decode.weights, paints::band),
                       segment("attention", row.decode.decode_attention, paint_of(row)),
                       segment("all-reduce", row.decode.all_reduce, paints::frame),
                       segment("between products", row.decode.between_products, paints::pale_band),
                       segment("the policy's own", row.decode.policy, paints::ink)},
          .note = milliseconds(row.decode.total())};
}

StackedBar batch_bar(const QString& label, const PlanRow& row, int batch) {
  QString words = QObject::tr("%1 sequences fit at the end of their output").arg(count(row.max_batch));
  QString note = count(row.max_batch);
  if (row.max_batch_admitting < row.max_batch) {
    note += QStringLiteral(" (%1)").arg(count(row.max_batch_admitting));
    words += QObject::tr("; %1 while the last one's prompt is not compressed yet")
                 .arg(count(row.max_batch_admitting));
  }
  if (row.decode_full)
    words += QObject::tr("\n%1 tokens/s with all of them")
                 .arg(figure_text(static_cast<double>(row.max_batch) / row.decode_full->total(),
                                  FigureKind::rate));
  return {.label = label,
          .segments = {{static_cast<double>(row.max_batch), paint_of(row), words}},
          .limit = batch,
          .exceeds = !row.fits,
          .note = note};
}

StackedBar context_bar(const QString& label, const PlanRow& row, int context) {
  return {.label = label,
          .segments = {{static_cast<double>(row.max_context), paint_of(row),
                        QObject::tr("%1 prompt tokens of each sequence fit").arg(count(row.max_context))}},
          .limit = context,
          .exceeds = row.max_context < context,
          .note = count(row.max_context)};
}

}  // namespace

PlanCharts::PlanCharts(QWidget* parent)
    : QWidget(parent),
      memory_(new BarChart(QStringLiteral("Memory of a device"), this)),
      decode_(new BarChart(QStringLiteral("Decode step"), this)),
      batch_(new BarChart(QStringLiteral("Largest batch"), this)),
      context_(new BarChart(QStringLiteral("Largest context"), this)),
      charts_({memory_, decode_, batch_, context_}) {
  memory_->setParts({{tr("weights"), paints::band},
                     {tr("KV (in colour)"), paints::soft},
                     {tr("free for KV"), paints::soft, 0.25},
                     {tr("the rest"), paints::pale_band}},
                    tr("memory"));
  decode_->setParts({{tr("weights"), paints::band},
                     {tr("attention (in colour)"), paints::soft},
                     {tr("all-reduce"), paints::frame},
                     {tr("between"), paints::pale_band},
                     {tr("policy's own"), paints::ink}},
                    {});
  batch_->setParts({{QString(), paints::soft}}, tr("the batch asked for"));
  context_->setParts({{QString(), paints::soft}}, tr("the context asked for"));
  memory_->setAxisLabels(tr("GB of a device"), {});
  decode_->setAxisLabels(tr("ms"), {});
  batch_->setAxisLabels(tr("sequences"), {});
  context_->setAxisLabels(tr("prompt tokens"), {});
  for (Chart* chart : charts_) chart->setToolsVisible(false);
  new QGridLayout(this);
  arrange();
}

void PlanCharts::show(const PlanAnswer& answer) {
  std::vector<StackedBar> memory;
  std::vector<StackedBar> decode;
  std::vector<StackedBar> batch;
  std::vector<StackedBar> context;
  const bool several = std::any_of(answer.rows.begin(), answer.rows.end(), [&](const PlanRow& row) {
    return row.device != answer.rows.front().device;
  });
  label_width_ = 0;
  for (const PlanRow& row : answer.rows) {
    QString label = policy_text(row.policy);
    if (several) label = QStringLiteral("%1: %2").arg(QString::fromStdString(row.device), label);
    label_width_ = std::max(label_width_, fontMetrics().horizontalAdvance(label));
    memory.push_back(memory_bar(label, row, answer.settings.batch));
    decode.push_back(decode_bar(label, row));
    batch.push_back(batch_bar(label, row, answer.settings.batch));
    context.push_back(context_bar(label, row, answer.settings.context));
  }
  const int batch_size = answer.settings.batch;
  memory_->setCaption(tr("Memory of a device, end of the output"));
  decode_->setCaption(tr("A decode step, batch %1").arg(count(batch_size)));
  batch_->setCaption(tr("Largest batch at context %1").arg(count(answer.settings.context)));
  context_->setCaption(tr("Largest context at batch %1").arg(count(batch_size)));
  const int height = 110 + 26 * static_cast<int>(std::max<size_t>(3, memory.size()));
  for (Chart* chart : charts_) chart->setMinimumHeight(height);
  arrange();
  memory_->setBars(std::move(memory), true);
  decode_->setBars(std::move(decode));
  batch_->setBars(std::move(batch));
  context_->setBars(std::move(context));
}

void PlanCharts::setMessage(const QString& why) {
  for (Chart* chart : charts_) {
    chart->setMessage(why);
    chart->setVisible(why.isEmpty() || chart == memory_);
  }
}

void PlanCharts::resizeEvent(QResizeEvent* event) {
  QWidget::resizeEvent(event);
  arrange();
}

void PlanCharts::arrange() {
  const int columns = width() >= 2 * (label_width_ + least_bars) ? 2 : 1;
  if (columns == columns_) return;
  columns_ = columns;
  auto* grid = static_cast<QGridLayout*>(layout());
  grid->setContentsMargins(0, 0, 0, 0);
  for (size_t i = 0; i < charts_.size(); ++i) {
    grid->removeWidget(charts_[i]);
    const int place = static_cast<int>(i);
    grid->addWidget(charts_[i], place / columns, place % columns);
  }
}

}  // namespace razorscope::gui
