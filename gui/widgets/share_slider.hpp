#pragma once

#include <QWidget>

class QLabel;
class QSlider;

namespace razorscope::gui {

/// A share from 0 to `most`, in steps of half a hundredth, with its name and figure.
class ShareSlider : public QWidget {
  Q_OBJECT

 public:
  ShareSlider(const QString& name, double most, double share, QWidget* parent = nullptr);

  double share() const;
  /// What lies outside is cut.
  void setShare(double share);
  QSlider& slider() { return *slider_; }

 Q_SIGNALS:
  void shareChanged(double share);

 private:
  void tell();

  QSlider* slider_;
  QLabel* figure_;
};

}  // namespace razorscope::gui
