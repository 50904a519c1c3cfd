#include "gui/widgets/log_slider.hpp"

#include <QHBoxLayout>
#include <QLabel>
#include <QSlider>
#include <QSpinBox>
#include <cmath>

namespace razorscope::gui {
namespace {

constexpr double steps_an_octave = 8.0;

}  // namespace

LogSlider::LogSlider(const QString& name, int lowest, int highest, int most, QWidget* parent)
    : QWidget(parent),
      lowest_(lowest),
      slider_(new QSlider(Qt::Horizontal, this)),
      field_(new QSpinBox(this)) {
  slider_->setAccessibleName(name);
  slider_->setRange(0, positionOf(highest));
  slider_->setPageStep(static_cast<int>(steps_an_octave));
  slider_->setMinimumWidth(50);
  field_->setAccessibleName(name);
  field_->setRange(1, most);
  field_->setGroupSeparatorShown(true);
  field_->setKeyboardTracking(false);
  auto* layout = new QHBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  auto* label = new QLabel(name);
  label->setBuddy(field_);
  layout->addWidget(label);
  layout->addWidget(slider_, 1);
  layout->addWidget(field_);
  connect(slider_, &QSlider::valueChanged, this, [this](int position) {
    field_->setValue(static_cast<int>(std::lround(lowest_ * std::exp2(position / steps_an_octave))));
  });
  connect(field_, &QSpinBox::valueChanged, this, [this](int value) {
    const QSignalBlocker quiet(slider_);
    slider_->setValue(positionOf(value));
    slider_->setAccessibleDescription(field_->text());
    Q_EMIT valueChanged(value);
  });
  slider_->setAccessibleDescription(field_->text());
}

int LogSlider::positionOf(int value) const {
  if (value <= lowest_) return 0;
  return static_cast<int>(std::lround(steps_an_octave * std::log2(static_cast<double>(value) / lowest_)));
}

int LogSlider::value() const { return field_->value(); }

void LogSlider::setValue(int value) { field_->setValue(value); }

}  // namespace razorscope::gui
