#pragma once

#include <QWidget>

class QSlider;
class QSpinBox;

namespace razorscope::gui {

/// A whole number over many orders of magnitude: a slider whose steps are eighths of an octave, and a field
/// for any number.
class LogSlider : public QWidget {
  Q_OBJECT

 public:
  /// lowest > 0. The field allows what lies beyond the slider, up to `most`.
  LogSlider(const QString& name, int lowest, int highest, int most, QWidget* parent = nullptr);

  int value() const;
  /// What lies outside is cut.
  void setValue(int value);
  QSlider& slider() { return *slider_; }
  QSpinBox& field() { return *field_; }

 Q_SIGNALS:
  void valueChanged(int value);

 private:
  int positionOf(int value) const;

  int lowest_;
  QSlider* slider_;
  QSpinBox* field_;
};

}  // namespace razorscope::gui
