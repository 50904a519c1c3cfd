#pragma once

#include <QString>
#include <QWidget>

class QLabel;
class QPushButton;
class QVBoxLayout;

namespace razorscope::gui {

/// What is there while no database is open: open one, run the sample, go on with a recent one.
class WelcomePage : public QWidget {
  Q_OBJECT

 public:
  explicit WelcomePage(QWidget* parent = nullptr);

  void setRecent(const QStringList& files);
  /// Why the last one could not be opened, and what to do; "": nothing to tell.
  /// mendable: whether bringing it up to date would help.
  void setProblem(const QString& problem, bool mendable = false);

 Q_SIGNALS:
  void openAsked();
  void sampleAsked();
  void updateAsked();
  void fileAsked(const QString& path);

 private:
  QLabel* problem_;
  QPushButton* update_;
  QVBoxLayout* recent_;
};

}  // namespace razorscope::gui
