#pragma once

#include <QString>
#include <QWidget>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "policies/parameter.hpp"

class QComboBox;
class QFormLayout;
class QLabel;

namespace razorscope::gui {

/// A policy as a form: selection, variant, codec, and a control for each parameter that applies. Made from
/// the declarations that the command line's help is made from; only what differs from its default is written.
class PolicyForm : public QWidget {
  Q_OBJECT

 public:
  explicit PolicyForm(QWidget* parent = nullptr);

  /// As a user would write it.
  QString policy() const;
  /// Canonical or not; what cannot be understood changes nothing.
  void setPolicy(const QString& policy);
  /// Sliders of tokens reach this far.
  void setLargestTokens(int tokens);
  /// Why the policy makes no sense; "": it does.
  QString problem() const;

 Q_SIGNALS:
  void changed();

 private:
  /// What a slider's positions stand for.
  struct SliderScale {
    double low = 0.0;
    double high = 1.0;
    int lowest_position = 0;
    std::function<double(const QString&)> number_of;
    std::function<QString(double)> text_of;
  };

  void chooseSelection();
  void give(const std::string& name, const QString& text);
  void rebuild();
  void rebuildIfStale();
  std::vector<std::string> applicable() const;
  QWidget* control(const Parameter& parameter, const QString& value);
  QWidget* numberControl(const Parameter& parameter, const QString& value);
  QWidget* sliderControl(const Parameter& parameter, const QString& value, const SliderScale& scale,
                         const QString& description);
  QWidget* budgetControl(const Parameter& parameter, const QString& value);
  void check();

  QComboBox* selection_;
  QComboBox* variant_;
  QComboBox* codec_;
  QFormLayout* rows_;
  QWidget* parameters_ = nullptr;
  QLabel* problem_;
  std::map<std::string, QString> given_;  // by the parameter's name
  QString codec_text_;                    // where it is more than a name
  int largest_tokens_ = 4096;
  std::vector<std::string> shown_;  // names of the parameters that have a row
  bool stale_ = false;              // others apply by now
};

}  // namespace razorscope::gui
