#include "gui/widgets/share_slider.hpp"

#include <QHBoxLayout>
#include <QLabel>
#include <QSlider>
#include <algorithm>
#include <cmath>

#include "gui/data/format.hpp"

namespace razorscope::gui {
namespace {

constexpr double step = 0.005;

}  // namespace

ShareSlider::ShareSlider(const QString& name, double most, double share, QWidget* parent)
    : QWidget(parent), slider_(new QSlider(Qt::Horizontal, this)), figure_(new QLabel(this)) {
  slider_->setAccessibleName(name);
  slider_->setRange(0, static_cast<int>(std::lround(most / step)));
  slider_->setPageStep(2);
  slider_->setMinimumWidth(70);
  figure_->setMinimumWidth(fontMetrics().horizontalAdvance(QStringLiteral("99.5 %")));
  auto* layout = new QHBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->addWidget(new QLabel(name));
  layout->addWidget(slider_, 1);
  layout->addWidget(figure_);
  setShare(share);
  tell();
  connect(slider_, &QSlider::valueChanged, this, [this] {
    tell();
    Q_EMIT shareChanged(this->share());
  });
}

double ShareSlider::share() const { return slider_->value() * step; }

void ShareSlider::setShare(double share) {
  if (!std::isfinite(share)) return;
  slider_->setValue(static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) / step)));
}

void ShareSlider::tell() {
  figure_->setText(share_text(share()));
  slider_->setAccessibleDescription(figure_->text());
}

}  // namespace razorscope::gui
