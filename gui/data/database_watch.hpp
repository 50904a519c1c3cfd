#pragma once

#include <QElapsedTimer>
#include <QObject>
#include <QString>
#include <QTimer>

namespace razorscope::gui {

/// Tells when other programs have written into a database: looks about once a second at the times and sizes
/// of its file and its write-ahead log, which costs nothing and works on every file system.
class DatabaseWatch : public QObject {
  Q_OBJECT

 public:
  explicit DatabaseWatch(QObject* parent = nullptr);

  /// "": none.
  void watch(const QString& path);
  /// To be told how long reading takes: a database that is written all the time is not read all the time, but
  /// at most a fifth of it.
  void setReadingTime(int milliseconds) { reading_time_ = milliseconds; }

 Q_SIGNALS:
  void changed();

 private:
  void look();
  QString state() const;

  QString path_;
  QString seen_;
  QTimer timer_;
  QElapsedTimer since_change_;
  int reading_time_ = 0;
};

}  // namespace razorscope::gui
