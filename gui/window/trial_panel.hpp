#pragma once

#include <QTimer>
#include <QWidget>
#include <atomic>
#include <memory>

#include "gui/data/explorer.hpp"
#include "gui/data/trial.hpp"

class QComboBox;
class QLabel;
class QSpinBox;

namespace razorscope::gui {

class PolicyForm;

/// Tries one policy on a recorded trace while its parameters are turned: within two seconds its error and its
/// bytes stand here, and as a large diamond in the trade-off. Nothing is stored.
class TrialPanel : public QWidget {
  Q_OBJECT

 public:
  explicit TrialPanel(Explorer& explorer, QWidget* parent = nullptr);
  ~TrialPanel() override;

  /// Whether what is shown is not yet what was asked for.
  bool isBusy() const { return wait_.isActive() || worker_.isBusy(); }
  const std::optional<Trial>& trial() const { return trial_; }

 protected:
  void showEvent(QShowEvent* event) override;

 private:
  void fillTraces();
  void showTraces(std::vector<std::filesystem::path> known);
  void takeReplayOf(const std::filesystem::path& trace);
  void takeSelectedRun();
  void chooseTrace();
  void ask();
  void replayNow();
  void showTrial(const Trial& trial);
  std::filesystem::path trace() const;

  Explorer& explorer_;
  QComboBox* traces_;
  QSpinBox* prefix_;
  PolicyForm* form_;
  QLabel* result_;
  QTimer wait_;                                // while a slider moves
  std::vector<std::filesystem::path> chosen_;  // traces from elsewhere
  int wanted_steps_ = 64;                      // of what it would stand beside
  int steps_ = 64;                             // as many of them as can be replayed in time
  std::optional<Trial> trial_;
  std::shared_ptr<std::atomic<bool>> stop_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<TrialBench> bench_ = std::make_shared<TrialBench>();
  Worker worker_;
};

}  // namespace razorscope::gui
