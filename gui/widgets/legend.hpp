#pragma once

#include <QPalette>

#include "gui/widgets/plot_library.hpp"

namespace razorscope::gui {

/// The legend's line of what the user hid is grey, so that it can be clicked again; `is_hidden` false: of
/// what was shown again. Nothing happens where the legend has no such line.
void grey_hidden(QCustomPlot& plot, QCPAbstractPlottable& plottable, const QPalette& palette,
                 bool is_hidden = true);

}  // namespace razorscope::gui
