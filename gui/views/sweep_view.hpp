#pragma once

#include <QTimer>
#include <filesystem>

#include "gui/data/sweep_cells_model.hpp"
#include "gui/data/sweep_process.hpp"
#include "gui/views/view.hpp"

class QComboBox;
class QLabel;
class QPlainTextEdit;
class QProgressBar;
class QPushButton;
class QTableView;

namespace razorscope::gui {

/// Experiments: a sweep file is chosen, started, watched, cancelled and resumed here. Its results are in the
/// database that is open, and so in all views, as they come.
class SweepView final : public View {
  Q_OBJECT

 public:
  SweepView(Explorer& explorer, QWidget* parent);
  ~SweepView() override;

  /// Runs the sample into a database of its own, which is opened as soon as it is there.
  void runSample();
  void runFile(const std::filesystem::path& file, const std::filesystem::path& db, bool again);

  bool isRunning() const { return process_.isRunning(); }
  QString csv() const override { return model_->csv(); }
  bool isBusy() const override { return View::isBusy() || worker_.isBusy(); }
  QJsonObject saveState() const override;
  void restoreState(const QJsonObject& state) override;

 protected:
  void update(Changes changes) override;

 private:
  void makeControls();
  void chooseFile();
  void showFile();
  void start(bool again);
  void look();
  void openResults();
  void showCells(const std::vector<CellRow>& cells);
  void showProgress();
  void finish(const QString& problem);
  std::filesystem::path file() const;

  QComboBox* files_;
  QPlainTextEdit* content_;
  QPushButton* start_;
  QPushButton* cancel_;
  QPushButton* resume_;
  QProgressBar* progress_;
  QLabel* status_;
  QTableView* table_;
  QPlainTextEdit* log_;
  SweepCellsModel* model_;
  SweepProcess process_;
  std::string name_;           // of the file's sweep, as the store knows it
  QString problem_;            // of the latest process
  bool opened_ = false;        // its database, which one may leave for another
  std::filesystem::path db_;   // that the process writes
  double done_before_ = -1.0;  // estimated seconds of what was done when it began; -1: not known yet
  bool look_again_ = false;    // once the worker has answered
  QTimer tick_;                // while the process runs
  Worker worker_;              // of its own: progress does not wait for other views
};

}  // namespace razorscope::gui
