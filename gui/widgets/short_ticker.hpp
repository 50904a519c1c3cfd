#pragma once

#include <cmath>
#include <utility>

#include "gui/widgets/log_ticker.hpp"
#include "gui/widgets/plot_library.hpp"

namespace razorscope::gui {

/// Labels of an axis that take little room: 300k, 1.5M. Base: QCPAxisTicker or LogTicker.
template <typename Base>
class ShortTicker : public Base {
 protected:
  QString getTickLabel(double tick, const QLocale&, QChar, int) override {
    for (const auto& [unit, letter] : {std::pair(1e9, "G"), std::pair(1e6, "M"), std::pair(1e3, "k")}) {
      if (std::abs(tick) >= unit) return QString::number(tick / unit, 'g', 4) + QLatin1String(letter);
    }
    return QString::number(tick, 'g', 4);
  }
};

/// Gives an axis such labels, as it is scaled now.
inline void name_ticks_shortly(QCPAxis& axis, int ticks) {
  QSharedPointer<QCPAxisTicker> ticker;
  if (axis.scaleType() == QCPAxis::stLogarithmic) {
    ticker.reset(new ShortTicker<LogTicker>);
  } else {
    ticker.reset(new ShortTicker<QCPAxisTicker>);
  }
  ticker->setTickCount(ticks);
  axis.setTicker(ticker);
}

}  // namespace razorscope::gui
