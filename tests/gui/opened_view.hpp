#pragma once

#include <QApplication>
#include <QElapsedTimer>
#include <QImage>
#include <QTest>
#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <set>

#include "gui/views/view.hpp"
#include "gui/widgets/chart.hpp"

namespace razorscope::testing {

/// A view with a database, shown off screen, as the window would show it.
class OpenedView {
 public:
  using Make = gui::View* (*)(gui::Explorer&, QWidget*);

  explicit OpenedView(Make make, const std::filesystem::path& database = {}, QSize size = {1000, 760})
      : view_(make(explorer_, nullptr)) {
    view_->resize(size);
    view_->show();
    if (!database.empty()) explorer_.open(QString::fromStdString(database.string()));
    settle();
  }

  gui::Explorer& explorer() { return explorer_; }
  gui::View& view() { return *view_; }

  /// Until all that is shown is there.
  void settle() {
    QElapsedTimer clock;
    clock.start();
    int quiet = 0;
    while (quiet < 3 && clock.elapsed() < 20'000) {
      QApplication::processEvents(QEventLoop::AllEvents, 20);
      const bool busy = explorer_.state() == gui::Explorer::State::loading || view_->isBusy();
      quiet = busy ? 0 : quiet + 1;
    }
    ASSERT_GE(quiet, 3) << "the view is still busy";
  }

  void select(std::vector<gui::RunRef> runs) {
    explorer_.select(std::move(runs));
    settle();
  }

  /// By the name that exported files have.
  template <typename Kind>
  Kind& chart(const char* name) {
    for (Kind* chart : view_->findChildren<Kind*>()) {
      if (chart->name() == QLatin1String(name)) return *chart;
    }
    throw std::runtime_error(std::string("no chart ") + name);
  }

  /// A control by what screen readers call it.
  template <typename Kind>
  Kind& control(const char* name) {
    for (Kind* control : view_->findChildren<Kind*>()) {
      if (control->accessibleName() == QLatin1String(name)) return *control;
    }
    throw std::runtime_error(std::string("no control ") + name);
  }

  QString text(const char* label) const {
    const auto* found = view_->findChild<QWidget*>(QLatin1String(label));
    return found == nullptr ? QString() : found->property("text").toString();
  }

  void click(gui::Chart& chart, const QPointF& place, Qt::KeyboardModifiers modifiers = {}) {
    QTest::mouseClick(&chart.plot(), Qt::LeftButton, modifiers, place.toPoint());
    settle();
  }

  /// Colours in a picture of the view: a handful where it is blank.
  size_t colours() const {
    const QImage image = view_->grab().toImage();
    std::set<QRgb> colours;
    for (int y = 0; y < image.height(); y += 3) {
      for (int x = 0; x < image.width(); x += 3) colours.insert(image.pixel(x, y));
    }
    return colours.size();
  }

 private:
  gui::Explorer explorer_;
  std::unique_ptr<gui::View> view_;
};

}  // namespace razorscope::testing
