#include "gui/widgets/legend.hpp"

namespace razorscope::gui {

void grey_hidden(QCustomPlot& plot, QCPAbstractPlottable& plottable, const QPalette& palette,
                 bool is_hidden) {
  if (QCPPlottableLegendItem* const line = plot.legend->itemWithPlottable(&plottable))
    line->setTextColor(palette.color(is_hidden ? QPalette::Disabled : QPalette::Active, QPalette::Text));
}

}  // namespace razorscope::gui
