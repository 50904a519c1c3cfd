#include "gui/widgets/chart.hpp"

#include <QAction>
#include <QEvent>
#include <QFileDialog>
#include <QKeyEvent>
#include <QLabel>
#include <QMessageBox>
#include <QStackedLayout>
#include <QToolBar>
#include <QToolTip>
#include <QVBoxLayout>

#include "gui/widgets/log_ticker.hpp"
#include "gui/widgets/theme.hpp"
#include "gui/widgets/wrapped_label.hpp"

namespace razorscope::gui {
namespace {

constexpr ExportFormat all_formats[] = {ExportFormat::png, ExportFormat::svg, ExportFormat::pdf,
                                        ExportFormat::csv};

/// A range has to be positive before an axis can be logarithmic.
void make_logarithmic(QCPAxis& axis, bool logarithmic) {
  if (logarithmic) {
    axis.setScaleType(QCPAxis::stLogarithmic);
    const QSharedPointer<QCPAxisTicker> ticker(new LogTicker);
    axis.setTicker(ticker);
    axis.setNumberFormat(QStringLiteral("gbc"));
    axis.setNumberPrecision(3);
  } else {
    axis.setScaleType(QCPAxis::stLinear);
    const QSharedPointer<QCPAxisTicker> ticker(new QCPAxisTicker);
    axis.setTicker(ticker);
    axis.setNumberFormat(QStringLiteral("gbc"));
    axis.setNumberPrecision(4);
  }
}

}  // namespace

Chart::Chart(const QString& name, QWidget* parent)
    : QWidget(parent),
      name_(name),
      plot_(new QCustomPlot(this)),
      message_(new QLabel(this)),
      pages_(new QStackedLayout),
      tools_(new QToolBar(this)) {
  setAccessibleName(name);
  setFocusPolicy(Qt::StrongFocus);
  plot_->setInteractions(QCP::iRangeDrag | QCP::iRangeZoom);
  plot_->setFocusProxy(this);
  plot_->setAccessibleName(name);
  plot_->setMouseTracking(true);
  plot_->setMinimumSize(200, 140);
  plot_->installEventFilter(this);
  // The legend stands beside the axes, so that it hides nothing.
  plot_->plotLayout()->addElement(0, 1, new QCPLayoutGrid);
  auto* side = qobject_cast<QCPLayoutGrid*>(plot_->plotLayout()->element(0, 1));
  side->addElement(0, 0, plot_->legend);
  side->addElement(1, 0, new QCPLayoutElement);
  side->setRowStretchFactor(0, 0.001);
  legend_home_ = side;
  plot_->plotLayout()->setColumnStretchFactor(1, 0.001);
  plot_->legend->setVisible(true);
  plot_->legend->setMargins(QMargins(4, 4, 14, 4));
  plot_->axisRect()->setupFullAxesBox();
  make_logarithmic(*plot_->xAxis, false);
  make_logarithmic(*plot_->yAxis, false);

  message_->setAlignment(Qt::AlignCenter);
  wrap_words(*message_);
  message_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(0);
  layout->addWidget(tools_);
  layout->addLayout(pages_, 1);
  pages_->addWidget(plot_);
  pages_->addWidget(message_);
  makeActions();
  applyPalette();

  connect(plot_, &QCustomPlot::legendClick, this,
          [this](QCPLegend*, QCPAbstractLegendItem* item, QMouseEvent*) { toggleSeries(item); });
  connect(plot_, &QCustomPlot::afterLayout, this, &Chart::elideCaption);
  connect(plot_, &QCustomPlot::mouseDoubleClick, this, [this] { resetZoom(); });
  connect(plot_, &QCustomPlot::mousePress, this, [this](QMouseEvent* event) { pressed_ = event->pos(); });
  connect(plot_, &QCustomPlot::mouseRelease, this, [this](QMouseEvent* event) {
    const bool moved = (event->pos() - pressed_).manhattanLength() > 4;
    if (!moved && event->button() == Qt::LeftButton && plot_->axisRect()->rect().contains(event->pos()))
      Q_EMIT clicked(event->position(), event->modifiers());
  });
}

Chart::~Chart() = default;

void Chart::makeActions() {
  tools_->setIconSize(QSize(16, 16));
  const auto add = [this](const QString& text, const QString& help) {
    QAction* action = tools_->addAction(text);
    action->setToolTip(help);
    addAction(action);  // the context menu
    return action;
  };
  setContextMenuPolicy(Qt::ActionsContextMenu);
  connect(add(tr("Show all"), tr("Show all of the chart again (Home, or a double click)")),
          &QAction::triggered, this, &Chart::resetZoom);
  log_x_ = add(tr("Log x"), tr("A logarithmic horizontal axis"));
  log_y_ = add(tr("Log y"), tr("A logarithmic vertical axis"));
  legend_ = add(tr("Legend"), tr("Show the legend; a click on its lines hides and shows them"));
  for (QAction* action : {log_x_, log_y_, legend_}) action->setCheckable(true);
  legend_->setChecked(true);
  connect(log_x_, &QAction::toggled, this, [this](bool on) { setLogarithmic(Qt::Horizontal, on); });
  connect(log_y_, &QAction::toggled, this, [this](bool on) { setLogarithmic(Qt::Vertical, on); });
  connect(legend_, &QAction::toggled, this, &Chart::setLegendVisible);
  connect(add(tr("Export…"), tr("As PNG, SVG, PDF, or the figures as CSV")), &QAction::triggered, this,
          &Chart::exportInteractively);
}

QCPAxis* Chart::axisOf(Qt::Orientation axis) const {
  return axis == Qt::Horizontal ? plot_->xAxis : plot_->yAxis;
}

void Chart::setAxisLabels(const QString& x, const QString& y) {
  plot_->xAxis->setLabel(x);
  plot_->yAxis->setLabel(y);
}

void Chart::setCaption(const QString& text) {
  if (caption_ == nullptr) {
    if (text.isEmpty()) return;
    plot_->plotLayout()->insertRow(0);
    if (legend_home_ == plot_->plotLayout()) ++legend_cell_.first;
    caption_ = new QCPTextElement(plot_, text);
    caption_->setTextFlags(Qt::AlignCenter | Qt::TextDontClip);
    caption_->setMinimumSize(1, 0);  // it is elided, and takes no room from the legend
    plot_->plotLayout()->addElement(0, 0, caption_);
    applyPalette();
  }
  caption_text_ = text;
  caption_->setText(text);
}

/// As much of the caption as there is room for.
void Chart::elideCaption() {
  if (caption_ == nullptr) return;
  const int room = plot_->axisRect()->outerRect().width();
  const QString text = QFontMetrics(caption_->font()).elidedText(caption_text_, Qt::ElideMiddle, room);
  if (text != caption_->text()) caption_->setText(text);
}

void Chart::setMessage(const QString& why) {
  message_->setText(why);
  pages_->setCurrentWidget(why.isEmpty() ? static_cast<QWidget*>(plot_) : message_);
}

QString Chart::message() const { return message_->text(); }

void Chart::setLogarithmic(Qt::Orientation axis, bool logarithmic) {
  QAction* action = axis == Qt::Horizontal ? log_x_ : log_y_;
  if (isLogarithmic(axis) == logarithmic) return;
  make_logarithmic(*axisOf(axis), logarithmic);
  const QSignalBlocker quiet(action);
  action->setChecked(logarithmic);
  Q_EMIT logarithmicChanged();
  resetZoom();
}

bool Chart::isLogarithmic(Qt::Orientation axis) const {
  return axisOf(axis)->scaleType() == QCPAxis::stLogarithmic;
}

void Chart::setCanBeLogarithmic(Qt::Orientation axis, bool can) {
  (axis == Qt::Horizontal ? log_x_ : log_y_)->setVisible(can);
}

void Chart::setLegendVisible(bool visible) {
  QCPLegend* const legend = plot_->legend;
  if (visible == (legend->layout() != nullptr)) return;
  // One that is not seen must not take room.
  if (visible) {
    legend_home_->addElement(legend_cell_.first, legend_cell_.second, legend);
  } else {
    legend_home_->take(legend);
  }
  legend->setVisible(visible);
  const QSignalBlocker quiet(legend_);
  legend_->setChecked(visible);
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

void Chart::setLegendBelow(int columns) {
  QCPLegend* const legend = plot_->legend;
  if (legend->layout() != nullptr) legend_home_->take(legend);
  legend_home_ = plot_->plotLayout();
  legend_cell_ = {legend_home_->rowCount(), 0};
  legend_home_->addElement(legend_cell_.first, 0, legend);
  legend_home_->setRowStretchFactor(legend_cell_.first, 0.001);
  legend->setFillOrder(QCPLegend::foColumnsFirst);
  legend->setWrap(columns);
  legend->setIconSize(24, 18);  // higher than text, whose descenders would be cut
  legend->setMargins(QMargins(0, 0, 0, 4));
}

void Chart::setToolsVisible(bool visible) { tools_->setVisible(visible); }

void Chart::resetZoom() {
  if (fit_) {
    fit_();
  } else {
    plot_->rescaleAxes(true);
  }
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

void Chart::setHidden(std::set<QString> names) {
  if (names == hidden_) return;
  hidden_ = std::move(names);
  Q_EMIT hiddenChanged();
}

void Chart::toggleSeries(QCPAbstractLegendItem* item) {
  auto* entry = qobject_cast<QCPPlottableLegendItem*>(item);
  if (entry == nullptr) return;
  std::set<QString> names = hidden_;
  const QString series = entry->plottable()->name();
  if (names.erase(series) == 0) names.insert(series);
  setHidden(std::move(names));
}

QStringList Chart::legendTexts() const {
  QStringList texts;
  for (int i = 0; i < plot_->legend->itemCount(); ++i) {
    if (auto* item = qobject_cast<QCPPlottableLegendItem*>(plot_->legend->item(i)))
      texts += item->plottable()->name();
  }
  return texts;
}

QSize Chart::pictureSize() const { return plot_->size(); }

void Chart::paintPicture(QCPPainter& painter, const QSize& size) {
  if (!message().isEmpty()) {
    painter.fillRect(QRect(QPoint(0, 0), size), palette().color(QPalette::Base));
    painter.setPen(palette().color(QPalette::Text));
    painter.drawText(QRect(QPoint(0, 0), size), Qt::AlignCenter | Qt::TextWordWrap, message());
    return;
  }
  plot_->toPainter(&painter, size.width(), size.height());
}

QString Chart::csv() const { return csv_ ? csv_() : QString(); }

void Chart::exportInteractively() {
  const QString path =
      QFileDialog::getSaveFileName(this, tr("Export %1").arg(name_), name_ + QStringLiteral(".png"),
                                   tr("Picture (*.png);;Drawing (*.svg);;Document (*.pdf);;Figures (*.csv)"));
  if (path.isEmpty()) return;
  try {
    export_picture(*this, path, export_format(path, {std::begin(all_formats), std::end(all_formats)}));
  } catch (const std::exception& problem) {
    QMessageBox::warning(this, tr("Export"), QString::fromUtf8(problem.what()));
  }
}

void Chart::applyPalette() {
  const bool dark = is_dark(palette());
  const QColor page = palette().color(QPalette::Base);
  const QColor ink = palette().color(QPalette::Text);
  const QColor grid = colour(paints::grid, dark);
  const QColor frame = colour(paints::frame, dark);
  plot_->setBackground(QBrush(page));
  QList<QCPAxis*> axes;
  for (QCPAxisRect* rect : plot_->axisRects()) axes += rect->axes();
  for (QCPAxis* axis : std::as_const(axes)) {
    axis->setBasePen(QPen(frame));
    axis->setTickPen(QPen(frame));
    axis->setSubTickPen(QPen(frame));
    axis->setLabelColor(ink);
    axis->setTickLabelColor(ink);
    axis->setLabelFont(font());
    axis->setTickLabelFont(font());
    axis->grid()->setPen(QPen(grid, 0, Qt::SolidLine));
    axis->grid()->setZeroLinePen(QPen(grid));
  }
  plot_->legend->setBrush(QBrush(page));
  plot_->legend->setBorderPen(Qt::NoPen);
  plot_->legend->setTextColor(ink);
  plot_->legend->setFont(font());
  if (caption_ != nullptr) {
    caption_->setTextColor(ink);
    caption_->setFont(font());
  }
  Q_EMIT restyled();
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

void Chart::changeEvent(QEvent* event) {
  QWidget::changeEvent(event);
  if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) applyPalette();
}

void Chart::zoomBy(double factor) {
  for (QCPAxis* axis : {plot_->xAxis, plot_->yAxis}) {
    if (plot_->axisRect()->rangeZoom() & axis->orientation()) axis->scaleRange(factor);
  }
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

void Chart::pan(double x, double y) {
  const auto move = [](QCPAxis& axis, double part) {
    const QCPRange range = axis.range();
    if (axis.scaleType() == QCPAxis::stLogarithmic) {
      const double factor = std::pow(range.upper / range.lower, part);
      axis.setRange(range.lower * factor, range.upper * factor);
    } else {
      axis.moveRange(part * range.size());
    }
  };
  const Qt::Orientations moved = plot_->axisRect()->rangeDrag();
  if (moved.testFlag(Qt::Horizontal)) move(*plot_->xAxis, x);
  if (moved.testFlag(Qt::Vertical)) move(*plot_->yAxis, y);
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

void Chart::keyPressEvent(QKeyEvent* event) {
  switch (event->key()) {
    case Qt::Key_Home:
      return resetZoom();
    case Qt::Key_Plus:
      return zoomBy(0.8);
    case Qt::Key_Minus:
      return zoomBy(1.25);
    case Qt::Key_Left:
      return pan(-0.1, 0.0);
    case Qt::Key_Right:
      return pan(0.1, 0.0);
    case Qt::Key_Up:
      return pan(0.0, 0.1);
    case Qt::Key_Down:
      return pan(0.0, -0.1);
    default:
      QWidget::keyPressEvent(event);
  }
}

bool Chart::eventFilter(QObject* object, QEvent* event) {
  if (object == plot_ && event->type() == QEvent::ToolTip) {
    const auto* help = static_cast<QHelpEvent*>(event);
    const QString text = hover_ ? hover_(help->pos()) : QString();
    if (text.isEmpty()) {
      QToolTip::hideText();
    } else {
      QToolTip::showText(help->globalPos(), text, plot_);
    }
    return true;
  }
  if (object == plot_ && event->type() == QEvent::MouseMove && hover_) {
    const auto* mouse = static_cast<QMouseEvent*>(event);
    if (mouse->buttons() == Qt::NoButton) {
      const QString text = hover_(mouse->position());
      plot_->setCursor(text.isEmpty() ? Qt::ArrowCursor : Qt::PointingHandCursor);
      if (text.isEmpty()) {
        QToolTip::hideText();
      } else {
        QToolTip::showText(mouse->globalPosition().toPoint(), text, plot_);
      }
    }
  }
  return QWidget::eventFilter(object, event);
}

}  // namespace razorscope::gui
