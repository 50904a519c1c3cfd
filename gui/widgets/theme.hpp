#pragma once

#include <QColor>
#include <QPalette>
#include <QString>
#include <QStyle>

#include "experiments/store/figures/palette.hpp"

namespace razorscope::gui {

/// Whether text is light on dark.
bool is_dark(const QPalette& palette);
/// A paint of figures, as it is on such a page.
QColor colour(const Paint& paint, bool dark);
/// The same of a family of policies, by any of its policies' names.
QColor policy_colour(const QString& policy, bool dark);

/// A palette of light text on dark, or the reverse.
QPalette dark_palette();
QPalette light_palette();
/// Qt's Fusion, whose boxes to be ticked can be seen on dark too. The caller owns it.
QStyle* make_style();

}  // namespace razorscope::gui
