#pragma once

#include <QString>
#include <optional>

#include "gui/data/run_filter.hpp"

class QWidget;

namespace razorscope::gui {

/// Asks for the bounds of a figure; an end that is left empty has none. Nothing where the user gives up.
std::optional<FigureBounds> ask_bounds(const QString& figure, const FigureBounds& now, QWidget* parent);

}  // namespace razorscope::gui
