#pragma once

#include <QWidget>
#include <functional>
#include <set>
#include <utility>

#include "gui/widgets/picture.hpp"

class QAction;
class QLabel;
class QStackedLayout;
class QToolBar;

namespace razorscope::gui {

/// A plot with the habits that all charts have: the wheel zooms, dragging pans, a double click (or Home)
/// shows all again; hovering tells values; a click on the legend hides and shows; axes can be logarithmic;
/// PNG, SVG, PDF and CSV can be exported. Where there is nothing to draw it says why. Colours follow the
/// palette.
///
/// A view fills plot() and hands over what its values are in words.
class Chart : public QWidget, public Picture {
  Q_OBJECT

 public:
  /// name: what a screen reader calls it, and exported files by default.
  explicit Chart(const QString& name, QWidget* parent = nullptr);
  ~Chart() override;

  QCustomPlot& plot() { return *plot_; }
  const QCustomPlot& plot() const { return *plot_; }
  QString name() const { return name_; }

  void setAxisLabels(const QString& x, const QString& y);
  /// A line above the plot.
  void setCaption(const QString& text);
  /// Shown in place of the plot; "": the plot.
  void setMessage(const QString& why);
  QString message() const;

  void setLogarithmic(Qt::Orientation axis, bool logarithmic);
  bool isLogarithmic(Qt::Orientation axis) const;
  /// Whether the user may choose: not on an axis of names.
  void setCanBeLogarithmic(Qt::Orientation axis, bool can);
  void setLegendVisible(bool visible);
  /// Under the plot instead of beside it, in so many columns: where width is dear.
  void setLegendBelow(int columns);
  /// The bar above the plot, where one among several charts is small; the context menu has the same.
  void setToolsVisible(bool visible);

  /// What lies at a place of the plot, in words; "": nothing.
  void setHover(std::function<QString(const QPointF&)> hover) { hover_ = std::move(hover); }
  void setCsv(std::function<QString()> csv) { csv_ = std::move(csv); }
  /// Shows all again; unless given, rescales the axes.
  void setFit(std::function<void()> fit) { fit_ = std::move(fit); }
  void resetZoom();

  /// Names of series that the user hid.
  const std::set<QString>& hidden() const { return hidden_; }
  void setHidden(std::set<QString> names);

  /// Names in the legend, as shown.
  QStringList legendTexts() const;

  QSize pictureSize() const override;
  void paintPicture(QCPPainter& painter, const QSize& size) override;
  QString csv() const override;
  /// Asks where to, and exports.
  void exportInteractively();

 Q_SIGNALS:
  void clicked(const QPointF& position, Qt::KeyboardModifiers modifiers);
  /// A series was hidden or shown.
  void hiddenChanged();
  void logarithmicChanged();
  /// Colours have to be chosen anew.
  void restyled();

 protected:
  /// Colours of axes that were added.
  void applyPalette();
  void changeEvent(QEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  bool eventFilter(QObject* object, QEvent* event) override;

 private:
  void makeActions();
  void elideCaption();
  void toggleSeries(QCPAbstractLegendItem* item);
  void zoomBy(double factor);
  void pan(double x, double y);
  QCPAxis* axisOf(Qt::Orientation axis) const;

  QString name_;
  QCustomPlot* plot_;
  QCPTextElement* caption_ = nullptr;
  QString caption_text_;
  QLabel* message_;
  QStackedLayout* pages_;
  QToolBar* tools_;
  QAction* log_x_ = nullptr;
  QAction* log_y_ = nullptr;
  QAction* legend_ = nullptr;
  QCPLayoutGrid* legend_home_ = nullptr;  // where it stands, and where in it
  std::pair<int, int> legend_cell_;
  std::function<QString(const QPointF&)> hover_;
  std::function<QString()> csv_;
  std::function<void()> fit_;
  std::set<QString> hidden_;
  QPoint pressed_;
};

}  // namespace razorscope::gui
