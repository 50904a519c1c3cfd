#pragma once

#include <optional>
#include <vector>

#include "experiments/store/figures/palette.hpp"
#include "gui/widgets/chart.hpp"

namespace razorscope::gui {

/// A stretch of a bar.
struct BarSegment {
  double value = 0.0;
  Paint paint;           // its own: bars of policies have their colours
  QString words;         // what hovering tells
  double opacity = 1.0;  // of what is not there yet
};

/// Lengths one after another, under one name; a mark across, where it should end; a figure at its end.
struct StackedBar {
  QString label;
  std::vector<BarSegment> segments;  // one for each part
  std::optional<double> limit = {};
  bool exceeds = false;  // the limit: the mark and the note stand out
  QString note = {};
};

/// What the segments of all bars stand for, in their order: a line of the legend each.
struct BarPart {
  QString name;  // "": it needs no line
  Paint paint;   // of the legend
  double opacity = 1.0;
};

/// Horizontal bars, from top to bottom; the legend stands below.
class BarChart : public Chart {
  Q_OBJECT

 public:
  explicit BarChart(const QString& name, QWidget* parent = nullptr);

  /// What the parts and limits of all bars are; limit_name "": bars have none.
  void setParts(std::vector<BarPart> parts, const QString& limit_name);
  /// Replaces all. `fits_limits`: of bars that run far beyond their limits, the beginning is shown.
  void setBars(std::vector<StackedBar> bars, bool fits_limits = false);
  const std::vector<StackedBar>& bars() const { return bars_; }

  /// Where a segment lies in the plot.
  QRectF rectOf(size_t bar, size_t part) const;

 protected:
  void resizeEvent(QResizeEvent* event) override;

 private:
  void makeLayers();
  void fit();
  void drawPart(QCPPainter& painter, size_t part) const;
  void drawLimits(QCPPainter& painter) const;
  void drawNotes(QCPPainter& painter) const;
  double pixel(double value) const;
  double endOf(const StackedBar& bar) const;
  bool isHidden(size_t part) const { return part < parts_.size() && hidden().contains(parts_[part].name); }
  QString wordsAt(const QPointF& position) const;
  QString text() const;

  std::vector<BarPart> parts_;
  QString limit_name_;
  std::vector<StackedBar> bars_;
  bool fits_limits_ = false;
};

}  // namespace razorscope::gui
