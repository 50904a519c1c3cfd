#pragma once

#include <QElapsedTimer>
#include <QObject>
#include <QProcess>
#include <QString>
#include <filesystem>

namespace razorscope::gui {

/// The command line's `sweep`, as a process: what runs here is what runs there, and a crash or a kill of
/// either leaves the other. How far it is stands in its database.
///
/// Contract. One sweep at a time. Ends with this object: what runs is cancelled, and what it finished is
/// stored.
class SweepProcess : public QObject {
  Q_OBJECT

 public:
  explicit SweepProcess(QObject* parent = nullptr);
  ~SweepProcess() override;

  /// Runs what of the file is not done yet; again: also what failed before. Where it cannot be started,
  /// ended() says why.
  void start(const std::filesystem::path& file, const std::filesystem::path& db, bool again);
  /// Asks it to stop; ended() follows.
  void cancel();

  bool isRunning() const { return process_.state() != QProcess::NotRunning; }
  double seconds() const { return isRunning() ? static_cast<double>(clock_.elapsed()) / 1e3 : 0.0; }
  /// What the program said so far.
  QString log() const { return log_; }

 Q_SIGNALS:
  void started();
  void logChanged();
  /// problem: "" where all went well, or it was cancelled.
  void ended(const QString& problem);

 private:
  void readLog();
  QString complaint() const;

  QProcess process_;
  QElapsedTimer clock_;
  QString log_;
  QString errors_;  // the part of it that went to standard error
  bool cancelled_ = false;
};

}  // namespace razorscope::gui
