#pragma once

#include <cmath>

#include "gui/widgets/plot_library.hpp"

namespace razorscope::gui {

/// Ticks of a logarithmic axis: at powers of ten, and between them where the axis has few of those.
class LogTicker : public QCPAxisTickerLog {
 protected:
  QVector<double> createTickVector(double step, const QCPRange& range) override {
    const double decades = std::log10(range.upper / range.lower);
    is_dense_ = range.lower > 0.0 && decades < 2.5;
    if (!is_dense_) return QCPAxisTickerLog::createTickVector(step, range);
    QVector<double> ticks;
    for (double power = std::floor(std::log10(range.lower)); power <= std::log10(range.upper); power += 1.0) {
      for (const double factor : {1.0, 1.5, 2.0, 3.0, 5.0, 7.0}) {
        const bool is_fine = factor == 1.5 || factor == 3.0 || factor == 7.0;
        if (decades < 1.3 || !is_fine) ticks += factor * std::pow(10.0, power);
      }
    }
    // One beyond each end, as the library has it.
    while (ticks.size() > 1 && ticks[1] < range.lower) ticks.removeFirst();
    while (ticks.size() > 1 && ticks[ticks.size() - 2] > range.upper) ticks.removeLast();
    return ticks;
  }
  int getSubTickCount(double step) override {
    return is_dense_ ? 0 : QCPAxisTickerLog::getSubTickCount(step);
  }

 private:
  bool is_dense_ = false;
};

}  // namespace razorscope::gui
