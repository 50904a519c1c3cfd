#include "gui/widgets/picture_group.hpp"

namespace razorscope::gui {
namespace {

QRect place_of(const Chart& chart, const QWidget& page) {
  if (!chart.message().isEmpty()) return {chart.mapTo(&page, QPoint(0, 0)), chart.size()};
  return {chart.plot().mapTo(&page, QPoint(0, 0)), chart.plot().size()};
}

}  // namespace

QRect PictureGroup::frame() const {
  QRect all;
  for (const Chart* chart : charts_) {
    if (chart->isVisibleTo(&page_)) all |= place_of(*chart, page_);
  }
  return all;
}

QSize PictureGroup::pictureSize() const {
  const QSize size = frame().size();
  return size.isEmpty() ? page_.size() : size;
}

void PictureGroup::paintPicture(QCPPainter& painter, const QSize& size) {
  painter.fillRect(QRect(QPoint(0, 0), size), page_.palette().color(QPalette::Base));
  const QPoint origin = frame().topLeft();
  for (Chart* chart : charts_) {
    if (!chart->isVisibleTo(&page_)) continue;
    const QRect place = place_of(*chart, page_);
    const QTransform before = painter.transform();
    painter.translate(place.topLeft() - origin);
    chart->paintPicture(painter, place.size());
    painter.setTransform(before);
    painter.setClipping(false);
  }
}

}  // namespace razorscope::gui
