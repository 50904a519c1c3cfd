#pragma once

#include <QCoreApplication>
#include <QElapsedTimer>
#include <QString>
#include <filesystem>
#include <stdexcept>

#include "gui/views/view.hpp"

namespace razorscope::gui {

/// Lets the application work until `ready` says so; an error where that takes too long.
template <typename Ready>
void work_until(const Ready& ready) {
  QElapsedTimer clock;
  clock.start();
  for (int quiet = 0; quiet < 3;) {
    QCoreApplication::processEvents(QEventLoop::AllEvents, 10);
    quiet = ready() ? quiet + 1 : 0;
    if (clock.elapsed() > 30'000) throw std::runtime_error("it was not ready within 30 seconds");
  }
}

inline void settle(const View& view) {
  work_until([&] { return !view.isBusy(); });
}

inline void open(Explorer& explorer, const std::filesystem::path& path) {
  explorer.open(QString::fromStdString(path.string()));
  work_until([&] { return explorer.state() != Explorer::State::loading && !explorer.worker().isBusy(); });
  if (explorer.state() != Explorer::State::ready) throw std::runtime_error(explorer.problem().toStdString());
}

}  // namespace razorscope::gui
