#include "gui/data/sweep_process.hpp"

#include <csignal>

#include "gui/data/installation.hpp"

namespace razorscope::gui {
namespace {

constexpr int patience = 10'000;  // milliseconds that a cancelled sweep gets to stop its children

}  // namespace

SweepProcess::SweepProcess(QObject* parent) : QObject(parent) {
  connect(&process_, &QProcess::started, this, &SweepProcess::started);
  connect(&process_, &QProcess::readyReadStandardError, this, &SweepProcess::readLog);
  connect(&process_, &QProcess::readyReadStandardOutput, this, &SweepProcess::readLog);
  connect(&process_, &QProcess::errorOccurred, this, [this](QProcess::ProcessError error) {
    if (error == QProcess::FailedToStart) Q_EMIT ended(process_.errorString());
  });
  connect(&process_, &QProcess::finished, this, [this](int code, QProcess::ExitStatus status) {
    readLog();
    if (cancelled_) {
      Q_EMIT ended({});
    } else if (status == QProcess::CrashExit) {
      Q_EMIT ended(tr("the program was killed; Resume goes on where it was"));
    } else {
      Q_EMIT ended(code == 0 ? QString() : complaint());
    }
  });
}

SweepProcess::~SweepProcess() {
  disconnect(&process_, nullptr, this, nullptr);
  if (!isRunning()) return;
  cancel();
  if (!process_.waitForFinished(patience)) process_.kill();
  process_.waitForFinished(patience);
}

void SweepProcess::start(const std::filesystem::path& file, const std::filesystem::path& db, bool again) {
  if (isRunning()) return;
  log_.clear();
  errors_.clear();
  cancelled_ = false;
  const std::filesystem::path program = command_line_program();
  if (program.empty()) {
    Q_EMIT ended(tr("The program razorscope is neither beside this one nor in the PATH."));
    return;
  }
  clock_.start();
  process_.start(
      QString::fromStdString(program.string()),
      {QStringLiteral("sweep"), again ? QStringLiteral("resume") : QStringLiteral("run"),
       QString::fromStdString(file.string()), QStringLiteral("--db"), QString::fromStdString(db.string())});
}

void SweepProcess::cancel() {
  if (!isRunning()) return;
  cancelled_ = true;
  // As Ctrl+C: it ends its children, and what they finished is stored.
  ::kill(static_cast<pid_t>(process_.processId()), SIGINT);
}

/// The program's last word, which follows its name.
QString SweepProcess::complaint() const {
  static const QString name = QStringLiteral("razorscope: ");
  const qsizetype at = errors_.lastIndexOf(name);
  return (at < 0 ? errors_ : errors_.mid(at + name.size())).trimmed();
}

void SweepProcess::readLog() {
  const QString errors = QString::fromUtf8(process_.readAllStandardError());
  errors_ += errors;
  log_ += QString::fromUtf8(process_.readAllStandardOutput()) + errors;
  Q_EMIT logChanged();
}

}  // namespace razorscope::gui
