#pragma once

#include <QWidget>

#include "gui/data/device_plan.hpp"

class QComboBox;
class QDoubleSpinBox;
class QLineEdit;
class QSpinBox;
class QToolButton;

namespace razorscope::gui {

class LogSlider;

/// What `razorscope plan` has as options, as controls.
class DeviceControls : public QWidget {
  Q_OBJECT

 public:
  explicit DeviceControls(QWidget* parent = nullptr);

  PlanSettings settings() const;
  /// Tells of it once, by changed(), where it is something else.
  void setSettings(const PlanSettings& settings);
  /// Names to choose from; what is chosen stays.
  void setCatalogues(const QStringList& devices, const QStringList& models);
  void setSelectionHasPolicies(bool has);

  LogSlider& context() { return *context_; }
  LogSlider& batch() { return *batch_; }

 Q_SIGNALS:
  void changed();
  /// The policies of the selected runs are wanted.
  void policiesAsked();

 private:
  void note();
  void layOut();

  QComboBox* device_;
  QComboBox* model_;
  QComboBox* weights_;
  QComboBox* engine_;
  QSpinBox* tp_;
  QDoubleSpinBox* utilisation_;  // 0: the engine's
  QDoubleSpinBox* non_kv_;       // GB; below 0: the engine's
  QSpinBox* token_budget_;       // 0: the engine's
  LogSlider* context_;
  LogSlider* batch_;
  LogSlider* output_;
  QLineEdit* policies_;
  QToolButton* of_selection_;
  QToolButton* more_;
  QWidget* engine_row_;
  PlanSettings before_;
  bool setting_ = false;
};

}  // namespace razorscope::gui
