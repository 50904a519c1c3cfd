#pragma once

#include <optional>
#include <vector>

#include "experiments/store/figures/colour_scale.hpp"
#include "gui/data/head_maps.hpp"
#include "gui/widgets/chart.hpp"

namespace razorscope::gui {

class ColourBar;

/// Cells side by side in a row.
struct CellSpan {
  int layer = 0;
  int first = 0;  // head
  int heads = 1;

  bool operator==(const CellSpan&) const = default;
};

/// A figure of each head as a colour: layers from top to bottom, heads of a layer from left to right. Some
/// heads may be outlined, under one name in the legend, and one stretch of heads is marked as chosen.
class HeatMapChart : public Chart {
  Q_OBJECT

 public:
  explicit HeatMapChart(const QString& name, QWidget* parent = nullptr);

  /// Shows all of it where its size has changed.
  void setMap(HeadMap map, const ColourScale& scale, FigureKind format);
  const HeadMap& map() const { return map_; }
  void setOutlines(const QString& name, std::vector<CellSpan> outlines);
  const std::vector<CellSpan>& outlines() const { return outlines_; }
  void setMarked(std::optional<CellSpan> marked);
  /// What hovering tells of a head, by layer and head.
  void setWords(std::function<QString(int, int)> words) { words_ = std::move(words); }

  /// (layer, head)
  std::optional<std::pair<int, int>> cellAt(const QPointF& position) const;
  /// The middle of a cell.
  QPointF positionOf(int layer, int head) const;

 Q_SIGNALS:
  void cellClicked(int layer, int head);

 private:
  void restyle();
  void drawCells(QCPPainter& painter) const;
  void drawOutlines(QCPPainter& painter) const;
  QRectF rectOf(const CellSpan& span) const;
  void fit();

  HeadMap map_;
  ColourScale scale_;
  std::vector<CellSpan> outlines_;
  std::optional<CellSpan> marked_;
  std::function<QString(int, int)> words_;
  ColourBar* bar_;
  QCPAbstractPlottable* outline_layer_;
};

}  // namespace razorscope::gui
