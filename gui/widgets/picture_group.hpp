#pragma once

#include <QWidget>
#include <functional>
#include <vector>

#include "gui/widgets/chart.hpp"

namespace razorscope::gui {

/// Several charts as one picture, each where it lies within a widget; those that are hidden are left out.
class PictureGroup : public Picture {
 public:
  PictureGroup(QWidget& page, std::vector<Chart*> charts, std::function<QString()> figures)
      : page_(page), charts_(std::move(charts)), figures_(std::move(figures)) {}

  QSize pictureSize() const override;
  void paintPicture(QCPPainter& painter, const QSize& size) override;
  QString csv() const override { return figures_(); }

 private:
  QRect frame() const;

  QWidget& page_;
  std::vector<Chart*> charts_;
  std::function<QString()> figures_;
};

}  // namespace razorscope::gui
